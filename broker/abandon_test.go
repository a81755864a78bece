package broker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
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
