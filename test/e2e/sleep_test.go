//go:build unix

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyporter/internal/fakeas"
)

// TestProgramsThatSleptBeyondTheTokensLifeLoseNoCall stops the agent and three bridges,
// as a computer does that sleeps, until their token is over. What clients asked
// meanwhile, and ask first afterwards, is answered, with one renewal for all.
func TestProgramsThatSleptBeyondTheTokensLifeLoseNoCall(t *testing.T) {
	t.Parallel()
	const life = 3 * time.Second // renewed at half of it
	h := newHome(t)
	w := newWorld(h, fakeas.Options{AccessLife: life}).signedIn(h)
	bridges := []*host{settled(h, w), settled(h, w), settled(h, w)}
	agent := h.pid()
	all := []int{agent}
	for _, c := range bridges {
		all = append(all, c.cmd.Process.Pid)
	}
	signal := func(s syscall.Signal) {
		t.Helper()
		for _, pid := range all {
			check(t, syscall.Kill(pid, s))
		}
	}
	t.Cleanup(func() { // whatever failed, so that they can end
		for _, pid := range all[1:] {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		_ = syscall.Kill(agent, syscall.SIGCONT)
	})
	for range 2 {
		token := strings.TrimSpace(h.do("token", "acme"))
		if _, err := w.as.Verify(token, w.mcp.Resource()); err != nil {
			t.Errorf("the token before sleep: %v", err)
		}
		signal(syscall.SIGSTOP)
		until(t, "the token's end", func() bool { _, err := w.as.Verify(token, w.mcp.Resource()); return err != nil })
		var calls [][]<-chan message
		for i, c := range bridges {
			calls = append(calls, []<-chan message{c.add(i, 1), c.add(i, 2), c.add(i, 3)})
		}
		before := w.as.Counters().Refreshed
		slices.Reverse(all) // once the agent is the first to wake, once the last
		began := time.Now()
		signal(syscall.SIGCONT)
		for i, c := range bridges {
			for n, call := range calls[i] {
				c.wantText(call, fmt.Sprint(i+n+1))
			}
			c.wantText(c.add(i, 9), fmt.Sprint(i+9))
		}
		most := 1 + int(time.Since(began)/(life/2)) // on a slow machine the new one gets old meanwhile
		if got := w.as.Counters().Refreshed - before; got < 1 || got > most {
			t.Errorf("%d renewals after waking, want one", got)
		}
	}
	if got := w.as.Counters(); got.Signins != 1 || got.InvalidGrant != 0 || got.Reused != 0 {
		t.Errorf("the authorization server counted %+v", got)
	}
	if pid := h.pid(); pid != agent {
		t.Errorf("agent %d in place of %d: a bridge took the one that slept for dead", pid, agent)
	}
	for _, c := range bridges {
		c.close()
	}
	h.wantBrowsers(1)
}
