package e2e

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"keyporter/internal/fakeas"
)

// figures stands before each figure that is printed.
const figures = "FIGURE "

// TestFigures prints what a launch costs. It runs alone: tests that are parallel
// wait for it. Times are printed and not judged, because they are the machine's.
func TestFigures(t *testing.T) {
	h := newHome(t, "KEYPORTER_LOG=warn")
	newWorld(h, fakeas.Options{}).signedIn(h)
	h.logFigures("key under a passphrase")
	fi, err := os.Stat(program)
	check(t, err)
	t.Logf(figures+"program: %.1f MiB", float64(fi.Size())/(1<<20))
}

// logFigures launches bridges of acme, which is signed in to. Of the agent's
// start, the vault is a part that vault names.
func (h *home) logFigures(vault string) {
	h.t.Helper()
	launch := func() time.Duration {
		began := time.Now()
		c := h.launch("acme")
		c.initialize()
		took := time.Since(began)
		c.close()
		return took
	}
	launch() // the program is in the page cache from now on
	var warm, cold []time.Duration
	for range 9 {
		warm = append(warm, launch())
	}
	for range 5 {
		h.kill()
		cold = append(cold, launch())
	}
	h.t.Logf(figures+"launch to the answer of initialize, agent running: median %v", median(warm))
	h.t.Logf(figures+"launch to the answer of initialize, agent not running (%s): median %v", vault, median(cold))
	c := h.launch("acme")
	c.initialize()
	c.tools()
	h.t.Logf(figures+"resident memory: bridge %d KiB, agent (%s) %d KiB", resident(h.t, c.cmd.Process.Pid), vault, resident(h.t, h.pid()))
	c.close()
}

func median(d []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(d))[len(d)/2].Round(100 * time.Microsecond)
}

// resident returns the resident memory of a process in KiB, peakMemory what it
// was at most.
func resident(t *testing.T, pid int) int   { return status(t, pid, "VmRSS") }
func peakMemory(t *testing.T, pid int) int { return status(t, pid, "VmHWM") }

// status returns a number out of proc_pid_status(5).
func status(t *testing.T, pid int, field string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	check(t, err)
	m := regexp.MustCompile(`\n` + field + `:\s+(\d+)`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("process %d has no %s", pid, field)
	}
	n, err := strconv.Atoi(string(m[1]))
	check(t, err)
	return n
}
