//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// testing gives the fakes what they want of a test.
type testing struct{ ends []func() }

func (t *testing) Helper()                           {}
func (t *testing) Cleanup(f func())                  { t.ends = append(t.ends, f) }
func (t *testing) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (t *testing) end() {
	for i := len(t.ends) - 1; i >= 0; i-- {
		t.ends[i]()
	}
}

// grant has many bridges work on one grant whose refresh token rotates and whose
// access tokens live a second.
func (b *bench) grant() error {
	const bridges, lasting = 50, 8 * time.Second
	var t testing
	defer t.end()
	var now, most atomic.Int32 // token requests under way
	as := fakeas.Start(&t, fakeas.Options{AutoApprove: true, AccessLife: time.Second, Wrap: func(endpoint string, next http.Handler) http.Handler {
		if endpoint != fakeas.Token {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			next.ServeHTTP(w, r)
		})
	}})
	// A JWT names its end in whole seconds, so a second is what is left of two.
	server := fakemcp.Start(&t, fakemcp.Options{Issuer: as.Issuer(), Leeway: time.Second, JSON: true})
	for _, args := range [][]string{{"add", "acme", server.URL()}, {"login", "acme"}} {
		if _, err := b.home.keyporter("", args...); err != nil {
			return err
		}
	}
	var all []*bridge
	defer func() {
		for _, c := range all {
			c.in.Close()
		}
		for _, c := range all {
			c.close()
		}
	}()
	for range bridges {
		c, _, err := launch(b.home.bridge("acme"), b.home.env)
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	server.SetLatency(100 * time.Millisecond) // so many callers, not so many busy loops
	var calls, lost atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(lasting)
	for _, c := range all {
		wg.Go(func() {
			for id := 1; time.Now().Before(end); id++ {
				calls.Add(1)
				if err := c.call(id, "whoami"); err != nil {
					if lost.Add(1); errors.Is(err, io.EOF) {
						return
					}
				}
			}
		})
	}
	wg.Wait()
	count := as.Counters()
	r := row{what: fmt.Sprintf("%d bridges on one rotating grant with tokens of 1 s, for %v", bridges, lasting),
		ours: fmt.Sprintf("%d calls, %d lost; %d refreshes, at most %d at a time; %d `invalid_grant`; %d browser",
			calls.Load(), lost.Load(), count.Refreshed, most.Load(), count.InvalidGrant, b.home.browsers())}
	b.rows = append(b.rows, r.aims("1 refresh at a time, 0 `invalid_grant`, 1 browser",
		lost.Load() == 0 && most.Load() == 1 && count.InvalidGrant == 0 && b.home.browsers() == 1 && count.Refreshed > 0))
	return nil
}
