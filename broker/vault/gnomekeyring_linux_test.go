package vault_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// Names of the Secret Service API.
const (
	secretsName = "org.freedesktop.secrets"
	secretsPath = dbus.ObjectPath("/org/freedesktop/secrets")
	loginPath   = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	itemPath    = loginPath + "/1"
	promptPath  = dbus.ObjectPath("/org/freedesktop/secrets/prompt/p1")

	serviceIface    = "org.freedesktop.Secret.Service"
	collectionIface = "org.freedesktop.Secret.Collection"
	itemIface       = "org.freedesktop.Secret.Item"
	promptIface     = "org.freedesktop.Secret.Prompt"
	sessionIface    = "org.freedesktop.Secret.Session"
	propertiesIface = "org.freedesktop.DBus.Properties"
)

// gnomeKeyring starts GNOME Keyring in a session; with a collection, which is
// open, if unlocked. It has no program that could show its prompts.
func (s *session) gnomeKeyring(t *testing.T, unlocked bool) *dbus.Conn {
	t.Helper()
	args := []string{"--foreground", "--components=secrets"}
	if unlocked {
		args = append(args, "--unlock")
	}
	cmd := exec.Command(tool(t, "gnome-keyring-daemon"), args...)
	cmd.Env = s.env(true)
	cmd.Stdin = strings.NewReader("SECRETWORD of the sign-in")
	conn := s.dial(t)
	owners := make(chan *dbus.Signal, 16) // closed with conn
	conn.Signal(owners)
	err := conn.AddMatchSignal(dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, secretsName))
	if err != nil {
		t.Fatal(err)
	}
	s.start(t, cmd)
	for sig := await(t, "GNOME Keyring", owners); sig.Name != "org.freedesktop.DBus.NameOwnerChanged"; {
		sig = await(t, "GNOME Keyring", owners) // the bus has told us our own name before
	}
	conn.RemoveSignal(owners)
	if all := collections(t, conn); unlocked != slices.Contains(all, loginPath) {
		t.Fatalf("GNOME Keyring has the collections %q", all)
	}
	return conn
}

// await waits for one value, no longer than a child may live.
func await[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	defer cancel()
	select {
	case v, open := <-c:
		if !open {
			t.Fatalf("%s: ended", what)
		}
		return v
	case <-ctx.Done():
		t.Fatalf("%s: nothing came", what)
	}
	panic("not reached")
}

func collections(t *testing.T, conn *dbus.Conn) []dbus.ObjectPath {
	t.Helper()
	v, err := conn.Object(secretsName, secretsPath).GetProperty(serviceIface + ".Collections")
	if err != nil {
		t.Fatal(err)
	}
	all, _ := v.Value().([]dbus.ObjectPath)
	return all
}

// lock locks the login collection.
func lock(t *testing.T, conn *dbus.Conn) {
	t.Helper()
	var locked []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err := conn.Object(secretsName, secretsPath).Call(serviceIface+".Lock", 0, []dbus.ObjectPath{loginPath}).Store(&locked, &prompt)
	if err != nil || !slices.Contains(locked, loginPath) {
		t.Fatalf("lock: %q, %v", locked, err)
	}
}

// succeed does a task that must succeed.
func succeed(t *testing.T, env []string, k task) *outcome {
	t.Helper()
	out := do(t, env, k)
	if out.Err != "" {
		t.Fatalf("%s: %v", k.Do, out)
	}
	return out
}

// want checks an outcome's error and the words that go with it.
func want(t *testing.T, out *outcome, sentinel string, code hint.Code, words string) {
	t.Helper()
	if !out.is(sentinel) || out.Code != code || out.What == "" || out.Do == "" {
		t.Errorf("outcome = %v\nwant %s, %s", out, sentinel, code)
	}
	if !strings.Contains(out.What+" "+out.Do, words) {
		t.Errorf("words = %s %s\nwant in them: %s", out.What, out.Do, words)
	}
}

// noVault checks that a failed Open made nothing.
func noVault(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "state"))
	if err != nil || len(entries) > 0 {
		t.Errorf("a vault that could not be made left %v, %v", entries, err)
	}
}

func TestGNOMEKeyringKeepsTheIdentity(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	conn := s.gnomeKeyring(t, true)
	for n := range 3 { // each in a process of its own
		if out := succeed(t, s.env(true), task{Dir: s.dir, Do: "open", Count: n}); out.Backend != vault.Keyring {
			t.Errorf("back end = %q, want keyring", out.Backend)
		}
	}
	if n := keyringEntries(t, conn); n != 1 {
		t.Errorf("the keyring has %d entries of Keyporter, want 1", n)
	}
}

// keyringEntries counts the entries of Keyporter.
func keyringEntries(t *testing.T, conn *dbus.Conn) int {
	t.Helper()
	var items []dbus.ObjectPath
	err := conn.Object(secretsName, loginPath).Call(collectionIface+".SearchItems", 0, map[string]string{"service": "keyporter"}).Store(&items)
	if err != nil {
		t.Fatal(err)
	}
	return len(items)
}

