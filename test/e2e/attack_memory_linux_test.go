package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/fakemcp"
)

// plainHome is newHome of a user who is not root.
func plainHome(t *testing.T, more ...string) *home {
	t.Helper()
	h := bareHome(t)
	h.otherUser(54321)
	return keyporterIn(h, more...)
}

// otherUser makes the home another user's. Only root can; anybody else is plain
// enough already.
func (h *home) otherUser(uid uint32) {
	h.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	h.user = &syscall.Credential{Uid: uid, Gid: uid}
	check(h.t, os.Chown(h.dir, int(uid), int(uid)))
}

// as returns a command that the home's user runs.
func (h *home) as(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = h.env, h.dir
	if h.user != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.user}
	}
	return cmd
}

// self copies the test program to where the home's user can start it.
func (h *home) self() string {
	h.t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	check(h.t, err)
	path := filepath.Join(h.dir, intruderProgram)
	writeProgram(h.t, path, b, 0o755)
	return path
}

// keyed adds a server acme that takes a fixed token.
func (h *home) keyed() {
	h.t.Helper()
	token := "token-" + word
	mcp := fakemcp.Start(h.t, fakemcp.Options{Open: true})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		mcp.ServeHTTP(w, r)
	}))
	h.t.Cleanup(s.Close)
	file := h.file("token", token)
	h.do("account", "add", "static", "key", "--token-file", file)
	check(h.t, os.Remove(file))
	h.do("add", "acme", s.URL+fakemcp.Path, "--account", "key", "--bind")
}

// intrude tries to get at the memory of a process and prints in which ways it could.
func intrude(arg string) int {
	pid, err := strconv.Atoi(arg)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	runtime.LockOSThread() // which the system takes for the tracer
	of := filepath.Join("/proc", arg)
	read := func(name string) func() error {
		return func() error { _, err := os.ReadFile(filepath.Join(of, name)); return err }
	}
	for name, try := range map[string]func() error{
		"ptrace":  func() error { return syscall.PtraceAttach(pid) },
		"mem":     func() error { f, err := os.OpenFile(filepath.Join(of, "mem"), os.O_RDWR, 0); f.Close(); return err },
		"maps":    read("maps"),
		"environ": read("environ"),
		"fd":      func() error { _, err := os.ReadDir(filepath.Join(of, "fd")); return err },
	} {
		switch err := try(); {
		case err == nil:
			fmt.Println(name)
		case !errors.Is(err, fs.ErrPermission):
			fmt.Println(name, err)
			return 1
		}
	}
	return 0
}

func TestProgramsOfTheSameUserCannotReadTheAgentsMemory(t *testing.T) {
	t.Parallel()
	h := plainHome(t)
	h.keyed()
	intruder := h.self()
	if out, err := h.as(intruder, intruderRole, strconv.Itoa(h.pid())).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("another program of the user got at the agent by %q, %v", out, err)
	}
	// The attack itself works: so it gets at a program that does nothing against it.
	cat := h.as("cat")
	in, err := cat.StdinPipe()
	check(t, err)
	check(t, cat.Start())
	out, err := h.as(intruder, intruderRole, strconv.Itoa(cat.Process.Pid)).CombinedOutput()
	if err != nil || !containsAll(string(out), "maps", "environ", "fd") {
		t.Errorf("of any other program: %q, %v", out, err)
	}
	check(t, cat.Process.Kill()) // it may stand still, as a debugger's victim does
	check(t, in.Close())
	_ = cat.Wait()
}

// The agent hides what it is from other programs of the user, and still finds out
// what they are.
func TestAPlainUserIsAskedAboutPrograms(t *testing.T) {
	t.Parallel()
	h := plainHome(t)
	h.keyed()
	h.do("settings", "set", "approvals=first-use")
	other := filepath.Join(h.dir, "other-program")
	runner, err := exec.LookPath("timeout")
	check(t, err)
	check(t, exec.Command("cp", runner, other).Run())
	call := func() (int, string) {
		cmd := h.as(other, "60", program, "call", "acme", "add", `{"a":2,"b":3}`)
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), h.said(string(out))
	}
	if code, said := call(); code != 4 || !strings.Contains(said, other+" is not allowed to use acme.") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	h.allow(h.asking(other, local.ApprovalWaiting).ID)
	if code, said := call(); code != 0 || !strings.Contains(said, "5") {
		t.Errorf("once it is allowed: exit code %d\n%s", code, said)
	}
}

// An agent, or a bridge, that is made to crash leaves its memory in no file.
func TestACrashLeavesNoMemoryBehind(t *testing.T) {
	var before syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_CORE, &before))
	check(t, syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: before.Max, Max: before.Max}))
	t.Cleanup(func() { check(t, syscall.Setrlimit(syscall.RLIMIT_CORE, &before)) })
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV} {
		t.Run(signal.String(), func(t *testing.T) {
			h := plainHome(t, "GOTRACEBACK=crash")
			h.keyed()
			cmd, stderr := h.command([]string{"bridge", "acme"}, nil)
			in, err := cmd.StdinPipe()
			check(t, err)
			out := &output{}
			cmd.Stdout = out
			check(t, cmd.Start())
			_, err = in.Write([]byte(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}` + "\n"))
			check(t, err)
			out.await(t, func(s string) bool { var m message; return json.Unmarshal([]byte(s), &m) == nil && m.Result != nil })

			agent := h.pid()
			check(t, syscall.Kill(agent, signal))
			until(t, "the agent's end", func() bool { return !alive(agent) })
			check(t, cmd.Process.Signal(signal))
			_ = cmd.Wait() // with the signal
			status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !status.Signaled() || status.CoreDump() {
				t.Errorf("the bridge ended with %v", cmd.ProcessState)
			}
			if log := h.agentLog(); !strings.Contains(log, "goroutine ") || !strings.Contains(stderr.String(), "goroutine ") {
				t.Errorf("they did not crash:\n%s\n%s", log, stderr)
			}
			check(t, filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && strings.HasPrefix(d.Name(), "core") {
					t.Errorf("%s is there", path)
				}
				return err
			}))
		})
	}
}
