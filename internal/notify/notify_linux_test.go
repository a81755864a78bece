package notify

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// startBus starts a private session bus and returns its address and a function
// that ends it.
func startBus(t *testing.T) (address string, end func()) {
	t.Helper()
	cmd := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address", "--address=unix:path="+filepath.Join(shortDir(t), "bus"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait() // killed, so its error says nothing
	})
	t.Cleanup(end)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("dbus-daemon: %v", err)
	}
	return strings.TrimSpace(line), end
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A shown is one Notify call.
type shown struct {
	app      string
	replaces uint32
	title    string
	body     string
	actions  []string
	hints    map[string]dbus.Variant
	timeout  int32
}

// A daemon is a fake notification service.
type daemon struct {
	conn *dbus.Conn
	can  []string
	// onNotify, if not nil, runs before Notify answers.
	onNotify func(id uint32)

	mu     sync.Mutex
	next   uint32
	shown  []shown
	closed []uint32
}

func startDaemon(t *testing.T, address string, can ...string) *daemon {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d := &daemon{conn: conn, can: can, next: 6}
	if err := conn.Export(d, object, service); err != nil {
		t.Fatal(err)
	}
	if r, err := conn.RequestName(service, dbus.NameFlagDoNotQueue); err != nil || r != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own the name: %v, %v", r, err)
	}
	return d
}

func (d *daemon) GetCapabilities() ([]string, *dbus.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.can, nil
}

func (d *daemon) become(can ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.can = can
}

func (d *daemon) withdrawn() []uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.closed)
}

func (d *daemon) Notify(app string, replaces uint32, _, title, body string, actions []string, hints map[string]dbus.Variant, timeout int32) (uint32, *dbus.Error) {
	d.mu.Lock()
	id := replaces
	if id == 0 {
		d.next++
		id = d.next
	}
	d.shown = append(d.shown, shown{app, replaces, title, body, actions, hints, timeout})
	onNotify := d.onNotify
	d.mu.Unlock()
	if onNotify != nil {
		onNotify(id)
	}
	return id, nil
}

func (d *daemon) CloseNotification(id uint32) *dbus.Error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = append(d.closed, id)
	return nil
}

func (d *daemon) last(t *testing.T) shown {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.shown) == 0 {
		t.Fatal("nothing was shown")
	}
	return d.shown[len(d.shown)-1]
}

func (d *daemon) emit(t *testing.T, member string, args ...any) {
	t.Helper()
	if err := d.conn.Emit(object, service+"."+member, args...); err != nil {
		t.Error(err)
	}
}

func newNotifier(t *testing.T, address string) *Notifier {
	t.Helper()
	n := New(func(k string) string { return map[string]string{"DBUS_SESSION_BUS_ADDRESS": address}[k] })
	t.Cleanup(n.Close)
	return n
}

