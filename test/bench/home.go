//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"

	"keyporter/broker/local"
)

// A home is a user's home with a Keyporter of its own, whose vault rests in a
// real keyring on a private message bus.
type home struct {
	dir     string
	env     []string
	program string
	ends    []func()
}

func newHome(dir, program, self string) (*home, error) {
	h := &home{dir: dir, program: program}
	bus := "unix:path=" + filepath.Join(dir, "bus")
	h.env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "USER=bench", "KEYPORTER_HOME=" + filepath.Join(dir, "kp"),
		"KEYPORTER_BROWSER=" + self + " -visit " + filepath.Join(dir, "browsers"), "KEYPORTER_VAULT=keyring", "DBUS_SESSION_BUS_ADDRESS=" + bus,
		"XDG_DATA_HOME=" + dir, "MCP_REMOTE_CONFIG_DIR=" + filepath.Join(dir, "mcp-remote")}
	err := h.service("", "dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1", "--address="+bus)
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "control"), 0o700)
	}
	if err == nil {
		err = h.service("SECRETWORD-keyring", "gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets", "--control-directory="+filepath.Join(dir, "control"))
	}
	if err == nil {
		err = unlocked(bus)
	}
	if err != nil {
		h.end()
	}
	return h, err
}

// service starts a program that runs until the end and has printed a line.
func (h *home) service(stdin, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = h.env
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s (apt-get install dbus-daemon gnome-keyring): %w", name, err)
	}
	h.ends = append(h.ends, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	if stdin == "" {
		_, err = bufio.NewReader(out).ReadString('\n')
	}
	return err
}

// unlocked waits until the keyring can be used.
func unlocked(bus string) error {
	conn, err := dbus.Connect(bus)
	if err != nil {
		return err
	}
	defer conn.Close()
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
		var v dbus.Variant
		err = conn.Object("org.freedesktop.secrets", "/org/freedesktop/secrets/collection/login").
			Call("org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, "org.freedesktop.Secret.Collection", "Locked").Store(&v)
		if locked, ok := v.Value().(bool); err == nil && ok && !locked {
			return nil
		}
	}
	return fmt.Errorf("the keyring is not there: %w", err)
}

// keyporter runs a command and returns its answer.
func (h *home) keyporter(stdin string, args ...string) (string, error) {
	cmd := exec.Command(h.program, args...)
	cmd.Env = h.env
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("keyporter %s: %w\n%s", strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out), err
}

// bridge is the command line of a bridge.
func (h *home) bridge(name string) []string { return []string{h.program, "bridge", name} }

// agent returns the agent's process.
func (h *home) agent() (int, error) {
	out, err := h.keyporter("", "status", "--json")
	if err != nil {
		return 0, err
	}
	var st local.State
	return st.Agent.PID, errors.Join(json.Unmarshal([]byte(out), &st), pidOf(&st))
}

func pidOf(st *local.State) error {
	if st.Agent.PID == 0 {
		return errors.New("there is no agent")
	}
	return nil
}

// kill ends the agent as nothing else can.
func (h *home) kill() error {
	out, err := h.keyporter("", "status", "--json")
	if err != nil {
		return err
	}
	var st local.State
	if err := json.Unmarshal([]byte(out), &st); err != nil || st.Agent.PID == 0 {
		return err
	}
	if err := syscall.Kill(st.Agent.PID, syscall.SIGKILL); err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(time.Millisecond) {
		// A process that nobody has waited for has no arguments any more.
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", st.Agent.PID)); err != nil || len(b) == 0 {
			return nil
		}
	}
	return errors.New("the agent does not end")
}

func (h *home) end() {
	_, _ = h.keyporter("", "stop") // there may be no agent
	for i := len(h.ends) - 1; i >= 0; i-- {
		h.ends[i]()
	}
}

// visit is a browser whose user agrees to everything. It leaves a line in file.
func visit(file, url string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString("opened\n"); err != nil {
		return err
	}
	resp, err := http.Get(url)
	if err == nil {
		err = resp.Body.Close()
	}
	return err
}

// browsers returns how often a browser was opened.
func (h *home) browsers() int {
	b, _ := os.ReadFile(filepath.Join(h.dir, "browsers")) // none yet
	return strings.Count(string(b), "\n")
}
