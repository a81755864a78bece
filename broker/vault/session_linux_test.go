package vault_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// A session is a message bus with nothing on it, and the private folders of a
// user who is signed in there.
type session struct {
	dir    string // short, because a socket's path is
	daemon *exec.Cmd
}

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// newSession starts a bus without any service that could be activated.
func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{dir: privateFolders(t)}
	conf := filepath.Join(s.dir, "bus.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, busConfig, s.bus()), 0o600); err != nil {
		t.Fatal(err)
	}
	s.daemon = exec.Command(tool(t, "dbus-daemon"), "--config-file="+conf, "--nofork", "--nopidfile", "--print-address=1")
	s.daemon.Env = s.env(true)
	out, err := s.daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.start(t, s.daemon)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("dbus-daemon printed %q: %v", line, err)
	}
	return s
}

// privateFolders makes the folders of a user who has nothing yet.
func privateFolders(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"home", "run", "data", "state"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tool finds a program.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs %s: apt-get install dbus-daemon gnome-keyring", name)
	}
	return path
}

// start starts a program that ends with the test.
func (s *session) start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end(cmd)
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(cmd.Path), log.String())
		}
	})
}

// end kills a program that was started and waits for it. It may be called again.
func end(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
	}
}

func (s *session) bus() string { return filepath.Join(s.dir, "run", "bus") }

// env is the environment of a program of this session. Without the bus' address
// it has to look for it in the runtime folder.
func (s *session) env(address bool) []string {
	env := folderEnv(s.dir)
	if address {
		env = append(env, "DBUS_SESSION_BUS_ADDRESS=unix:path="+s.bus())
	}
	return env
}

func folderEnv(dir string) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8",
		"HOME=" + filepath.Join(dir, "home"),
		"XDG_RUNTIME_DIR=" + filepath.Join(dir, "run"),
		"XDG_DATA_HOME=" + filepath.Join(dir, "data"),
	}
}

// dial connects this process to the bus.
func (s *session) dial(t *testing.T) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect("unix:path="+s.bus(), dbus.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// A task is what a child does with a vault whose identity is in the keyring of
// its session.
type task struct {
	Dir     string        // its state folder holds the vault
	Do      string        // open, unlock, move to keyring, move to passphrase
	Count   int           // open: what the vault must hold; one more is stored
	Limit   time.Duration // open: for each call of the keyring; zero is the default
	Wait    time.Duration // unlock: how long; zero is the child's life
	Backend vault.Backend // open: for a new vault
}

// An outcome is how it went. Its errors are those of the package, by name.
type outcome struct {
	Err      string
	Is       []string
	Code     hint.Code
	What, Do string
	Backend  vault.Backend
}

func (o *outcome) is(name string) bool {
	return strings.Contains(" "+strings.Join(o.Is, " ")+" ", " "+name+" ")
}

func (o *outcome) String() string {
	if o.Err == "" {
		return "no error"
	}
	return fmt.Sprintf("%s (%s, %v)\n%s %s", o.Err, o.Code, o.Is, o.What, o.Do)
}

var sentinels = map[string]error{
	"ErrLocked": vault.ErrLocked, "ErrNoKeyring": vault.ErrNoKeyring, "ErrDenied": vault.ErrDenied,
	"ErrTimeout": vault.ErrTimeout, "ErrIdentityMissing": vault.ErrIdentityMissing,
	"ErrWrongPassphrase": vault.ErrWrongPassphrase, "ErrDamaged": vault.ErrDamaged, "ErrNewer": vault.ErrNewer,
}

var _ = add("task", taskChild)

// taskChild does a task and prints its outcome.
func taskChild(arg string) error {
	var k task
	if err := json.Unmarshal([]byte(arg), &k); err != nil {
		return err
	}
	var out outcome
	backend, err := k.run(context.Background())
	if err != nil {
		h := hint.Of(err)
		out = outcome{Err: err.Error(), Code: h.Code, What: h.What, Do: h.Do}
		for name, sentinel := range sentinels {
			if errors.Is(err, sentinel) {
				out.Is = append(out.Is, name)
			}
		}
	}
	out.Backend = backend
	return json.NewEncoder(os.Stdout).Encode(out)
}

func (k *task) run(ctx context.Context) (vault.Backend, error) {
	opt := options(k.Dir)
	opt.Keyring, opt.KeyringTimeout, opt.Backend = nil, k.Limit, k.Backend
	if k.Do == "unlock" {
		if k.Wait > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, k.Wait)
			defer cancel()
		}
		return "", vault.Unlock(ctx, opt)
	}
	opt.Passphrase, opt.ScryptWorkFactor = fakePassphrase, 1
	f, err := vault.Open(ctx, opt)
	if err != nil {
		return "", err
	}
	switch k.Do {
	case "move to keyring":
		err = f.Move(ctx, vault.Keyring, nil)
	case "move to passphrase":
		err = f.Move(ctx, vault.Passphrase, fakePassphrase)
	default:
		var n int
		if n, err = count(f); err == nil && n != k.Count {
			err = fmt.Errorf("the vault holds write %d, want %d", n, k.Count)
		}
		if err == nil {
			err = f.Update(ctx, putCount(n+1))
		}
	}
	return f.Backend(), errors.Join(err, f.Close())
}

// fakePassphrase is what a person would type.
func fakePassphrase(context.Context) (secret.Value, error) {
	return secret.New("SECRETWORD passphrase"), nil
}

// do has a child do a task in an environment.
func do(t *testing.T, env []string, k task) *outcome {
	t.Helper()
	out, ok := <-begin(t, env, k)
	if !ok {
		t.FailNow()
	}
	return out
}

// begin starts a child with a task. What it returns gets the outcome, and is
// closed without one if there is none; that fails the test.
func begin(t *testing.T, env []string, k task) <-chan *outcome {
	t.Helper()
	arg, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "task", string(arg), env...)
	var log bytes.Buffer
	cmd.Stderr = &log
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan *outcome, 1) // closed by the goroutine, which ends with the child
	go func() {
		defer close(done)
		text, readErr := io.ReadAll(pipe)
		if err := errors.Join(readErr, cmd.Wait()); err != nil {
			t.Errorf("child that does %q: %v\n%s%s", k.Do, err, text, log.String())
			return
		}
		var out outcome
		if err := json.Unmarshal(text, &out); err != nil {
			t.Errorf("child that does %q printed %q: %v", k.Do, text, err)
			return
		}
		noSecret(t, string(text)+log.String())
		done <- &out
	}()
	t.Cleanup(func() {
		for range done {
		}
	})
	return done
}