// An MCP client starts programs with little more than HOME and PATH.
func TestTheBusIsFoundInTheRuntimeFolder(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.gnomeKeyring(t, true)
	for n, address := range []bool{false, true, false} {
		succeed(t, s.env(address), task{Dir: s.dir, Do: "open", Count: n})
	}
}

func TestALockedGNOMEKeyringIsSaid(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	conn := s.gnomeKeyring(t, true)
	succeed(t, s.env(true), task{Dir: s.dir, Do: "open"})
	lock(t, conn)
	// The limits are longer than the child may live: it is not them that end it.
	out := do(t, s.env(true), task{Dir: s.dir, Do: "open", Count: 1, Limit: 2 * childLimit})
	want(t, out, "ErrLocked", hint.Locked, "Unlock the keyring")
	out = do(t, s.env(true), task{Dir: s.dir, Do: "unlock"})
	want(t, out, "ErrDenied", hint.Locked, "could not be shown")
	other := privateFolders(t)
	out = do(t, s.env(true), task{Dir: other, Do: "open", Limit: 2 * childLimit})
	want(t, out, "ErrLocked", hint.Locked, "Unlock the keyring")
	noVault(t, other)
}

func TestAGNOMEKeyringWithoutCollectionIsSaid(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.gnomeKeyring(t, false)
	out := do(t, s.env(true), task{Dir: s.dir, Do: "open"})
	want(t, out, "ErrNoKeyring", hint.Failed, "has no collection yet")
	want(t, out, "ErrNoKeyring", hint.Failed, "keyporter vault use passphrase")
	noVault(t, s.dir)
}

func TestTheIdentityMovesBetweenGNOMEKeyringAndPassphrase(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	conn := s.gnomeKeyring(t, true)
	succeed(t, s.env(true), task{Dir: s.dir, Do: "open"})
	for i, step := range []struct {
		do      string
		backend vault.Backend
		entries int
	}{
		{"move to passphrase", vault.Passphrase, 0},
		{"move to passphrase", vault.Passphrase, 0}, // a new passphrase
		{"move to keyring", vault.Keyring, 1},
		{"move to keyring", vault.Keyring, 1},
	} {
		if out := succeed(t, s.env(true), task{Dir: s.dir, Do: step.do}); out.Backend != step.backend {
			t.Errorf("%s: back end = %q", step.do, out.Backend)
		}
		if n := keyringEntries(t, conn); n != step.entries {
			t.Errorf("%s: the keyring has %d entries, want %d", step.do, n, step.entries)
		}
		out := succeed(t, s.env(true), task{Dir: s.dir, Do: "open", Count: i + 1})
		if out.Backend != step.backend {
			t.Errorf("after %s: back end = %q, want %q", step.do, out.Backend, step.backend)
		}
	}
}

func TestASessionWithoutKeyringIsSaid(t *testing.T) {
	t.Parallel()
	s := newSession(t) // and nothing on it
	for _, what := range []string{"open", "unlock"} {
		out := do(t, s.env(true), task{Dir: s.dir, Do: what, Limit: 2 * childLimit})
		want(t, out, "ErrNoKeyring", hint.Failed, "no program offers one")
		want(t, out, "ErrNoKeyring", hint.Failed, "keyporter vault use passphrase")
	}
	noVault(t, s.dir)
	// What the words offer works here.
	if out := succeed(t, s.env(true), task{Dir: s.dir, Do: "open", Backend: vault.Passphrase}); out.Backend != vault.Passphrase {
		t.Errorf("back end = %q, want passphrase", out.Backend)
	}
}

func TestAMissingBusIsSaid(t *testing.T) {
	t.Parallel()
	dir := privateFolders(t)
	envs := map[string][]string{
		"address of a bus that is gone": append(folderEnv(dir), "DBUS_SESSION_BUS_ADDRESS=unix:path="+filepath.Join(dir, "run", "gone")),
		"address without sense":         append(folderEnv(dir), "DBUS_SESSION_BUS_ADDRESS=nonsense"),
	}
	// The user's real bus must stay out of it, so this one is for machines, as
	// those of CI, where nobody is signed in.
	if _, err := os.Lstat(filepath.Join("/run/user", strconv.Itoa(os.Getuid()), "bus")); err != nil {
		envs["no address"] = folderEnv(dir)
		envs["autolaunch"] = append(folderEnv(dir), "DBUS_SESSION_BUS_ADDRESS=autolaunch:")
	}
	for name, env := range envs {
		t.Run(name, func(t *testing.T) {
			for _, what := range []string{"open", "unlock"} {
				out := do(t, env, task{Dir: dir, Do: what, Limit: 2 * childLimit})
				want(t, out, "ErrNoKeyring", hint.Failed, "no session bus")
				want(t, out, "ErrNoKeyring", hint.Failed, "keyporter vault use passphrase")
			}
		})
	}
	noVault(t, dir)
}
