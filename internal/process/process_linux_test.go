package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
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

// Whoever has file systems of his own can put a program over another's path.
func TestAProgramUnderAnothersPathIsNotNamed(t *testing.T) {
	t.Run("mounted over it", func(t *testing.T) {
		path := copyOf(t, "program")
		wantUnnamed(t, underMount(t, copyOf(t, "evil"), path, path), path)
	})
	t.Run("deleted in a folder mounted over its own", func(t *testing.T) {
		path, evil := copyOf(t, "program"), copyOf(t, "program")
		pid := underMount(t, filepath.Dir(evil), filepath.Dir(path), path)
		if err := os.Remove(evil); err != nil {
			t.Fatal(err)
		}
		wantUnnamed(t, pid, path+" (deleted)")
	})
	t.Run("the same file elsewhere in its own world", func(t *testing.T) {
		path := copyOf(t, "program")
		pid := underMount(t, t.TempDir(), "/mnt", path)
		if p, err := Find(pid); err != nil || p.Path != path {
			t.Errorf("got %+v, %v, want %s", p, err, path)
		}
	})
}

func wantUnnamed(t *testing.T, pid int, seems string) {
	t.Helper()
	if got, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || got != seems {
		t.Fatalf("the system says %q, %v, want %q", got, err, seems)
	}
	if p, err := Find(pid); err == nil {
		t.Errorf("found %+v", p)
	}
}

// underMount starts a program where from is mounted over to, for nobody else to see,
// and returns its process once it runs.
func underMount(t *testing.T, from, to, program string) int {
	t.Helper()
	cmd := exec.Command("sh", "-c", `mount --bind "$0" "$1" && exec "$2"`, from, to, program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("this test needs root or user namespaces: %v", err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	if _, err := io.WriteString(in, "x"); err != nil { // cat says it again
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the program does not run: %v", err)
	}
	return cmd.Process.Pid
}
