//go:build unix

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/vault/vaulttest"
	"keyporter/internal/paths"
	"keyporter/internal/peers"
)

// A home is a user's home with a Keyporter of its own.
type home struct {
	t   *testing.T
	dir string
	env []string // of everything that the user starts

	// user is whose home it is; nil is the user who runs the tests.
	user    *syscall.Credential
	program string   // keyporter; empty means the one that all tests share
	first   []string // arguments, of each command

	// linger is how long what a command wrote is read after its end, where agents
	// keep its standard error open. Zero: until nobody has it open.
	linger time.Duration

	// unseen says that the vault holds tokens which the test has not seen: to
	// know them, it opens the vault in the end.
	unseen bool

	// public is a client secret that its owner declared not confidential, or empty.
	public string

	*seen
}

// seen is what is searched, and for what. It is safe for concurrent use.
type seen struct {
	mu      sync.Mutex
	secrets map[string]bool // what must not show up anywhere
	outputs []*output       // of everything that was started
	started []string        // arguments and environments, as given and as /proc shows them
}

// newHome returns a home whose vault opens with a passphrase file, whose browser
// signs in by itself and counts, and which has no desktop. more is environment.
func newHome(t *testing.T, more ...string) *home {
	t.Helper()
	return keyporterIn(bareHome(t), more...)
}

// keyporterIn is newHome in a home that is there.
func keyporterIn(h *home, more ...string) *home {
	h.t.Helper()
	h.env = append(h.env,
		"KEYPORTER_HOME="+filepath.Join(h.dir, "kp"),
		"KEYPORTER_VAULT=passphrase",
		"KEYPORTER_PASSPHRASE_FILE="+h.file("pass", "passphrase-"+word),
		"KEYPORTER_BROWSER="+h.browser(),
		"KEYPORTER_LOG=debug", // what a log holds at most
		"DBUS_SESSION_BUS_ADDRESS=unix:path="+filepath.Join(h.dir, "no-bus"),
	)
	h.env = append(h.env, more...)
	h.t.Cleanup(h.end)
	return h
}

// quick gives a new home a vault that opens without much work, for a test that starts
// one agent after the other.
func (h *home) quick() *home {
	h.t.Helper()
	check(h.t, vaulttest.Make(h.paths(), "passphrase-"+word))
	if h.user != nil {
		check(h.t, filepath.WalkDir(h.paths().State, func(path string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Chown(path, int(h.user.Uid), int(h.user.Gid)))
		}))
	}
	return h
}

// bareHome returns a home in which nothing but HOME, PATH, SHELL, TERM and USER
// is set, as hosts do. The caller sees to the end of its agent; after that the home
// is searched for secrets.
func bareHome(t *testing.T) *home {
	t.Helper()
	h := unsearched(t)
	t.Cleanup(h.search)
	return h
}

// unsearched is bareHome for a test of the search.
func unsearched(t *testing.T) *home {
	t.Helper()
	dir, err := os.MkdirTemp("", "kp") // short, because a socket's path is
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &home{t: t, dir: dir, seen: &seen{secrets: map[string]bool{word: true}}, env: []string{
		"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "SHELL=/bin/sh", "TERM=dumb", "USER=someone",
	}}
}

// file writes a file in the home and returns its path.
func (h *home) file(name, content string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	check(h.t, os.WriteFile(path, []byte(content), 0o600))
	if h.user != nil {
		check(h.t, os.Chown(path, int(h.user.Uid), int(h.user.Gid)))
	}
	return path
}

// browser makes a browser that notes each start, keeps what others can see of it for
// the search, and then signs in as a person would.
func (h *home) browser() string {
	h.t.Helper()
	path := h.file("browser", "#!/bin/sh\necho started >> '"+h.dir+"/browser.log'\n"+
		"cat /proc/$$/cmdline /proc/$$/environ 2>/dev/null >> '"+h.dir+"/browser.seen'\nexec '"+peers.Browser(h.t)+"' \"$@\"\n")
	check(h.t, os.Chmod(path, 0o700))
	return path
}

