package app

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestQuitEndsTheAppAlsoWhereFyneHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, quit := context.WithCancel(t.Context())
		hangs, exited := make(chan struct{}), false
		go loop(ctx, quit, func() { <-hangs }, func(<-chan struct{}) { exited = true })
		synctest.Wait()
		if exited {
			t.Error("the process ended though nobody wanted it to")
		}
		quit()
		synctest.Wait()
		if !exited {
			t.Error("the process did not end")
		}
		close(hangs)
	})
}

func TestSignalThatFyneTakesEndsTheAppInOrder(t *testing.T) {
	ctx, quit := context.WithCancel(t.Context())
	left := false
	loop(ctx, quit, func() {}, func(ended <-chan struct{}) {
		<-ended
		left = true
	})
	if !left {
		t.Error("nothing was put away")
	}
}
