package e2e

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"keyporter/internal/trayhost"
)

// A trayApp is keyporter-tray on a display and in a panel of its own.
type trayApp struct {
	c       *chaos
	d       *desktop
	panel   *trayhost.Host
	display string
	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has
	shown   chan error    // takes one value when its menu is there, or will not be
}

// newTrayApp builds the program, beside the others.
func newTrayApp(c *chaos) *trayApp {
	c.t.Helper()
	a := &trayApp{c: c, d: newDesktop(c.t, c.dir)}
	build := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", c.programs, "keyporter/cmd/keyporter-tray")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		c.t.Fatalf("build keyporter-tray: %v\n%s", err, out)
	}
	c.env = append(c.env, "DBUS_SESSION_BUS_ADDRESS="+a.d.address)
	a.display = ":" + startDisplay(c)
	var err error
	a.panel, err = trayhost.New(c.t.Context(), a.d.address)
	check(c.t, err)
	c.t.Cleanup(func() { check(c.t, a.panel.Close()) })
	return a
}

// startDisplay starts a display that ends with the test, and returns its number.
func startDisplay(c *chaos) string {
	c.t.Helper()
	program, err := exec.LookPath("Xvfb")
	if err != nil {
		c.t.Fatal("This test needs Xvfb: apt-get install xvfb")
	}
	r, w, err := os.Pipe()
	check(c.t, err)
	defer r.Close()
	cmd := exec.Command(program, "-displayfd", "3", "-screen", "0", "800x600x24", "-nolisten", "tcp")
	cmd.ExtraFiles = []*os.File{w} // number 3
	launch(c.t, cmd)
	check(c.t, w.Close())
	line, err := bufio.NewReader(r).ReadString('\n')
	check(c.t, err)
	return strings.TrimSpace(line)
}

// start starts the tray app, whose menu is there after ready.
func (a *trayApp) start() {
	t := a.c.t
	t.Helper()
	_, out := a.c.command([]string{"version"}, nil) // its output is searched like the others'
	a.cmd = exec.Command(filepath.Join(a.c.programs, "keyporter-tray"), "--at-login")
	a.cmd.Env = append(a.c.env, "DISPLAY="+a.display, "XDG_RUNTIME_DIR="+a.c.dir, "LANG=en_US.UTF-8",
		"LIBGL_ALWAYS_SOFTWARE=1", "XDG_CURRENT_DESKTOP=GNOME")
	a.cmd.Dir, a.cmd.Stdout, a.cmd.Stderr = a.c.dir, out, out
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, a.cmd.Start())
	cmd, ended := a.cmd, make(chan struct{})
	a.ended = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("keyporter-tray wrote:\n%s", out)
		}
	})
	a.shown = make(chan error, 1)
	go func() { a.shown <- a.awaitMenu() }()
}

func (a *trayApp) awaitMenu() error {
	ctx, cancel := context.WithTimeout(a.c.t.Context(), patience)
	defer cancel()
	item, err := a.panel.Item(ctx)
	if err == nil {
		_, err = item.WaitRow(ctx, "Open Keyporter…")
	}
	return err
}

// ready waits until the tray app's menu is there.
func (a *trayApp) ready() {
	a.c.t.Helper()
	check(a.c.t, <-a.shown)
}

// kill kills the tray app, once it has started: a panel could not tell from
// another what is gone before it is there.
func (a *trayApp) kill() {
	a.c.t.Helper()
	a.ready()
	check(a.c.t, a.cmd.Process.Kill())
	<-a.ended
}

// end ends the tray app as a logout does.
func (a *trayApp) end() {
	t := a.c.t
	t.Helper()
	a.ready()
	check(t, a.cmd.Process.Signal(syscall.SIGTERM))
	until(t, "the end of the tray app", func() bool {
		select {
		case <-a.ended:
			return true
		default:
			return false
		}
	})
	if code := a.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the tray app ended with exit code %d", code)
	}
}
