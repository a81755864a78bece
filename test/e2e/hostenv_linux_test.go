package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"

	"keyporter/internal/fakeas"
)

// insideEnv says that this test process has mounts of its own.
const insideEnv = "KEYPORTER_E2E_INSIDE"

// TestHostsEnvironmentIsEnough has a host that passes nothing but HOME, PATH,
// SHELL, TERM and USER. The agent that its bridge starts finds the session bus
// in the user's runtime folder, and there the keyring and the notification
// service. That folder is the machine's, so the test runs in a process that has
// a /run of its own.
func TestHostsEnvironmentIsEnough(t *testing.T) {
	if inside(t) {
		hostsEnvironment(t)
	}
}

// inside runs the test that calls it in a process that may mount what nobody else
// sees, in a user namespace if this one is not root's. It reports whether this is
// that process; in the other one, the test is over then.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
		if err != nil {
			t.Fatalf("This test needs root or user namespaces, to mount what nobody else sees: %v", err)
		}
		return true
	}
	t.Parallel()
	self, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"=1", programEnv+"="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		cmd.SysProcAttr.AmbientCaps = []uintptr{capSysAdmin}
	}
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if _, figure, ok := strings.Cut(line, figures); ok {
			t.Logf("%s", strings.TrimSpace(figure))
		}
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a process with mounts of its own: %v\n%s", err, out)
	}
	return false
}

const capSysAdmin = 21 // capabilities(7)

// ownRuntime gives this process an empty /run with a runtime folder of its user.
func ownRuntime(t *testing.T) string {
	t.Helper()
	check(t, syscall.Mount("keyporter-test", "/run", "tmpfs", 0, "mode=755"))
	dir := fmt.Sprintf("/run/user/%d", os.Getuid())
	check(t, os.MkdirAll(dir, 0o755))
	check(t, os.Chmod(dir, 0o700))
	return dir
}

func hostsEnvironment(t *testing.T) {
	runtime := ownRuntime(t)
	h := bareHome(t)
	w := newWorld(h, fakeas.Options{})

	// Without a session there is no keyring, and who needs it hears that.
	h.do("add", "acme", w.mcp.URL())
	if r := h.run("login", "acme"); r.code == 0 || !containsAll(r.err, "There is no keyring here", "keyporter vault use passphrase") {
		t.Errorf("keyporter login without a keyring: exit code %d\n%s", r.code, r.err)
	}
	h.kill()

	d := newDesktop(t, runtime)
	startKeyring(t, d, h)
	t.Cleanup(h.end)
	c := h.launch("acme") // starts the agent
	if name, _ := c.initialize(); name != "acme" {
		t.Errorf("the server is named %q", name)
	}
	st := h.state()
	if !st.Vault.Open || st.Vault.Backend != "keyring" {
		t.Errorf("the vault of the bridge's agent: %+v", st.Vault)
	}
	for _, file := range []string{h.paths().Identity(), filepath.Join(h.paths().State, "agent.sock")} {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", file, err)
		}
	}
	if socket := h.paths().Socket(); !strings.HasPrefix(socket, runtime+"/") {
		t.Errorf("the socket is %s, want it in %s", socket, runtime)
	}

	call := c.add(1, 2)
	n := d.first()
	// There is no screen, so a click opens no browser; somebody signs in from
	// another terminal.
	h.signInByHand("acme")
	c.wantText(call, "3")
	d.withdrawn(n)

	h.kill()
	c.wantText(c.add(3, 4), "7")
	if got := h.do("token", "acme"); !h.knows(strings.TrimSpace(got)) {
		t.Errorf("keyporter token printed %d characters that are no token", len(got))
	}
	c.close()
	d.want(1)
	h.logFigures("key in the keyring")
	if got := w.as.Counters(); got.Signins != 1 {
		t.Errorf("%d sign-ins, want 1", got.Signins)
	}
}

var address = regexp.MustCompile(`(?m)^ +(http://\S+)$`)

// signInByHand runs keyporter login and opens the address that it prints.
func (h *home) signInByHand(name string) {
	h.t.Helper()
	_, stderr, ended := h.start("login", name, "--no-browser")
	stderr.await(h.t, address.MatchString)
	if _, err := fakeas.Browse(h.t.Context(), address.FindStringSubmatch(stderr.String())[1], "alice"); err != nil {
		h.t.Fatal(err)
	}
	if r := <-ended; r.code != 0 || !strings.Contains(r.err, "Signed in to "+name) {
		h.t.Fatalf("keyporter login: exit code %d\n%s", r.code, r.err)
	}
}

// startKeyring starts the keyring of a desktop, unlocked.
func startKeyring(t *testing.T, d *desktop, h *home) {
	t.Helper()
	program, err := exec.LookPath("gnome-keyring-daemon")
	if err != nil {
		t.Fatal("This test needs gnome-keyring: apt-get install dbus-daemon gnome-keyring")
	}
	data := filepath.Join(h.dir, "keyrings")
	control := filepath.Join(h.dir, "control")
	check(t, errors.Join(os.Mkdir(data, 0o700), os.Mkdir(control, 0o700)))
	cmd := exec.Command(program, "--foreground", "--unlock", "--components=secrets", "--control-directory="+control)
	cmd.Env = []string{"HOME=" + h.dir, "PATH=" + os.Getenv("PATH"), "XDG_DATA_HOME=" + data, "DBUS_SESSION_BUS_ADDRESS=" + d.address}
	cmd.Stdin = strings.NewReader("keyring-password-" + word)
	launch(t, cmd)
	until(t, "the keyring", func() bool {
		var v dbus.Variant
		err := d.conn.Object("org.freedesktop.secrets", "/org/freedesktop/secrets/collection/login").
			Call("org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, "org.freedesktop.Secret.Collection", "Locked").Store(&v)
		locked, ok := v.Value().(bool)
		return err == nil && ok && !locked
	})
}

// knows reports whether a text is one of the secrets that the searches look for.
func (h *home) knows(text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.secrets[text]
}
