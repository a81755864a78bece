//go:build unix

package local_test

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/paths"
)

// The computer sleeps for an hour, longer than a token lives. The first call of each
// of three bridges after waking is answered, with one renewal for all of them.
func TestTheFirstCallsAfterAnHourOfSleepShareOneRenewal(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &day{t: t, net: map[string]*local.Pipes{}, api: local.NewPipes(), conns: map[net.Conn]bool{}, wires: map[net.Conn]bool{}}
		d.as = fakeas.New(fakeas.Options{Devices: true, AccessLife: 20 * time.Minute, Now: d.now})
		d.as.SetURL(authHost)
		var servers, agent, bridges sync.WaitGroup
		endAS, endMCP := d.serve(&servers, authHost, d.as), d.serve(&servers, toolHost, d)
		stop := d.startAgent(&agent, paths.Paths{Config: dir, State: dir, Runtime: dir})
		d.signIn()
		callers := []*caller{d.launch(&bridges), d.launch(&bridges), d.launch(&bridges)}
		for night := range 3 {
			d.sleep(time.Hour)
			if night == 1 {
				<-time.After(30 * time.Second) // somebody who does not call at once
			}
			var calls sync.WaitGroup
			for _, c := range callers {
				calls.Go(func() { c.ask("tools/call", `{"name":"echo","arguments":{"n":7}}`, `{"n":7}`) })
			}
			calls.Wait()
			if got := d.as.Counters(); got.Refreshed != night+1 || got.Signins != 1 || got.InvalidGrant != 0 {
				t.Errorf("after night %d the provider counted %+v", night+1, got)
			}
		}
		for _, c := range callers {
			_ = c.in.Close()
		}
		bridges.Wait()
		stop()
		agent.Wait()
		endAS()
		endMCP()
		servers.Wait()
		if !d.Good() {
			t.Error(fmt.Sprint(&d.Tally))
		}
	})
}
