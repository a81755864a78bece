package broker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

func TestASignInThatNobodyWaitsForAnyMoreEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Broker{bridges: map[string]int{"notes": 1}, changed: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		at := &attempt{server: "notes", cancel: cancel}
		go b.abandon(ctx, at)
		alive := func(d time.Duration, when string) {
			t.Helper()
			<-time.After(d)
			if ctx.Err() != nil {
				t.Fatalf("the sign-in ended %s", when)
			}
		}
		alive(time.Hour, "while a bridge waits")
		b.update(func() { delete(b.bridges, "notes") })
		alive(deserted-time.Second, "soon after the client had gone")
		b.update(func() { b.bridges["notes"] = 1 })
		alive(time.Hour, "after a client had come back")
		b.update(func() { delete(b.bridges, "notes"); at.waiters = 1 })
		alive(time.Hour, "while keyporter login follows it")
		b.update(func() { at.waiters = 0 })
		began := time.Now()
		<-ctx.Done()
		if d := time.Since(began); d != deserted || !at.deserted {
			t.Errorf("the sign-in ended after %v, deserted: %v; want %v", d, at.deserted, deserted)
		}
	})
}

// Somebody interrupts keyporter login and types it again before the first one is over.
func TestASignInRightAfterOneWasInterruptedIsAnotherOne(t *testing.T) {
	refused := hint.New(hint.Refused, "The server refused.", "")
	for name, end := range map[string]struct {
		first, want error
		signIns     int
	}{
		"interrupted":       {context.Canceled, nil, 1},
		"refused meanwhile": {refused, refused, 0},
		"done meanwhile":    {nil, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			as, mcp := oauthServer(t, fakeas.Options{})
			w.add("notes", mcp.URL(), nil)
			ending := &attempt{server: "notes", asker: person, cancel: func() {}, events: []*local.SignInEvent{{Open: as.URL() + "/the-page-of-the-first"}}}
			w.update(func() { w.attempts["notes"] = ending })
			gone, leave := context.WithCancel(t.Context())
			leave()
			_ = w.follow(gone, ending, false, func(*local.SignInEvent) error { return nil }) // the first one, which leaves
			done := make(chan error, 1)
			go func() { done <- w.signIn("notes", "alice") }()
			for joined := false; !joined; {
				news := w.news()
				w.Broker.mu.Lock()
				joined = ending.waiters > 0
				w.Broker.mu.Unlock()
				if !joined {
					<-news
				}
			}
			w.finish(ending, end.first)
			if err := <-done; !errors.Is(err, end.want) {
				t.Errorf("the second sign-in: %v, want %v", err, end.want)
			}
			if n := as.Counters().Signins; n != end.signIns {
				t.Errorf("%d sign-ins, want %d", n, end.signIns)
			}
		})
	}
}