func show(t *testing.T, f *Notifier, n Notification) {
	t.Helper()
	if err := f.Show(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// heard makes sure that all signals sent so far are handled: a click on a new
// notification comes after them.
func heard(t *testing.T, f *Notifier, d *daemon) {
	t.Helper()
	clicked := make(chan struct{})
	show(t, f, Notification{ID: "fence", Title: "fence", OnClick: func() { close(clicked) }})
	d.mu.Lock()
	id := d.next
	d.mu.Unlock()
	d.emit(t, "ActionInvoked", id, "default")
	<-clicked
}

func TestNotificationHasTextsButtonAndHints(t *testing.T) {
	address, _ := startBus(t)
	d := startDaemon(t, address, "body", "actions")
	f := newNotifier(t, address)
	show(t, f, Notification{ID: "1", Title: "Sign in\nto linear", Text: "Claude Desktop waits.", Button: "Sign in", OnClick: func() {}})
	got := d.last(t)
	if got.app != "Keyporter" || got.replaces != 0 || got.title != "Sign in to linear" || got.body != "Claude Desktop waits." || got.timeout != -1 {
		t.Errorf("got %+v", got)
	}
	if want := []string{"default", "", "act", "Sign in"}; !slices.Equal(got.actions, want) {
		t.Errorf("got actions %q, want %q", got.actions, want)
	}
	if got.hints["urgency"].Value() != byte(1) || got.hints["desktop-entry"].Value() != "keyporter" {
		t.Errorf("got hints %v", got.hints)
	}
}

func TestWithoutSomethingToClickOrADesktopWithButtonsThereAreNone(t *testing.T) {
	address, _ := startBus(t)
	d := startDaemon(t, address, "body", "actions")
	f := newNotifier(t, address)
	show(t, f, Notification{ID: "1", Title: "x", Button: "y"})
	if got := d.last(t); len(got.actions) != 0 {
		t.Errorf("nothing to click: got actions %q", got.actions)
	}
	d.become("body")
	show(t, f, Notification{ID: "2", Title: "x", Button: "y", OnClick: func() {}})
	if got := d.last(t); len(got.actions) != 0 {
		t.Errorf("no buttons here: got actions %q", got.actions)
	}
}

func TestMarkupOfStrangersIsShownAsItIs(t *testing.T) {
	const hostile = `<img src="file:///x"/> & <a href='https://evil.example'>`
	address, _ := startBus(t)
	d := startDaemon(t, address, "body", "body-markup")
	f := newNotifier(t, address)
	show(t, f, Notification{ID: "1", Title: hostile, Text: hostile})
	got := d.last(t)
	if want := `&lt;img src="file:///x"/&gt; &amp; &lt;a href='https://evil.example'&gt;`; got.body != want || got.title != hostile {
		t.Errorf("with markup: got %q and %q, want %q", got.title, got.body, want)
	}
	d.become("body")
	show(t, f, Notification{ID: "2", Title: hostile, Text: hostile})
	if got := d.last(t); got.body != hostile {
		t.Errorf("without markup: got %q", got.body)
	}
}

func TestClickIsToldOnce(t *testing.T) {
	for _, action := range []string{"default", "act"} {
		address, _ := startBus(t)
		d := startDaemon(t, address, "actions")
		f := newNotifier(t, address)
		clicks := 0
		show(t, f, Notification{ID: "1", Title: "x", Button: "y", OnClick: func() { clicks++ }})
		d.emit(t, "ActionInvoked", uint32(99), action) // somebody else's
		d.emit(t, "ActionInvoked", uint32(7), action)
		d.emit(t, "ActionInvoked", uint32(7), action)
		d.emit(t, "NotificationClosed", uint32(7), uint32(2))
		heard(t, f, d)
		if clicks != 1 {
			t.Errorf("%s: %d clicks, want 1", action, clicks)
		}
	}
}

func TestClickThatOvertakesTheAnswerIsNotLost(t *testing.T) {
	address, _ := startBus(t)
	d := startDaemon(t, address, "actions")
	d.mu.Lock()
	d.onNotify = func(id uint32) {
		d.emit(t, "ActionInvoked", id, "act")
		d.emit(t, "NotificationClosed", id, uint32(2))
	}
	d.mu.Unlock()
	f := newNotifier(t, address)
	clicked := make(chan struct{})
	show(t, f, Notification{ID: "1", Title: "x", Button: "y", OnClick: func() { close(clicked) }})
	<-clicked
}

func TestClosedNotificationIsNotClicked(t *testing.T) {
	address, _ := startBus(t)
	d := startDaemon(t, address, "actions")
	f := newNotifier(t, address)
	clicks := 0
	show(t, f, Notification{ID: "1", Title: "x", OnClick: func() { clicks++ }})
	d.emit(t, "NotificationClosed", uint32(7), uint32(1))
	d.emit(t, "ActionInvoked", uint32(7), "default")
	heard(t, f, d)
	if clicks != 0 {
		t.Errorf("%d clicks on a notification that had gone", clicks)
	}
	show(t, f, Notification{ID: "1", Title: "x"})
	if got := d.last(t).replaces; got != 0 {
		t.Errorf("replaces %d, which has gone", got)
	}
}

func TestSignalOfAnotherProgramIsNoClick(t *testing.T) {
	address, _ := startBus(t)
	d := startDaemon(t, address, "actions")
	f := newNotifier(t, address)
	clicks := 0
	show(t, f, Notification{ID: "1", Title: "x", OnClick: func() { clicks++ }})
	other, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	forged := &dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath: dbus.MakeVariant(object), dbus.FieldInterface: dbus.MakeVariant(service), dbus.FieldMember: dbus.MakeVariant("ActionInvoked"),
		dbus.FieldDestination: dbus.MakeVariant(f.p.current().conn.Names()[0]), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(uint32(0), "")),
	}, Body: []any{uint32(7), "default"}}
	if call := other.Send(forged, nil); call.Err != nil {
		t.Fatal(call.Err)
	}
	// The bus has passed it on once it answers.
	if err := other.BusObject().CallWithContext(t.Context(), "org.freedesktop.DBus.GetId", 0).Err; err != nil {
		t.Fatal(err)
	}
	heard(t, f, d)
	if clicks != 0 {
		t.Error("a forged signal counted as a click")
	}
}

