package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keyporter/internal/peer/peertest"
)

func init() { peertest.Main() }

// enter lets other users get as far as a folder of the desktop's home.
func (d *desktop) enter(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(d.home, name)
	check(t, os.MkdirAll(dir, 0o711))
	for _, path := range []string{filepath.Dir(d.home), d.home, dir} {
		check(t, os.Chmod(path, 0o711))
	}
	return dir
}

// Only root can be two users; anybody else looks at what his own user may say.
func TestAnotherUserAtTheTrayAppsSocketOpensNoWindow(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	host := newHost(t, ctx, d)
	_, first, item, mapped := d.runs(t, ctx, host)

	socket := filepath.Join(d.enter(t, "kp"), "tray.sock")
	check(t, os.Chmod(socket, 0o777))
	if got := peertest.Say(socket, "quit\n"); got != "" {
		t.Errorf("to what is not show, the answer is %q", got)
	}
	if peertest.Possible() {
		if got, err := peertest.Knock(ctx, d.home, socket, "show\n"); err != nil || got != "" {
			t.Errorf("another user got %q (%v)", got, err)
		}
	}
	if len(mapped) > 0 {
		t.Error("a window opened")
	}
	if got := peertest.Say(socket, "show\n"); got != "ok\n" {
		t.Errorf("the same user got %q", got)
	}
	receive(t, ctx, mapped)
	check(t, item.Quit(ctx, "Quit (bridges keep running)"))
	first.wait(t, ctx, 0)
}

// Another user listens in the place of the tray app's socket. What is started then is
// told nothing by it, and says so where the lock is held too; else it takes its place.
func TestAnotherUserInTheTrayAppsPlaceIsToldNothing(t *testing.T) {
	if !peertest.Possible() {
		return // nobody else is there
	}
	ctx, d := testContext(t), newDesktop(t)
	agent := serveAgent(t, d.home+"/kp", state("ready"))
	newHost(t, ctx, d)
	dir := d.enter(t, "open")
	check(t, os.Chmod(dir, 0o777))
	squats := filepath.Join(dir, "s")
	told, err := peertest.Squat(ctx, d.home, squats, "ok\n")
	check(t, err)
	kp := d.enter(t, "kp")
	check(t, os.Link(squats, filepath.Join(kp, "tray.sock")))
	release := holds(t, filepath.Join(kp, "tray.lock"))

	p := start(t, d.environ())
	p.wait(t, ctx, 1)
	if said := p.out.String(); !strings.Contains(said, "Keyporter's tray app runs already and does not answer") {
		t.Errorf("with the lock held, it says %s", said)
	}
	release()
	p = start(t, d.environ())
	receive(t, ctx, agent.watchers)
	check(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait(t, ctx, 0)
	if got, err := told(); err != nil || got != "" {
		t.Errorf("another user's program was told %q (%v)", got, err)
	}
}

// holds lets another user hold a lock until release.
func holds(t *testing.T, path string) (release func()) {
	t.Helper()
	check(t, os.WriteFile(path, nil, 0o644))
	cmd := exec.Command("flock", path, "sh", "-c", "echo held; exec cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: peertest.Nobody, Gid: peertest.Nobody}}
	in, out := must(cmd.StdinPipe())(t), must(cmd.StdoutPipe())(t)
	check(t, cmd.Start())
	if _, err := io.ReadFull(out, make([]byte, len("held\n"))); err != nil {
		t.Errorf("the lock is not held: %v", err)
	}
	return func() {
		check(t, in.Close())
		check(t, cmd.Wait())
	}
}
