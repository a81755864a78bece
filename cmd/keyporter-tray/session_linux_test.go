package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// programEnv makes the test binary be keyporter-tray.
const programEnv = "KEYPORTER_TRAY_UNDER_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// limit bounds a test. It is generous: a busy machine is not what the tests are
// about.
const limit = time.Minute

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// A desktop is a display and a session bus of a test's own.
type desktop struct {
	display string
	bus     string
	endBus  func()
	home    string
}

func newDesktop(t *testing.T) *desktop {
	t.Helper()
	d := &desktop{home: t.TempDir()}
	d.bus, d.endBus = startAndRead(t, "dbus-daemon", "dbus-daemon", func() *exec.Cmd {
		return exec.Command("dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=unix:dir="+d.home, "--print-address=3")
	})
	display, _ := startAndRead(t, "Xvfb", "xvfb", func() *exec.Cmd {
		return exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "800x600x24", "-nolisten", "tcp")
	})
	d.display = ":" + display
	return d
}

// startAndRead starts a program that writes one line to file descriptor 3 when
// it is ready, and returns the line. The program ends with the test, or with end.
func startAndRead(t *testing.T, program, pkg string, command func() *exec.Cmd) (line string, end func()) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is not installed: run apt-get install %s", program, pkg)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var log bytes.Buffer
	cmd := command()
	cmd.ExtraFiles = []*os.File{w} // number 3
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	t.Cleanup(end)
	line, err = bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not start: %v\n%s", program, err, log.String())
	}
	return strings.TrimSpace(line), end
}

// environ is what the tray app sees; more overrides it.
func (d *desktop) environ(more ...string) []string {
	env := []string{
		programEnv + "=1",
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + d.home,
		"XDG_RUNTIME_DIR=" + d.home,
		"KEYPORTER_HOME=" + filepath.Join(d.home, "kp"),
		"KEYPORTER_LOG=info",
		"LANG=en_US.UTF-8",
		"LIBGL_ALWAYS_SOFTWARE=1",
		"DISPLAY=" + d.display,
		"DBUS_SESSION_BUS_ADDRESS=" + d.bus,
		"XDG_CURRENT_DESKTOP=GNOME", // a dark panel
	}
	return append(env, more...)
}

// A program is keyporter-tray that runs.
type program struct {
	cmd   *exec.Cmd
	out   output
	ended chan struct{} // closed when code is set
	code  int
}

// start starts keyporter-tray; it ends with the test.
func start(t *testing.T, env []string, args ...string) *program {
	t.Helper()
	return startProgram(t, must(os.Executable())(t), env, args...)
}

// startProgram starts keyporter-tray, which is a copy of this test binary.
func startProgram(t *testing.T, path string, env []string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(path, args...), ended: make(chan struct{})}
	races := filepath.Join(t.TempDir(), "race")
	p.cmd.Env = append(slices.Clone(env), "GORACE=exitcode=0 log_path="+races)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		err := p.cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			fmt.Fprintln(&p.out, err)
		}
		p.code = p.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		checkRaces(t, races)
		if t.Failed() {
			t.Logf("keyporter-tray wrote:\n%s", p.out.String())
		}
	})
	return p
}

// checkRaces reports the data races that the race detector found in the program,
// but for one that is not ours: fyne.io/systray v1.12.2 raises the number of its
// menu in refresh without the lock under which GetLayout reads it.
func checkRaces(t *testing.T, logs string) {
	t.Helper()
	files, err := filepath.Glob(logs + ".*")
	if err != nil {
		t.Error(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Error(err)
		}
		for report := range strings.SplitSeq(string(b), "==================") {
			known := strings.Contains(report, "systray.refresh()") && strings.Contains(report, "systray.(*tray).GetLayout") &&
				!strings.Contains(report, "keyporter/")
			if strings.Contains(report, "DATA RACE") && !known {
				t.Errorf("keyporter-tray has a data race:\n%s", report)
			}
		}
	}
}