func TestSameIDReplacesAndTheLaterClickCounts(t *testing.T) {
	address, _ := startBus(t)
	d := startDaemon(t, address, "actions")
	f := newNotifier(t, address)
	first, second := 0, make(chan struct{})
	show(t, f, Notification{ID: "linear", Title: "one", OnClick: func() { first++ }})
	show(t, f, Notification{ID: "linear", Title: "two", OnClick: func() { close(second) }})
	if got := d.last(t); got.replaces != 7 || got.title != "two" {
		t.Errorf("got %+v, want a replacement of 7", got)
	}
	show(t, f, Notification{ID: "github", Title: "three"})
	if got := d.last(t); got.replaces != 0 {
		t.Errorf("another ID replaces %d", got.replaces)
	}
	d.emit(t, "ActionInvoked", uint32(7), "default")
	<-second
	if first != 0 {
		t.Error("the click was told to the notification that was replaced")
	}
}

func TestClickMayShowTheNextNotification(t *testing.T) {
	address, _ := startBus(t)
	d := startDaemon(t, address, "actions")
	f := newNotifier(t, address)
	done := make(chan error, 1)
	show(t, f, Notification{ID: "1", Title: "one", OnClick: func() { done <- f.Show(context.Background(), Notification{ID: "2", Title: "two"}) }})
	d.emit(t, "ActionInvoked", uint32(7), "default")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := d.last(t).title; got != "two" {
		t.Errorf("got %q", got)
	}
}

