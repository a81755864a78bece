package instance

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// roleEnv makes the test binary somebody else's program: it knocks at the socket
// that the variable names, or listens there.
const (
	knockEnv = "KEYPORTER_TEST_KNOCK"
	squatEnv = "KEYPORTER_TEST_SQUAT"
)

const nobody = 65534

func init() {
	if path := os.Getenv(knockEnv); path != "" {
		knock(path)
	}
	if path := os.Getenv(squatEnv); path != "" {
		squat(path)
	}
}

// knock says "show" and prints the answer.
func knock(path string) {
	c, err := net.Dial("unix", path)
	if err != nil {
		os.Stdout.WriteString("cannot connect: " + err.Error())
		os.Exit(1)
	}
	_, _ = io.WriteString(c, message) // may be too late
	b, _ := io.ReadAll(c)
	_, _ = os.Stdout.Write(b)
	os.Exit(0)
}

// squat answers the first one who connects, and prints what was said.
func squat(path string) {
	l, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o777)
	}
	if err != nil {
		os.Stdout.WriteString(err.Error())
		os.Exit(1)
	}
	os.Stdout.WriteString("listening\n")
	c, err := l.Accept()
	if err != nil {
		os.Exit(1)
	}
	_, _ = io.WriteString(c, reply)
	b, _ := io.ReadAll(c)
	_, _ = os.Stdout.Write(b)
	os.Exit(0)
}

// asNobody makes a command that runs a copy of the test binary as another user.
func asNobody(t *testing.T, env string) *exec.Cmd {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "kpi")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "child")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, self, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(testContext(t), program)
	cmd.Env, cmd.Dir, cmd.Stderr = []string{env}, "/", os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

// open returns a folder whose doors are open to everybody.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kpi")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAnotherUserCannotShowTheWindow(t *testing.T) {
	if os.Getuid() != 0 {
		return // only root can be somebody else
	}
	dir, shown := open(t), 0
	i, err := Acquire(testContext(t), dir, "tray", func() { shown++ })
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "tray.sock")
	if fi, err := os.Stat(socket); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v (%v), want 0600", fi.Mode(), err)
	}
	if err := os.Chmod(socket, 0o777); err != nil {
		t.Fatal(err)
	}
	out, err := asNobody(t, knockEnv+"="+socket).Output()
	if err != nil || len(out) > 0 {
		t.Errorf("another user got %q (%v)", out, err)
	}
	if _, err := Acquire(testContext(t), dir, "tray", nil); !errors.Is(err, ErrRuns) {
		t.Errorf("this user: %v, want ErrRuns", err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
	if shown != 1 {
		t.Errorf("the window was shown %d times, want once", shown)
	}
}

func TestAnotherUsersListenerIsNotTheAppThatRuns(t *testing.T) {
	if os.Getuid() != 0 {
		return // only root can be somebody else
	}
	dir := open(t)
	socket := filepath.Join(dir, "tray.sock")
	cmd := asNobody(t, squatEnv+"="+socket)
	var said bytes.Buffer
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("listening\n"))
	if _, err := io.ReadFull(out, line); err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)
	if err := ask(ctx, socket); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("asked another user's program: %v", err)
	}
	if _, err := said.ReadFrom(out); err != nil || said.Len() > 0 {
		t.Errorf("another user's program was told %q (%v)", said.String(), err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