// wait waits for the end and checks the exit code.
func (p *program) wait(t *testing.T, ctx context.Context, want int) {
	t.Helper()
	select {
	case <-p.ended:
		if p.code != want {
			t.Errorf("exit code %d, want %d", p.code, want)
		}
	case <-ctx.Done():
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // it writes its goroutines and ends
		<-p.ended
		t.Fatal("keyporter-tray did not end")
	}
}

// output collects what a program writes; it is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{} // closed at the next Write; nil while nobody waits
}

var _ io.Writer = (*output)(nil)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
	return o.b.Write(p)
}

// wait waits until text was written.
func (o *output) wait(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	for {
		o.mu.Lock()
		if strings.Contains(o.b.String(), text) {
			o.mu.Unlock()
			return
		}
		if o.more == nil {
			o.more = make(chan struct{})
		}
		more := o.more
		o.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("the program did not write %q", text)
		}
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// lookingForPanels returns a channel that hears of it when a program on the bus
// has subscribed to the coming and going of panels.
func lookingForPanels(t *testing.T, d *desktop) <-chan *dbus.Message {
	t.Helper()
	conn := must(dbus.Connect(d.bus))(t)
	rules := []string{"type='method_call',interface='org.freedesktop.DBus',member='AddMatch'"}
	check(t, conn.BusObject().Call("org.freedesktop.DBus.Monitoring.BecomeMonitor", 0, rules, uint32(0)).Err)
	messages := make(chan *dbus.Message, 64) // closed by conn.Close
	conn.Eavesdrop(messages)                 // only now: it swallows answers too
	looking, ended := make(chan *dbus.Message, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for m := range messages {
			if len(m.Body) == 1 && strings.Contains(fmt.Sprint(m.Body[0]), "org.kde.StatusNotifierWatcher") {
				select {
				case looking <- m:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		check(t, conn.Close())
		<-ended
	})
	return looking
}

// A notificationService is the desktop's service, without a screen.
type notificationService struct {
	conn  *dbus.Conn
	shown chan shownNote
	gone  chan uint32
}

// A shownNote is what the service was asked to show.
type shownNote struct {
	number  uint32
	summary string
	body    string
	actions []string // key and label in turn
}

const (
	notifyName = "org.freedesktop.Notifications"
	notifyPath = dbus.ObjectPath("/org/freedesktop/Notifications")
)

func newNotificationService(t *testing.T, d *desktop) *notificationService {
	t.Helper()
	conn := must(dbus.Connect(d.bus))(t)
	t.Cleanup(func() { check(t, conn.Close()) })
	s := &notificationService{conn: conn, shown: make(chan shownNote, 8), gone: make(chan uint32, 8)}
	check(t, conn.Export(s, notifyPath, notifyName))
	if reply := must(conn.RequestName(notifyName, dbus.NameFlagDoNotQueue))(t); reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("cannot own %s: %v", notifyName, reply)
	}
	return s
}

// The methods are those of the Desktop Notifications Specification 1.2, section 9.

func (s *notificationService) GetCapabilities() ([]string, *dbus.Error) {
	return []string{"actions", "body"}, nil
}

func (s *notificationService) GetServerInformation() (name, vendor, version, spec string, err *dbus.Error) {
	return "test", "test", "1", "1.2", nil
}

func (s *notificationService) Notify(_ string, _ uint32, _, summary, body string, actions []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	s.shown <- shownNote{number: 7, summary: summary, body: body, actions: actions}
	return 7, nil
}

func (s *notificationService) CloseNotification(number uint32) *dbus.Error {
	s.gone <- number
	return nil
}

// click is the user who chooses the first button of a notification.
func (s *notificationService) click(t *testing.T, n shownNote) {
	t.Helper()
	if len(n.actions) < 2 {
		t.Fatalf("the notification has no button: %v", n.actions)
	}
	check(t, s.conn.Emit(notifyPath, notifyName+".ActionInvoked", n.number, n.actions[0]))
}
