package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

// asking returns the approval of a program for acme, once it stands as wanted.
func (h *home) asking(program string, want local.ApprovalState) local.Approval {
	h.t.Helper()
	var found local.Approval
	until(h.t, program+" "+string(want), func() bool {
		for _, a := range h.state().Approvals {
			if a.Program == program && a.Server == "acme" && a.State == want {
				found = a
			}
		}
		return found.ID != ""
	})
	return found
}

// held returns a call that waits for program to be allowed. A call may still go
// through before the bridge has heard that it is not.
func (c *host) held(program string) <-chan message {
	c.h.t.Helper()
	call := c.add(3, 4)
	until(c.h.t, "a call that is held", func() bool {
		select {
		case <-call:
			call = c.add(3, 4)
		default:
		}
		return slices.ContainsFunc(c.h.state().Approvals, func(a local.Approval) bool {
			return a.Program == program && a.State == local.ApprovalWaiting
		})
	})
	return call
}

// through runs keyporter from another program, and returns its exit code and what
// it wrote.
func (h *home) through(name string, args ...string) (int, string) {
	h.t.Helper()
	cmd := h.as(name, args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	h.searchText("what keyporter wrote", string(out))
	return cmd.ProcessState.ExitCode(), h.said(string(out))
}

func TestAProgramIsAskedAboutAndACallWaitsForTheAnswer(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	self, err := os.Executable()
	check(t, err)
	c := settled(h, w)
	h.do("settings", "set", "approvals=first-use")

	// A call of a bridge that runs is held, and goes through when the user allows it.
	call := c.held(self)
	a := h.asking(self, local.ApprovalWaiting)
	if a.Account != "acme" || a.Identity == "" {
		t.Errorf("it is asked for as %+v", a)
	}
	until(t, "the notice", func() bool {
		n := h.state().Notices
		return len(n) == 1 && n[0].Kind == local.NoticeApproval && n[0].Program == self && n[0].Approval == a.ID
	})
	h.allow(a.ID)
	c.wantText(call, "7")
	c.wantText(c.add(4, 4), "8")
	if n := h.state().Notices; len(n) != 0 {
		t.Errorf("notices %+v stay", n)
	}

	// So may what the program starts through a shell, and nothing that another one does.
	if code, out := h.through("/bin/sh", "-c", `"$0" call acme add '{"a":5,"b":4}'; exit $?`, program); code != 0 || !strings.Contains(out, "9") {
		t.Errorf("through a shell: exit code %d\n%s", code, out)
	}
	other := h.otherProgram("other-program")
	if code, out := h.through(other, "60", program, "call", "acme", "get_time"); code != 4 || !strings.Contains(out, other+" is not allowed to use acme.") {
		t.Errorf("through another program: exit code %d\n%s", code, out)
	}
	h.allow(h.asking(other, local.ApprovalWaiting).ID)
	if code, out := h.through(other, "60", program, "call", "acme", "get_time"); code != 0 {
		t.Errorf("through another program that is allowed: exit code %d\n%s", code, out)
	}

	// What is taken back is gone at once; a no is told to the call that waits.
	h.do("revoke", a.ID)
	call = c.held(self)
	h.asking(self, local.ApprovalWaiting)
	h.do("revoke", a.ID)
	c.wantFailure(call, "is not allowed to use acme")
	c.wantFailure(c.add(1, 1), "is not allowed to use acme")
	h.kill() // what was denied is forgotten, what was allowed is not
	call = c.held(self)
	h.asking(self, local.ApprovalWaiting)
	h.asking(other, local.ApprovalAllowed)
	h.do("revoke", a.ID)
	c.wantFailure(call, "is not allowed to use acme")

	// A program that speaks to the agent by itself is asked about too, and no answer
	// is a no.
	h.kill()
	h.do("list") // starts an agent
	agent, err := local.Dial(t.Context(), local.DialOptions{Paths: h.paths()})
	check(t, err)
	defer agent.Close()
	for name, try := range map[string]func() error{
		"await": func() error {
			return agent.AwaitReady(t.Context(), local.AwaitRequest{Server: "acme", Wait: time.Millisecond})
		},
		"token": func() error {
			_, err := agent.Token(t.Context(), local.TokenRequest{Name: "acme"})
			return err
		},
	} {
		if err := try(); hint.CodeOf(err) != hint.ApprovalNeeded {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.wantBrowsers(1)
}

func TestAProgramThatIsStartedAgainIsAskedAboutAgain(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	newWorld(h, fakeas.Options{}).signedIn(h)
	h.do("settings", "set", "approvals=session")
	// The shell's copy lies where the user may write, so it is a program like others.
	script := `"$0" call acme get_time; echo "code $?"; read answer; "$0" call acme get_time; echo "code $?"`
	shell := filepath.Join(h.dir, "sh")
	check(t, exec.Command("cp", "/bin/sh", shell).Run())
	for range 2 {
		cmd := exec.Command(shell, "-c", script, program)
		cmd.Env, cmd.Dir = h.env, h.dir
		in, err := cmd.StdinPipe()
		check(t, err)
		out := &output{}
		cmd.Stdout = out
		check(t, cmd.Start())
		out.await(t, func(s string) bool { return strings.Contains(s, "code 4") })
		h.allow(h.asking(shell, local.ApprovalWaiting).ID)
		_, err = in.Write([]byte("\n"))
		check(t, err)
		out.await(t, func(s string) bool { return strings.Contains(s, "code 0") })
		check(t, in.Close())
		check(t, cmd.Wait())
	}
}
