package e2e

import (
	"bufio"
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"
)

// A desktop is a session bus with a notification service whose user is a test.
type desktop struct {
	t       *testing.T
	address string
	conn    *dbus.Conn

	mu      sync.Mutex
	shown   []notification
	gone    []uint32
	changed chan struct{} // closed and replaced at each change
}

// A notification is one call of Notify.
type notification struct {
	id, replaces uint32
	title, body  string
	actions      []string // key and label in turn
}

// Names of the Desktop Notifications Specification 1.2, section 9.
const (
	notifyName = "org.freedesktop.Notifications"
	notifyPath = dbus.ObjectPath("/org/freedesktop/Notifications")
)

// newDesktop returns a desktop whose bus is at a path in dir.
func newDesktop(t *testing.T, dir string) *desktop {
	t.Helper()
	path := filepath.Join(dir, "bus")
	startBus(t, path)
	d := &desktop{t: t, address: "unix:path=" + path, changed: make(chan struct{})}
	var err error
	d.conn, err = dbus.Connect(d.address)
	check(t, err)
	t.Cleanup(func() { d.conn.Close() })
	check(t, d.conn.Export(d, notifyPath, notifyName))
	if r, err := d.conn.RequestName(notifyName, dbus.NameFlagDoNotQueue); err != nil || r != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own %s: %v, %v", notifyName, r, err)
	}
	return d
}

// startBus starts a session bus that listens at path and ends with the test.
func startBus(t *testing.T, path string) {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Fatal("This test needs dbus-daemon: apt-get install dbus-daemon gnome-keyring")
	}
	cmd := exec.Command(program, "--session", "--nofork", "--nopidfile", "--print-address=1", "--address=unix:path="+path)
	out, err := cmd.StdoutPipe()
	check(t, err)
	launch(t, cmd)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("dbus-daemon printed %q: %v", line, err)
	}
}

// launch starts a program that ends with the test.
func launch(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, so its error says nothing
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(cmd.Path), log.String())
		}
	})
}

func (d *desktop) GetCapabilities() ([]string, *dbus.Error) {
	return []string{"actions", "body"}, nil
}

func (d *desktop) Notify(_ string, replaces uint32, _, title, body string, actions []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := notification{id: uint32(len(d.shown) + 1), replaces: replaces, title: title, body: body, actions: actions}
	if replaces != 0 {
		n.id = replaces
	}
	d.shown = append(d.shown, n)
	d.news()
	return n.id, nil
}

func (d *desktop) CloseNotification(id uint32) *dbus.Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = append(d.gone, id)
	d.news()
	return nil
}

func (d *desktop) news() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// all returns what was shown so far.
func (d *desktop) all() []notification {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.shown)
}

// first waits for the first notification.
func (d *desktop) first() notification {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	for {
		d.mu.Lock()
		shown, changed := d.shown, d.changed
		d.mu.Unlock()
		if len(shown) > 0 {
			return shown[0]
		}
		select {
		case <-changed:
		case <-ctx.Done():
			d.t.Fatal("no notification was shown")
		}
	}
}

// want checks how many notifications there were in all.
func (d *desktop) want(n int) {
	d.t.Helper()
	if all := d.all(); len(all) != n {
		d.t.Errorf("%d notifications were shown, want %d: %+v", len(all), n, all)
	}
}

// withdrawn waits until a notification has been taken away.
func (d *desktop) withdrawn(n notification) {
	d.t.Helper()
	until(d.t, "the notification's end", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return slices.Contains(d.gone, n.id)
	})
}

// click is the user who chooses the button with a label.
func (d *desktop) click(n notification, label string) {
	d.t.Helper()
	for i := 0; i+1 < len(n.actions); i += 2 {
		if n.actions[i+1] == label {
			check(d.t, d.conn.Emit(notifyPath, notifyName+".ActionInvoked", n.id, n.actions[i]))
			return
		}
	}
	d.t.Fatalf("the notification has no button %q: %q", label, n.actions)
}
