//go:build unix

package e2e

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
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
	w := newWorld(h, fakeas.Options{AccessLife: 2 * time.Second}).signedIn(h)
	c := h.launch("acme")
	c.initialize()
	c.wantText(c.add(1, 2), "3")
	for range 3 {
		first, renewed := h.kill(), w.as.Counters().Refreshed
		c.wantText(c.add(3, 4), "7")
		// Once the token in hand has expired, a call needs an agent that has opened
		// the vault.
		until(t, "a renewal by the next agent", func() bool {
			c.wantText(c.add(5, 6), "11")
			return w.as.Counters().Refreshed > renewed
		})
		if second := h.pid(); second == 0 || second == first {
			t.Errorf("agent %d after agent %d was killed", second, first)
		}
	}
	if got := w.as.Counters(); got.Signins != 1 || got.InvalidGrant != 0 || got.Reused != 0 {
		t.Errorf("the authorization server counted %+v", got)
	}
	c.close()
	h.wantBrowsers(1)
}

// settled returns a bridge whose only traffic from now on is what a test calls.
func settled(h *home, w *world) *host {
	h.t.Helper()
	c := h.launch("acme")
	c.initialize()
	c.wantText(c.add(1, 2), "3")
	until(h.t, "the answer to the GET stream's request", func() bool {
		return slices.ContainsFunc(w.mcp.Requests(), func(r fakemcp.Request) bool { return r.Method == http.MethodGet && r.Path == fakemcp.Path })
	})
	return c
}

// refuse makes the server take no token that it has seen.
func (w *world) refuse() {
	for _, r := range w.mcp.Requests() {
		w.mcp.Refuse(r.Bearer)
	}
}

// A token that is refused within its first seconds is tried once more, for
// servers whose clock lags, and then renewed.
func TestTokenThatIsRevokedWhileYoungIsRenewed(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	c := settled(h, w)
	w.refuse()
	c.wantText(c.add(3, 4), "7")
	if got := w.as.Counters(); got.Refreshed != 1 {
		t.Errorf("%d renewals, want 1", got.Refreshed)
	}
	c.close()
}

func TestAgentThatDiesWhileABridgeAsksItIsReplaced(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	c := settled(h, w)
	w.refuse()
	call := c.add(3, 4)
	until(t, "the server's refusal", func() bool { return w.mcp.Counters().Statuses[http.StatusUnauthorized] > 0 })
	h.kill() // which has let the refused token rest for a second
	c.wantText(call, "7")
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
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	c := settled(h, w)
	c.wantTools(tools...)
	c.wantText(c.add(2, 2), "4")

	h.do("stop")
	seen := len(w.mcp.Requests())
	// The bridge has the token in hand no more, and knows what there was.
	c.wantFailure(c.add(3, 4), "Keyporter is stopped. Start it with keyporter start.")
	c.wantTools(tools...)
	if after := w.mcp.Requests()[seen:]; len(after) != 0 {
		t.Errorf("after stop the server got %d requests, the first is %s", len(after), after[0].Method)
	}
	if st := h.state(); st.Agent.PID != 0 || !st.Stopped {
		t.Errorf("after stop and a call: agent %d, stopped %v", st.Agent.PID, st.Stopped)
	}
	if _, err := os.Lstat(h.paths().Socket()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is there after stop: %v", err)
	}

	// A bridge that is launched now starts no agent either, and says why.
	late := h.launch("acme")
	if m := late.ask("initialize", initializeParams); !strings.Contains(m.String(), "Keyporter is stopped.") {
		t.Errorf("a bridge launched after stop says %v", m)
	}
	if pid := h.pid(); pid != 0 {
		t.Errorf("a bridge started agent %d after stop", pid)
	}

	h.do("start")
	c.hears("notifications/tools/list_changed") // without a call that asks
	c.wantText(c.add(5, 6), "11")
	late.runs(t)
	c.close()
	h.wantBrowsers(1)
	var calls []string
	for line := range strings.Lines(h.do("log")) {
		if strings.Contains(line, "tools/call") {
			calls = append(calls, line)
		}
	}
	if len(calls) != 4 || !strings.Contains(calls[2], "stopped") {
		t.Errorf("of the calls 1+2, 2+2, 3+4 (stopped) and 5+6 the audit log has\n%s", strings.Join(calls, ""))
	}
}