// browsers returns how often a browser was started.
func (h *home) browsers() int {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, "browser.log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

func (h *home) wantBrowsers(want int) {
	h.t.Helper()
	if got := h.browsers(); got != want {
		h.t.Errorf("%d browsers were started, want %d", got, want)
	}
}

// secret notes what must not show up.
func (h *home) secret(values ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range values {
		if v != "" {
			h.secrets[v] = true
		}
	}
}

// paths are the folders of the home's Keyporter.
func (h *home) paths() paths.Paths {
	h.t.Helper()
	p, err := paths.Find(func(name string) string {
		value := ""
		for _, kv := range h.env {
			if k, v, _ := strings.Cut(kv, "="); k == name {
				value = v
			}
		}
		return value
	})
	check(h.t, err)
	return p
}

// command returns keyporter with arguments, not yet started. Its standard error
// is kept. more is environment.
func (h *home) command(args, more []string) (*exec.Cmd, *output) {
	out := &output{}
	cmd := exec.Command(cmp.Or(h.program, program), append(slices.Clone(h.first), args...)...)
	cmd.Env = append(slices.Clone(h.env), more...)
	h.mu.Lock()
	h.outputs = append(h.outputs, out)
	h.started = append(h.started, strings.Join(append(cmd.Env, args...), "\x00"))
	h.mu.Unlock()
	cmd.Dir = h.dir
	cmd.Stderr = out
	cmd.WaitDelay = h.linger
	if h.user != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.user}
	}
	return cmd, out
}

// A result is how a command ended.
type result struct {
	out, err string
	code     int
}

// start runs a command in the background. The result comes when it ends.
func (h *home) start(args ...string) (*exec.Cmd, *output, <-chan result) {
	h.t.Helper()
	cmd, stderr := h.command(args, nil)
	stdout := &output{}
	if args[0] != "token" { // whose answer is the secret
		h.mu.Lock()
		h.outputs = append(h.outputs, stdout)
		h.mu.Unlock()
	}
	cmd.Stdout = stdout
	check(h.t, cmd.Start())
	h.look(cmd.Process.Pid)
	ended := make(chan result, 1) // takes the one result
	go func() {
		_ = cmd.Wait() // the exit code says it
		ended <- result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	}()
	return cmd, stderr, ended
}

// run runs a command to its end.
func (h *home) run(args ...string) result {
	h.t.Helper()
	cmd, _, ended := h.start(args...)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-ended:
		return r
	case <-timer.C:
		_ = cmd.Process.Kill()
		r := <-ended
		h.t.Errorf("keyporter %s did not end:\n%s", strings.Join(args, " "), r.err)
		return r
	}
}

// do runs a command that has to succeed and returns its answer.
func (h *home) do(args ...string) string {
	h.t.Helper()
	r := h.run(args...)
	if r.code != 0 {
		h.t.Fatalf("keyporter %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, h.said(r.err))
	}
	return r.out
}

// said takes the log's lines out of what a command wrote for a person.
func (h *home) said(stderr string) string {
	var lines []string
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, "time=") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// state is keyporter status --json, which starts no agent.
func (h *home) state() *local.State {
	h.t.Helper()
	st := &local.State{}
	check(h.t, json.Unmarshal([]byte(h.do("status", "--json")), st))
	return st
}

// pid is the number of the agent's process; 0 without one.
func (h *home) pid() int {
	h.t.Helper()
	return h.state().Agent.PID
}

// kill ends the agent as nothing else can, and returns which it was.
func (h *home) kill() int {
	h.t.Helper()
	pid := h.pid()
	if pid == 0 {
		h.t.Fatal("there is no agent to kill")
	}
	p, err := os.FindProcess(pid)
	check(h.t, err)
	check(h.t, p.Kill())
	until(h.t, "the agent's end", func() bool { return !alive(pid) })
	return pid
}

// agentLog returns what the agents of this home wrote.
func (h *home) agentLog() string {
	h.t.Helper()
	b, err := os.ReadFile(h.paths().AgentLog())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	return string(b)
}

// end stops the agent.
func (h *home) end() {
	pid := h.pid()
	h.searchProcess(pid)
	h.lookAround()
	h.do("stop")
	// stop waits until another agent could start; the process is gone a moment
	// later.
	until(h.t, "the agent's end after keyporter stop", func() bool { return pid == 0 || !alive(pid) })
	if h.unseen {
		h.vaultSecrets()
	}
	if h.t.Failed() {
		h.t.Logf("agent.log:\n%s", h.agentLog())
	}
}

// An output collects what a program writes. It is safe for concurrent use.
type output struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{} // closed at the next write; nil until somebody waits
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await waits until found sees what it looks for.
func (o *output) await(t *testing.T, found func(string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		o.mu.Lock()
		if o.changed == nil {
			o.changed = make(chan struct{})
		}
		changed, text := o.changed, o.b.String()
		o.mu.Unlock()
		if found(text) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("not written in time; so far:\n%s", text)
		}
	}
}

// in returns the home for use in a subtest: its failures are those of t.
func (h *home) in(t *testing.T) *home {
	of := *h
	of.t = t
	return &of
}
