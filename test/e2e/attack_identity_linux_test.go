package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keyporter/broker/local"
)

// A copy of this program is a program that speaks to the agent by itself: see roles.
func init() {
	if len(os.Args) < 2 || roles[os.Args[1]] == nil {
		return
	}
	if err := roles[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Println(err)
		syscall.Exit(1)
	}
	syscall.Exit(0) // not os.Exit, with which the race detector waits a second
}

const (
	asksRole    = "asks"    // SOCKET: connects and asks for a token, once its input ends
	becomesRole = "becomes" // SOCKET itself|child PROGRAM ARGUMENT...: connects, and is then another program
	speaksRole  = "speaks"  // itself|child: asks for a token on connection 3, a child once its parent is another program
	waitsRole   = "waits"   // until its input ends
)

var roles = map[string]func(args []string) error{
	asksRole: func(args []string) error {
		_, _ = io.Copy(io.Discard, os.Stdin)
		c, err := net.Dial("unix", args[0])
		if err != nil {
			return err
		}
		return askOn(c)
	},
	becomesRole: becomes,
	speaksRole: func(args []string) error {
		for args[0] == "child" {
			own, _ := os.Readlink("/proc/self/exe")
			if above, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", os.Getppid())); above != own {
				break
			}
		}
		c, err := net.FileConn(os.NewFile(3, "connection"))
		if err != nil {
			return err
		}
		return askOn(c)
	},
	waitsRole: func([]string) error { _, err := io.Copy(io.Discard, os.Stdin); return err },
}

// askOn asks for a token and prints what came of it, but for the token.
func askOn(c net.Conn) error {
	fmt.Fprintf(c, "POST /%s/token HTTP/1.1\r\nHost: keyporter\r\nConnection: close\r\nContent-Length: 15\r\n\r\n{\"name\":\"acme\"}", local.APIVersion)
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		fmt.Println("no answer") // a reset is as good as an end
		return nil
	}
	text, err := io.ReadAll(answer.Body)
	if answer.StatusCode == http.StatusOK {
		fmt.Println("a token")
		return err
	}
	fmt.Printf("%q\n", text)
	return err
}

func becomes(args []string) error {
	c, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	fmt.Fprint(c, "GET /ping HTTP/1.1\r\nHost: keyporter\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	f, err := c.(*net.UnixConn).File()
	if err != nil {
		return err
	}
	if args[1] == "child" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		child := exec.Command(self, speaksRole, "child")
		child.ExtraFiles, child.Stdout, child.Stderr = []*os.File{f}, os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			return err
		}
	} else if err := syscall.Dup3(int(f.Fd()), 3, 0); err != nil && f.Fd() != 3 {
		return err
	}
	return syscall.Exec(args[2], append([]string{args[2]}, args[3:]...), os.Environ())
}

