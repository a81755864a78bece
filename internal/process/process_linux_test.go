package process

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// begun starts a program that runs until the test ends.
func begun(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	return cmd
}

// copyOf returns a copy of cat, which waits for the end of its input.
func copyOf(t *testing.T, name string) string {
	t.Helper()
	from, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestAChildIsFoundWithItsProgramParentAndStart(t *testing.T) {
	before := Now()
	path := copyOf(t, "a (name) 1 2 3")
	cmd := begun(t, path)
	p, err := Find(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	// Times in /proc are whole ticks, rounded down.
	if p.Path != path || p.Parent != os.Getpid() || p.Started < before-int64(tick) || p.Started > Now() {
		t.Errorf("got %+v, started between %d and %d", p, before, Now())
	}
	again, err := Find(cmd.Process.Pid)
	if err != nil || again != p {
		t.Errorf("the second time %+v, %v", again, err)
	}
}

func TestAProgramThatWasReplacedKeepsItsPath(t *testing.T) {
	path := copyOf(t, "program")
	cmd := begun(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if p, err := Find(cmd.Process.Pid); err != nil || p.Path != path {
		t.Errorf("got %+v, %v, want %s", p, err, path)
	}
}

func TestAProcessThatHasEndedIsNotFound(t *testing.T) {
	cmd := exec.Command("cat")
	cmd.Stdin, cmd.Stdout = nil, io.Discard
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if p, err := Find(cmd.Process.Pid); err == nil {
		t.Errorf("found %+v", p)
	}
}
