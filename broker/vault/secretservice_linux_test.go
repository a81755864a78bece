package vault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// needs says how to get a program that these tests cannot do without.
func needs(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%s is missing: install the packages dbus-daemon, gnome-keyring and libsecret-tools (make test does)", program)
	}
	return path
}

// emptyBus is the configuration of a bus that can start no service.
const emptyBus = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow own="*"/><allow user="*"/></policy>
</busconfig>`

// A session is a home with a message bus of its own.
type session struct {
	home, runtime string
	bus           *os.Process
}

// newSession starts a bus; services says whether it starts gnome-keyring when asked.
func newSession(t *testing.T, services bool) session {
	t.Helper()
	run, err := os.MkdirTemp("", "kp-bus-") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	s := session{home: t.TempDir(), runtime: run}
	args := []string{"--session"}
	if !services {
		config := filepath.Join(s.home, "bus.conf")
		if err := os.WriteFile(config, []byte(emptyBus), 0o600); err != nil {
			t.Fatal(err)
		}
		args = []string{"--config-file=" + config}
	}
	cmd := exec.CommandContext(t.Context(), needs(t, "dbus-daemon"),
		append(args, "--nofork", "--print-address", "--address=unix:path="+filepath.Join(run, "bus"))...)
	cmd.Env = s.env()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.bus = cmd.Process
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it listens once it says where
		t.Fatalf("the message bus did not start: %v", err)
	}
	return s
}

// env is all that a host passes to a server that it starts, and the runtime folder.
func (s session) env() []string {
	return []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "USER=nobody", "XDG_RUNTIME_DIR=" + s.runtime}
}

// run runs the calling test as a child in the session.
func (s session) run(t *testing.T, role string, env ...string) {
	t.Helper()
	cmd := child(t, role)
	cmd.Env = append(append(s.env(), env...), childEnv+"="+role, fmt.Sprintf("%s_BUS=%d", childEnv, s.bus.Pid))
	runChild(t, cmd)
}

// realOptions is for a vault in the home of this process, with the real keyring.
func realOptions() Options {
	o := options(filepath.Join(os.Getenv("HOME"), "state"))
	o.Keyring = nil
	o.KeyringTimeout = time.Minute // what ends before was not ended by it
	return o
}

func startKeyring(t *testing.T) {
	t.Helper()
	if _, err := busAddress(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), needs(t, "gnome-keyring-daemon"), "--unlock", "--components=secrets")
	cmd.Stdin = strings.NewReader("password")
	if err := cmd.Run(); err != nil { // the daemon goes on, until the bus ends
		t.Fatalf("gnome-keyring-daemon: %v", err)
	}
}

func lockKeyring(t *testing.T) {
	t.Helper()
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Object(secretDest, secretPath).Call(secretIface+".Lock", 0, []dbus.ObjectPath{loginPath}).Err; err != nil {
		t.Fatal(err)
	}
}

func TestRealKeyring(t *testing.T) {
	switch os.Getenv(childEnv) {
	case "":
		s := newSession(t, true)
		s.run(t, "create")
		s.run(t, "reopen")
		s.run(t, "lock")
	case "create":
		startKeyring(t)
		mustPut(t, mustOpen(t, realOptions()), "a", "1")
		if _, err := os.Lstat(realOptions().Identity); err == nil {
			t.Error("there is an identity file")
		}
	case "reopen":
		o := realOptions()
		f := mustOpen(t, o)
		wantString(t, f, "a", "1")
		for _, to := range []Backend{Passphrase, Keyring} {
			if err := f.Move(t.Context(), to, says(word)); err != nil {
				t.Fatal(err)
			}
		}
		wantString(t, mustOpen(t, o), "a", "1")
		store := osKeyring{timeout: time.Minute}
		if _, err := store.Get(t.Context(), "nobody"); !errors.Is(err, ErrIdentityMissing) {
			t.Errorf("an entry that is not there: %v", err)
		}
		if err := store.Delete(t.Context(), "nobody"); !errors.Is(err, ErrIdentityMissing) {
			t.Errorf("delete one that is not there: %v", err)
		}
		if err := Unlock(t.Context(), o); err != nil {
			t.Errorf("unlock an open keyring: %v", err)
		}
	case "lock":
		lockKeyring(t)
		o := realOptions()
		before := snapshot(t, filepath.Dir(o.File))
		_, err := Open(t.Context(), o)
		wantError(t, err, ErrLocked, hint.Locked, "Unlock the keyring")
		// Without a display the prompt cannot be shown.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = Unlock(ctx, o)
		if err == nil || errors.Is(err, ErrTimeout) || hint.Of(err).Code != hint.Locked {
			t.Errorf("unlock without a display: %v", err)
		}
		sameFiles(t, o, before)
	}
}

func TestNoKeyringSaysWhatIsMissing(t *testing.T) {
	switch role := os.Getenv(childEnv); role {
	case "":
		newSession(t, true).run(t, "no collection")
		s := newSession(t, false)
		s.run(t, "no service")
		s.run(t, "no bus", "DBUS_SESSION_BUS_ADDRESS=unix:path="+filepath.Join(s.runtime, "none"))
	default:
		want := map[string]error{"no collection": errNoCollection, "no service": errNoService, "no bus": errNoBus}[role]
		for _, call := range []func(context.Context, Options) error{
			func(ctx context.Context, o Options) error { _, err := Open(ctx, o); return err }, Unlock,
		} {
			err := call(t.Context(), realOptions())
			wantError(t, err, want, hint.Failed, "keyporter vault use passphrase")
			wantError(t, err, ErrNoKeyring, hint.Failed)
		}
		if _, err := os.Lstat(realOptions().File); err == nil {
			t.Error("a vault was made")
		}
	}
}

// A fakeService is a Secret Service with one locked collection. Its fields say how
// it behaves; answering happens on godbus' goroutines.
type fakeService struct {
	conn   *dbus.Conn
	locked bool
	prompt func() // what happens when the prompt is to be shown
	open   func() // what happens when a session is opened
	hang   <-chan struct{}
}

const promptPath = dbus.ObjectPath("/org/freedesktop/secrets/prompt/p1")

func (s *fakeService) property(iface, name string) (dbus.Variant, *dbus.Error) {
	if s.hang != nil {
		<-s.hang
	}
	switch name {
	case "Collections":
		return dbus.MakeVariant([]dbus.ObjectPath{loginPath}), nil
	case "Locked":
		return dbus.MakeVariant(s.locked), nil
	}
	return dbus.Variant{}, dbus.NewError("org.freedesktop.DBus.Error.UnknownProperty", []any{iface + "." + name})
}

func (s *fakeService) start(t *testing.T) {
	t.Helper()
	if _, err := busAddress(); err != nil {
		t.Fatal(err)
	}
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s.conn = conn
	methods := func(path dbus.ObjectPath, iface string, m map[string]any) {
		if err := conn.ExportMethodTable(m, path, iface); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []dbus.ObjectPath{secretPath, loginPath} {
		methods(p, "org.freedesktop.DBus.Properties", map[string]any{"Get": s.property})
	}
	methods(loginPath, collectionIface, map[string]any{
		"SearchItems": func(map[string]string) ([]dbus.ObjectPath, *dbus.Error) { return nil, nil },
	})
	methods(secretPath, secretIface, map[string]any{
		"Unlock": func(p []dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
			if s.locked {
				return nil, promptPath, nil
			}
			return p, noPath, nil
		},
		"OpenSession": func(string, dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
			s.open()
			return dbus.MakeVariant(""), "/session", nil
		},
	})
	methods(promptPath, promptIface, map[string]any{
		"Prompt": func(string) *dbus.Error { go s.prompt(); return nil },
	})
	if r, err := conn.RequestName(secretDest, dbus.NameFlagDoNotQueue); err != nil || r != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own %s: %v, %v", secretDest, r, err)
	}
}

// complete ends the prompt.
func (s *fakeService) complete(t *testing.T, dismissed bool) {
	if err := s.conn.Emit(promptPath, promptCompletion, dismissed, dbus.MakeVariant([]dbus.ObjectPath{})); err != nil {
		t.Error(err)
	}
}

// killBus ends the bus of the session.
func killBus(t *testing.T) {
	pid, err := strconv.Atoi(os.Getenv(childEnv + "_BUS"))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		t.Error(err)
	}
}

// prompts are what a Secret Service that is locked may do.
var prompts = map[string]func(t *testing.T, s *fakeService){
	"not answered": func(t *testing.T, s *fakeService) {
		shown := make(chan struct{})
		s.prompt = func() { close(shown) }
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := Unlock(ctx, realOptions())
		wantError(t, err, ErrTimeout, hint.Locked, "not answered")
		wantError(t, err, context.DeadlineExceeded, hint.Locked)
		<-shown
	},
	"cancelled": func(t *testing.T, s *fakeService) {
		ctx, cancel := context.WithCancel(t.Context())
		s.prompt = cancel
		wantError(t, Unlock(ctx, realOptions()), context.Canceled, hint.Failed)
	},
	"dismissed": func(t *testing.T, s *fakeService) {
		s.prompt = func() { s.complete(t, true) }
		wantError(t, Unlock(t.Context(), realOptions()), ErrDenied, hint.Locked)
	},
	"answered": func(t *testing.T, s *fakeService) {
		s.prompt = func() { s.locked = false; s.complete(t, false) }
		if err := Unlock(t.Context(), realOptions()); err != nil {
			t.Errorf("unlock: %v", err)
		}
	},
	"answered in vain": func(t *testing.T, s *fakeService) {
		s.prompt = func() { s.complete(t, false) }
		wantError(t, Unlock(t.Context(), realOptions()), ErrLocked, hint.Locked)
	},
	"bus dies": func(t *testing.T, s *fakeService) {
		s.prompt = func() { killBus(t) }
		wantError(t, Unlock(t.Context(), realOptions()), ErrNoKeyring, hint.Failed)
	},
	"bus dies under go-keyring": func(t *testing.T, s *fakeService) {
		s.locked = false
		s.open = func() { killBus(t) }
		err := osKeyring{timeout: time.Minute}.Set(t.Context(), "u", secret.New(word))
		if err == nil || strings.Contains(err.Error(), word) || errors.Is(err, ErrTimeout) {
			t.Errorf("set = %v, want an error", err)
		}
	},
	"service hangs": func(t *testing.T, s *fakeService) {
		hang := make(chan struct{})
		s.hang = hang
		o := realOptions()
		o.KeyringTimeout = 300 * time.Millisecond
		_, err := Open(t.Context(), o)
		wantError(t, err, ErrTimeout, hint.Unreachable)
		close(hang)
	},
}

func TestPromptsOfTheSecretService(t *testing.T) {
	if role := os.Getenv(childEnv); role != "" {
		s := &fakeService{locked: true}
		s.start(t)
		if role != "service hangs" && role != "bus dies under go-keyring" {
			_, err := Open(t.Context(), realOptions()) // never prompts
			wantError(t, err, ErrLocked, hint.Locked)
		}
		prompts[role](t, s)
		return
	}
	for role := range prompts {
		t.Run(role, func(t *testing.T) { newSession(t, false).run(t, role) })
	}
}