// saidBy starts a program, and returns the first line that it, or what it has started,
// writes. between is done before its input ends.
func (h *home) saidBy(between func(), name string, args ...string) string {
	h.t.Helper()
	cmd := h.as(name, args...)
	in, err := cmd.StdinPipe()
	check(h.t, err)
	out, err := cmd.StdoutPipe()
	check(h.t, err)
	check(h.t, cmd.Start())
	if between != nil {
		between()
	}
	if args[0] == asksRole {
		check(h.t, in.Close())
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = in.Close()
	_ = cmd.Wait() // what it wrote counts
	if err != nil {
		h.t.Errorf("%s %s wrote %q, %v", name, args, line, err)
	}
	h.searchText("what a program was told", line)
	return line
}

// A connection is its program's: one that has become another since, or a child that has
// a copy of it, is not taken for the one that the system names then.
func TestAProgramThatBecomesAnotherOneIsNotTakenForIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() // which is there until the home's end
	h := newHome(t).quick()
	place := func(name, from string) string {
		b, err := os.ReadFile(from)
		check(t, err)
		path := filepath.Join(dir, name)
		writeProgram(t, path, b, 0o755)
		return path
	}
	const self = "/proc/self/exe"
	h.program = place("keyporter", program)
	tray, claude, evil := place("keyporter-tray", self), place("claude", self), place("evil", self)
	h.keyed()
	h.do("settings", "set", "approvals=first-use")
	socket := h.paths().Socket()
	const refused = `is not allowed to use acme.`
	asks := func(name, want string) {
		t.Helper()
		if said := h.saidBy(nil, name, asksRole, socket); !strings.Contains(said, want) {
			t.Errorf("%s was told %s", filepath.Base(name), said)
		}
	}
	asks(claude, refused)
	h.allow(h.asking(claude, local.ApprovalWaiting).ID)
	asks(claude, "a token")
	asks(tray, "a token") // which is Keyporter's own
	asks(evil, refused)

	for _, other := range [][]string{{claude, waitsRole}, {tray, waitsRole}, {h.program, "bridge", "acme"}} {
		if said := h.saidBy(nil, evil, append([]string{becomesRole, socket, "child"}, other...)...); said != "no answer\n" {
			t.Errorf("a child, once evil was %s, was told %s", filepath.Base(other[0]), said)
		}
	}
	for _, other := range []string{claude, tray} {
		said := h.saidBy(nil, evil, becomesRole, socket, "itself", other, speaksRole, "itself")
		if !strings.Contains(said, "The program that asks is not the one that connected to the Keyporter agent.") {
			t.Errorf("evil, once it was %s, was told %s", filepath.Base(other), said)
		}
	}
	if said := h.saidBy(nil, claude, becomesRole, socket, "itself", claude, speaksRole, "itself"); said != "a token\n" {
		t.Errorf("claude, which was started by itself once more, was told %s", said)
	}
	// An update has put another tray app in the place of the one that runs.
	newer := place("newer", self)
	if said := h.saidBy(func() { check(t, os.Rename(newer, tray)) }, tray, asksRole, socket); !strings.Contains(said, refused) {
		t.Errorf("the old tray app was told %s", said)
	}
	asks(tray, "a token")
}

// lastPID is where the system says which number the process before the next one got
// (proc_sys_kernel(5)). Root may choose it; others wait until the numbers begin anew.
const lastPID = "/proc/sys/kernel/ns_last_pid"

// A program that was allowed for as long as it runs has ended, and another process of the
// same program has its number.
func TestTheNumberOfAProcessThatEndedAllowsNobody(t *testing.T) {
	t.Parallel()
	h := newHome(t).quick()
	h.keyed()
	h.do("settings", "set", "approvals=session")
	shell := filepath.Join(h.dir, "sh")
	check(t, exec.Command("cp", "/bin/sh", shell).Run())
	const script = `while read next; do "$0" call acme get_time >/dev/null 2>&1; echo "code $?"; done`
	start := func() (*exec.Cmd, func() string) {
		cmd := exec.Command(shell, "-c", script, program)
		cmd.Env, cmd.Dir = h.env, h.dir
		in, err := cmd.StdinPipe()
		check(t, err)
		out, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		lines := bufio.NewReader(out)
		return cmd, func() string {
			_, err := io.WriteString(in, "\n")
			check(t, err)
			line, err := lines.ReadString('\n')
			check(t, err)
			return strings.TrimSpace(line)
		}
	}
	end := func(cmd *exec.Cmd) {
		check(t, cmd.Process.Kill())
		_ = cmd.Wait() // killed
	}
	allowed := func() (pid int) {
		cmd, calls := start()
		defer end(cmd)
		if code := calls(); code != "code 4" {
			t.Errorf("before it is allowed: %s", code)
		}
		h.allow(h.asking(shell, local.ApprovalWaiting).ID)
		if code := calls(); code != "code 0" {
			t.Errorf("once it is allowed: %s", code)
		}
		return cmd.Process.Pid
	}
	var first int
	var second *exec.Cmd
	var calls func() string
	until(t, "another process to get the number", func() bool {
		first = allowed()
		for syscall.Kill(first, 0) != nil { // else somebody else's program has it
			chosen := os.WriteFile(lastPID, fmt.Append(nil, first-1), 0) == nil
			second, calls = start()
			if second.Process.Pid == first || !chosen {
				return true
			}
			end(second)
		}
		return false
	})
	defer end(second)
	if code := calls(); code != "code 4" {
		t.Errorf("process %d, which has the number of process %d: %s", second.Process.Pid, first, code)
	}
}
