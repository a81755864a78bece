package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	"keyporter/internal/fakeas"
	"keyporter/internal/tally"
)

// TestRenewalsLeaveNoFileOpen counts what agent and bridges have open, before and
// after renewals of a token that lives for two seconds: eight, or sixty in make soak.
func TestRenewalsLeaveNoFileOpen(t *testing.T) {
	t.Parallel()
	renewals := 8
	if soaking() {
		renewals = 60
	}
	h := newHome(t)
	w := newWorld(h, fakeas.Options{AccessLife: 2 * time.Second}).signedIn(h)
	const kept = 4 // connections that may be kept for the next call; a file for each renewal is more
	var count tally.Tally
	bridges := []*host{h.launch("acme"), h.launch("acme")}
	for _, c := range bridges {
		c.initialize()
	}
	renewed := func(n int) {
		until(t, "a renewal", func() bool {
			for _, c := range bridges {
				c.callCounted(&count)
			}
			return w.as.Counters().Refreshed >= n || t.Failed()
		})
	}
	open := func() (all []int) {
		for _, pid := range []int{h.pid(), bridges[0].cmd.Process.Pid, bridges[1].cmd.Process.Pid} {
			files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
			check(t, err)
			all = append(all, len(files))
		}
		return all
	}
	renewed(2)
	before := open()
	for n := range renewals { // each within until's patience
		renewed(3 + n)
	}
	after := open()
	for i := range after {
		if after[i] > before[i]+kept {
			t.Errorf("open files of the agent and two bridges: %v before, %v after", before, after)
		}
	}
	for _, c := range bridges {
		c.close()
	}
	count.Report(t, "make soak: open files", fmt.Sprintf("Real programs, %d renewals of a token of 2 s", w.as.Counters().Refreshed),
		fmt.Sprintf("Open files of the agent and two bridges: %v before, %v after.", before, after))
}
