//go:build unix

package e2e

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"keyporter/internal/fakeas"
)

func TestTwentyProcessesStartingAtOnceMakeExactlyOneAgent(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	var all []<-chan result
	for range 20 {
		_, _, ended := h.start("list", "--json")
		all = append(all, ended)
	}
	for _, ended := range all {
		if r := <-ended; r.code != 0 || strings.TrimSpace(r.out) != "[]" {
			t.Errorf("keyporter list: exit code %d, answer %q\n%s", r.code, r.out, h.said(r.err))
		}
	}
	pid := h.pid()
	log := h.agentLog()
	if n := strings.Count(log, `msg="agent started"`); n != 1 || pid == 0 {
		t.Errorf("%d agents started, and %d runs; want 1\n%s", n, pid, log)
	}
	// One that lost the race would have said so and ended.
	if strings.Contains(log, `msg="another agent runs"`) {
		t.Errorf("agents were launched in vain:\n%s", log)
	}
}

func TestBridgeHealsAKilledAgent(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	c := h.launch("acme")
	c.initialize()
	c.wantText(c.add(1, 2), "3")

	first := h.kill()
	// The server takes the bridge's token no longer, so this call needs an agent
	// that has opened the vault.
	for _, r := range w.mcp.Requests() {
		w.mcp.Refuse(r.Bearer)
	}
	c.wantText(c.add(3, 4), "7")
	if second := h.pid(); second == 0 || second == first {
		t.Errorf("agent %d after agent %d was killed", second, first)
	}
	if got := w.as.Counters(); got.Refreshed != 1 || got.Signins != 1 || got.InvalidGrant != 0 {
		t.Errorf("the authorization server counted %+v", got)
	}
	c.close()
	h.wantBrowsers(1)
}

func TestCommandHealsWhatAKilledAgentLeft(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.do("list")
	first := h.kill()
	if _, err := os.Lstat(h.paths().Socket()); err != nil {
		t.Fatalf("the agent left no socket behind: %v", err)
	}
	h.do("list")
	if second := h.pid(); second == 0 || second == first {
		t.Errorf("agent %d after agent %d was killed", second, first)
	}
}

func TestStoppedKeyporterStaysStoppedUntilStart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	newWorld(h, fakeas.Options{}).signedIn(h)
	c := h.launch("acme")
	c.initialize()
	c.wantText(c.add(1, 2), "3")

	h.do("stop")
	until(t, "a call that says that Keyporter is stopped", func() bool {
		// A call may have gone out with the token in hand before the bridge
		// noticed that the agent is gone.
		text, failed := c.finish(c.add(3, 4))
		return failed && strings.Contains(text, "Keyporter is stopped. Start it with keyporter start.")
	})
	if st := h.state(); st.Agent.PID != 0 || !st.Stopped {
		t.Errorf("after stop and a call: agent %d, stopped %v", st.Agent.PID, st.Stopped)
	}
	if _, err := os.Lstat(h.paths().Socket()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is there after stop: %v", err)
	}

	// A bridge that is launched now starts no agent either, and says why.
	late := h.launch("acme")
	if m := late.ask("initialize", initializeParams); m.Error == nil || !strings.Contains(m.Error.Message, "Keyporter is stopped.") {
		if _, words := "", m.String(); !strings.Contains(words, "Keyporter is stopped.") {
			t.Errorf("a bridge launched after stop says %v", m)
		}
	}
	if pid := h.pid(); pid != 0 {
		t.Errorf("a bridge started agent %d after stop", pid)
	}

	h.do("start")
	c.wantText(c.add(5, 6), "11")
	late.runs(t)
	c.close()
	h.wantBrowsers(1)
}