func TestWithdrawAndCloseTakeNotificationsAway(t *testing.T) {
	address, _ := startBus(t)
	d := startDaemon(t, address, "actions")
	f := newNotifier(t, address)
	for _, id := range []string{"1", "2"} {
		show(t, f, Notification{ID: id, Title: "x"})
	}
	for _, id := range []string{"1", "1", "unknown"} {
		if err := f.Withdraw(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if got := d.withdrawn(); !slices.Equal(got, []uint32{7}) {
		t.Errorf("withdrawn: %v, want 7", got)
	}
	f.Close()
	f.Close()
	if got := d.withdrawn(); !slices.Equal(got, []uint32{7, 8}) {
		t.Errorf("withdrawn: %v, want 7 and 8", got)
	}
	if err := f.Show(t.Context(), Notification{ID: "3", Title: "x"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("after Close: got %v, want ErrUnavailable", err)
	}
}

func TestNothingThereToShowIt(t *testing.T) {
	address, _ := startBus(t)
	for name, a := range map[string]string{
		"bus without a service": address,
		"no bus":                "unix:path=/nonexistent/bus",
		"bus over TCP":          "tcp:host=127.0.0.1,port=1",
		"a program as the bus":  "unixexec:path=/bin/true",
		"a program as the rest": "unix:path=/nonexistent/bus;unixexec:path=/bin/true",
		"nonsense":              "nonsense",
	} {
		f := newNotifier(t, a)
		if err := f.Show(t.Context(), Notification{ID: "1", Title: "x"}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
		if err := f.Withdraw(t.Context(), "1"); err != nil {
			t.Errorf("%s: withdraw: %v", name, err)
		}
	}
}

func TestServiceThatGoesAndComesBack(t *testing.T) {
	address, _ := startBus(t)
	old := startDaemon(t, address, "actions")
	f := newNotifier(t, address)
	clicks := 0
	show(t, f, Notification{ID: "1", Title: "x", OnClick: func() { clicks++ }})
	old.conn.Close()
	for f.Show(t.Context(), Notification{ID: "2", Title: "y"}) == nil { // until the bus has noticed
	}
	if err := f.Show(t.Context(), Notification{ID: "2", Title: "y"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a service: got %v, want ErrUnavailable", err)
	}
	d := startDaemon(t, address, "actions")
	heard(t, f, d) // it has number 7 here
	show(t, f, Notification{ID: "1", Title: "x"})
	if got := d.last(t).replaces; got != 0 {
		t.Errorf("the new service was asked to replace %d of the old one", got)
	}
	if clicks != 0 {
		t.Error("a click in the new service was told to a notification of the old one")
	}
}

func TestBusThatGoesAndComesBack(t *testing.T) {
	path := filepath.Join(shortDir(t), "bus")
	address, end := startBus(t)
	link := func() {
		t.Helper()
		target, _, _ := strings.Cut(strings.TrimPrefix(address, "unix:path="), ",")
		os.Remove(path)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	link()
	f := New(func(k string) string { return map[string]string{"XDG_RUNTIME_DIR": filepath.Dir(path)}[k] })
	defer f.Close()
	startDaemon(t, address)
	show(t, f, Notification{ID: "1", Title: "x"})
	session := f.p.current()
	end()
	<-session.ended
	if err := f.Show(t.Context(), Notification{ID: "1", Title: "x"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a bus: got %v, want ErrUnavailable", err)
	}
	address, _ = startBus(t)
	link()
	d := startDaemon(t, address)
	show(t, f, Notification{ID: "1", Title: "again"})
	if got := d.last(t); got.title != "again" || got.replaces != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestBusAddressNeedsLittleEnvironment(t *testing.T) {
	for _, tt := range []struct{ bus, run, want string }{
		{"unix:path=/a", "/r", "unix:path=/a"},
		{"", "/r", "unix:path=/r/bus"},
		{"", "/r,x;y", "unix:path=/r%2cx%3by/bus"},
	} {
		got := busAddress(func(k string) string {
			return map[string]string{"DBUS_SESSION_BUS_ADDRESS": tt.bus, "XDG_RUNTIME_DIR": tt.run}[k]
		})
		if got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	if got := busAddress(func(string) string { return "" }); !strings.HasPrefix(got, "unix:path=/run/user/") {
		t.Errorf("got %s", got)
	}
}

// silentBus accepts connections and never answers.
func silentBus(t *testing.T) (address string, greeted <-chan struct{}) {
	t.Helper()
	path := filepath.Join(shortDir(t), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.Read(make([]byte, 1))
		close(first)
		io.Copy(io.Discard, c)
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "unix:path=" + path, first
}

func TestBusThatNeverAnswersEndsWithTheContext(t *testing.T) {
	address, greeted := silentBus(t)
	f := newNotifier(t, address)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Show(ctx, Notification{ID: "1", Title: "x"}) }()
	<-greeted
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
