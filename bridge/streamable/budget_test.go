package streamable

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// grow resizes in the background. The channel is closed when that is done.
func grow(t *testing.T, s *share, n int) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.resize(t.Context(), n); err != nil {
			t.Error(err)
		}
	}()
	synctest.Wait()
	return done
}

func over(done <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func TestAnswersWaitForRoomAndSmallOnesDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &budget{max: 1 << 20}
		first, second, third, small := &share{of: b}, &share{of: b}, &share{of: b}, &share{of: b}
		if !over(grow(t, first, 1<<20)) || !over(grow(t, second, 5<<20)) {
			t.Fatal("one answer fills the budget, and one may go beyond it")
		}
		waits := grow(t, third, 32<<10)
		if over(waits) || b.used != 6<<20 {
			t.Fatalf("a third one did not wait; %d bytes are used", b.used)
		}
		if !over(grow(t, small, smallAnswer)) {
			t.Error("a small answer waits")
		}
		first.free()
		if over(waits) {
			t.Error("there is no room yet")
		}
		second.free()
		if !over(waits) || b.used != 32<<10 || b.beyond != nil {
			t.Errorf("there is room, and an answer waits; %d bytes are used", b.used)
		}
		third.free()
		if b.used != 0 {
			t.Errorf("%d bytes are used by nobody", b.used)
		}
	})
}

func TestAnAnswerThatWaitsForRoomCanBeTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &budget{max: 1 << 20}
		for range 2 {
			if err := (&share{of: b}).resize(t.Context(), 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		taken := errors.New("taken back")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		waiting := &share{of: b}
		go func() { ended <- waiting.resize(ctx, 1<<20) }()
		synctest.Wait()
		cancel(taken)
		if err := <-ended; !errors.Is(err, taken) || waiting.held != 0 || b.used != 2<<20 {
			t.Errorf("%v; it holds %d of %d bytes", err, waiting.held, b.used)
		}
	})
}
