//go:build unix

package instance

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keyporter/internal/peer/peertest"
)

func init() { peertest.Main() }

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
	ctx, dir, shown := testContext(t), open(t), 0
	i, err := Acquire(ctx, dir, "tray", func() { shown++ })
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
	if peertest.Possible() {
		if got, err := peertest.Knock(ctx, dir, socket, message); err != nil || got != "" {
			t.Errorf("another user got %q (%v)", got, err)
		}
	}
	if _, err := Acquire(ctx, dir, "tray", nil); !errors.Is(err, ErrRuns) {
		t.Errorf("this user: %v, want ErrRuns", err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
	if shown != 1 {
		t.Errorf("the window was shown %d times, want once", shown)
	}
}

// Whoever runs the tests: the system does not say who is at the other end of a pipe.
func TestSomebodyOfWhomNothingIsKnownCannotShowTheWindow(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go func() { _, _ = theirs.Write([]byte(message)) }() // ends with the pipe
	answer(ours, func() { t.Error("the window was shown") })
}

// As anybody but root, this has nobody to ask; TestAnotherUsersProcessIsNotThisUser
// of internal/peer is about the comparison alone.
func TestAnotherUsersListenerIsNotTheAppThatRuns(t *testing.T) {
	if !peertest.Possible() {
		return
	}
	ctx, dir := testContext(t), open(t)
	socket := filepath.Join(dir, "tray.sock")
	told, err := peertest.Squat(ctx, dir, socket, reply)
	if err != nil {
		t.Fatal(err)
	}
	if err := ask(ctx, socket); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("asked another user's program: %v", err)
	}
	if got, err := told(); err != nil || got != "" {
		t.Errorf("another user's program was told %q (%v)", got, err)
	}
}

// A pipe would hold up every start, until somebody opens its other end.
func TestAPipeInThePlaceOfTheLockHangsNobody(t *testing.T) {
	ctx, dir := testContext(t), t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "tray.lock"), 0o600); err != nil {
		t.Fatal(err)
	}
	i, err := Acquire(ctx, dir, "tray", func() {})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}
