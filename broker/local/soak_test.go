//go:build unix

package local_test

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/paths"
)

// A measure is what the process takes when nothing is going on.
type measure struct {
	goroutines int
	heap       uint64
}

func take() measure {
	synctest.Wait()
	runtime.GC()
	runtime.GC() // what a finalizer gave back in the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return measure{runtime.NumGoroutine(), m.HeapAlloc}
}

// TestHoursOfTokensOfTwoSecondsLoseNoCallAndGrowNothing lets three clients call a
// server whose tokens live for two seconds: for three minutes of faked time, or for ten
// hours in make soak. In each tenth of that the provider is out of order for a
// moment, the server refuses good tokens, and all connections to the agent break.
func TestHoursOfTokensOfTwoSecondsLoseNoCallAndGrowNothing(t *testing.T) {
	tenth := 12 * time.Second
	if os.Getenv("KEYPORTER_SOAK") != "" {
		tenth = time.Hour
	}
	dir := t.TempDir()
	d, what, grown := &day{}, "", ""
	synctest.Test(t, func(t *testing.T) {
		d.t, d.net, d.api, d.conns, d.wires = t, map[string]*local.Pipes{}, local.NewPipes(), map[net.Conn]bool{}, map[net.Conn]bool{}
		d.as = fakeas.New(fakeas.Options{Devices: true, Forget: true, AccessLife: 2 * time.Second})
		d.as.SetURL(authHost)
		var servers, agent, bridges sync.WaitGroup
		endAS, endMCP := d.serve(&servers, authHost, d.as), d.serve(&servers, toolHost, d)
		before := take()
		stop := d.startAgent(&agent, paths.Paths{Config: dir, State: dir, Runtime: dir})
		d.signIn()

		began := time.Now()
		callers := []*caller{d.launch(&bridges), d.launch(&bridges), d.launch(&bridges)}
		var first, last measure
		for i := range 10 {
			end := time.Now().Add(tenth)
			var calls sync.WaitGroup
			for n, every := range []time.Duration{900 * time.Millisecond, 1700 * time.Millisecond, 19 * time.Second} {
				calls.Go(func() { callers[n].call(every, end) })
			}
			calls.Go(func() { d.disturb(tenth / 4) })
			calls.Wait()
			if last = take(); i == 0 {
				first = last
			}
		}
		took := time.Since(began)
		for _, c := range callers {
			_ = c.in.Close()
		}
		bridges.Wait()
		stop()
		agent.Wait()
		after := take()
		endAS()
		endMCP()
		servers.Wait()

		got := d.as.Counters()
		what = fmt.Sprintf("%v of faked time, 3 bridges, tokens of 2 s, %d renewals, %d requests refused with 401",
			took.Round(time.Second), got.Refreshed, d.refused.Load())
		grown = fmt.Sprintf("Goroutines: %d after the first tenth, %d after the last; %d before the agent started, %d after it ended. "+
			"Heap in use: %d KiB after the first tenth, %d KiB after the last.",
			first.goroutines, last.goroutines, before.goroutines, after.goroutines, first.heap>>10, last.heap>>10)
		if !d.Good() || got.InvalidGrant != 0 || got.Signins != 1 {
			t.Errorf("%v; the provider counted %+v", &d.Tally, got)
		}
		if least := int(took / (3 * time.Second)); got.Refreshed < least {
			t.Errorf("%d renewals in %v, want %d at least", got.Refreshed, took, least)
		}
		if last.goroutines > first.goroutines || after.goroutines > before.goroutines {
			t.Errorf("goroutines were left")
		}
		if last.heap > first.heap+1<<20 {
			t.Errorf("the heap grew from %d to %d bytes", first.heap, last.heap)
		}
	})
	d.Report(t, "make soak: ten hours", what, grown)
}
