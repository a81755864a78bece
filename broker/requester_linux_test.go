package broker

import (
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"keyporter/internal/process"
)

// The window answers for the user: one that an update has replaced still runs under
// the same path.
func TestAProgramThatWasReplacedIsNotTheOneAtItsPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keyporter-tray")
	install := func() {
		t.Helper()
		cat, err := exec.LookPath("cat")
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "--remove-destination", cat, path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	install()
	cmd := exec.Command(path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = cmd.Wait() }()
	if _, err := io.WriteString(in, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil { // it runs
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		p, err := process.Find(cmd.Process.Pid)
		if err != nil || p.Path != path || runs(p, path) != want {
			t.Errorf("%+v (%v): want it to count: %t", p, err, want)
		}
		install()
	}
}
