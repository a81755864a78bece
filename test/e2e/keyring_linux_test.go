package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"keyporter/internal/fakeas"
)

// A session is a message bus with GNOME Keyring, both of which can be taken away and
// come back.
type session struct {
	t       *testing.T
	dir     string
	daemon  *exec.Cmd
	keyring *exec.Cmd
}

func newSession(t *testing.T) *session {
	t.Helper()
	dir, err := os.MkdirTemp("", "kps") // short, because a socket's path is
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &session{t: t, dir: dir}
	for _, name := range []string{"data", "control"} {
		check(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	return s
}

func (s *session) address() string { return "unix:path=" + filepath.Join(s.dir, "bus") }

func (s *session) tool(name string) string {
	s.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		s.t.Fatalf("This test needs %s: apt-get install dbus-daemon gnome-keyring", name)
	}
	return path
}

// busConfig is that of a session bus which starts no service by itself.
const busConfig = `<busconfig><type>session</type><listen>ADDRESS</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`

// bus starts the bus.
func (s *session) bus() {
	s.t.Helper()
	_ = os.Remove(filepath.Join(s.dir, "bus"))
	config := filepath.Join(s.dir, "bus.conf")
	check(s.t, os.WriteFile(config, []byte(strings.Replace(busConfig, "ADDRESS", s.address(), 1)), 0o600))
	s.daemon = exec.Command(s.tool("dbus-daemon"), "--config-file="+config, "--nofork", "--nopidfile")
	launch(s.t, s.daemon)
	until(s.t, "the bus", func() bool {
		conn, err := dbus.Connect(s.address())
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// unlocked starts the keyring, as the sign-in to a desktop does.
func (s *session) unlocked() {
	s.t.Helper()
	s.keyring = exec.Command(s.tool("gnome-keyring-daemon"), "--foreground", "--unlock", "--components=secrets", "--control-directory="+filepath.Join(s.dir, "control"))
	s.keyring.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "XDG_DATA_HOME=" + filepath.Join(s.dir, "data"), "DBUS_SESSION_BUS_ADDRESS=" + s.address()}
	s.keyring.Stdin = strings.NewReader("keyring-password-" + word)
	launch(s.t, s.keyring)
	until(s.t, "the keyring", func() bool { locked, err := s.isLocked(); return err == nil && !locked })
}

const (
	secretsName = "org.freedesktop.secrets"
	loginPath   = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
)

// with calls f with a connection to the bus.
func (s *session) with(f func(*dbus.Conn) error) error {
	conn, err := dbus.Connect(s.address())
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(conn)
}

func (s *session) isLocked() (locked bool, err error) {
	err = s.with(func(conn *dbus.Conn) error {
		var v dbus.Variant
		err := conn.Object(secretsName, loginPath).Call("org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, "org.freedesktop.Secret.Collection", "Locked").Store(&v)
		locked, _ = v.Value().(bool)
		return err
	})
	return locked, err
}

// lock locks the keyring, as a desktop does when its user says so. There is no
// program that could show a prompt.
func (s *session) lock() {
	s.t.Helper()
	check(s.t, s.with(func(conn *dbus.Conn) error {
		var locked []dbus.ObjectPath
		var prompt dbus.ObjectPath
		return conn.Object(secretsName, "/org/freedesktop/secrets").Call("org.freedesktop.Secret.Service.Lock", 0, []dbus.ObjectPath{loginPath}).Store(&locked, &prompt)
	}))
	if locked, err := s.isLocked(); err != nil || !locked {
		s.t.Fatalf("the keyring is locked: %t, %v", locked, err)
	}
}

// gone kills a program.
func (s *session) gone(cmd *exec.Cmd) {
	s.t.Helper()
	check(s.t, cmd.Process.Kill())
	_ = cmd.Wait() // killed, so its error says nothing
}

// A keyring that is locked, killed, or gone with the bus disturbs no agent that has
// opened its vault: calls and renewals go on. An agent that starts meanwhile says what
// is missing, and goes on by itself when it is back.
func TestKeyringMayBeLockedKilledAndTakenAwayUnderRunningBridges(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.bus()
	s.unlocked()
	h := newHome(t, "KEYPORTER_VAULT=keyring", "KEYPORTER_PASSPHRASE_FILE=", "DBUS_SESSION_BUS_ADDRESS="+s.address())
	w := newWorld(h, fakeas.Options{AccessLife: 2 * time.Second, KeepPrevious: true}).signedIn(h) // agents are killed in the middle of renewals
	c := settled(h, w)
	goesOn := func() {
		t.Helper()
		renewed := w.as.Counters().Refreshed
		until(t, "a renewal", func() bool {
			c.wantText(c.add(1, 2), "3")
			return w.as.Counters().Refreshed > renewed
		})
	}
	for _, away := range []struct {
		name, says string
		take, back func()
	}{
		{"locked", "The vault is locked, because the keyring is.", s.lock, func() { s.gone(s.keyring); s.unlocked() }},
		{"killed", "There is no keyring here: no program offers one", func() { s.gone(s.keyring) }, s.unlocked},
		{"gone with the bus", "There is no keyring here: no session bus is running", func() { s.gone(s.keyring); s.gone(s.daemon) }, func() { s.bus(); s.unlocked() }},
	} {
		away.take()
		goesOn()
		h.kill() // and the bridge starts another
		until(t, away.name+": status to say why", func() bool { return strings.Contains(h.do("status"), away.says) })
		if r := h.run("token", "acme"); r.code == 0 || !strings.Contains(r.err, away.says) {
			t.Errorf("%s: keyporter token: exit code %d\n%s", away.name, r.code, h.said(r.err))
		}
		pid := h.pid()
		away.back()
		until(t, away.name+": a token", func() bool { return h.run("token", "acme").code == 0 })
		goesOn()
		if now := h.pid(); now != pid {
			t.Errorf("%s: agent %d after agent %d", away.name, now, pid)
		}
	}
	if got := w.as.Counters(); got.Signins != 1 || got.InvalidGrant != 0 || got.Reused != 0 {
		t.Errorf("the authorization server counted %+v", got)
	}
	h.wantBrowsers(1)
	c.close()
}
