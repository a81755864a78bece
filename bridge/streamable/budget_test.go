package streamable

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

// grow resizes in the background. The channel is closed when that is done.
func grow(t *testing.T, s *share, n int) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.resize(t.Context(), n); err != nil && t.Context().Err() == nil {
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

// A stream that was open for hours after one large event held up all other large
// answers.
func TestAStreamThatIsSilentAfterALargeEventHoldsUpNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, event := range []string{
			"data: " + strings.Repeat("x", 100<<10) + "\n\n",
			strings.Repeat("data: "+strings.Repeat("x", 1<<10)+"\n", 20) + "\n",
		} {
			c := &Client{answers: budget{max: 1 << 20}}
			first, second := &share{of: &c.answers}, &share{of: &c.answers}
			grow(t, first, 600<<10)
			grow(t, second, 420<<10)
			body, server := io.Pipe()
			r := NewEventReader(body, 1<<20)
			back := c.lend(t.Context(), r)
			go io.WriteString(server, event)
			if data, err := r.Next(); err != nil || c.answers.used <= c.answers.max {
				t.Fatalf("an event of %d bytes: %v; %d bytes are used", len(data), err, c.answers.used)
			}
			ended := make(chan struct{})
			go func() { defer close(ended); r.Next() }() // nothing comes
			one, other := grow(t, first, 900<<10), grow(t, second, 700<<10)
			if !over(one) || over(other) {
				t.Fatal("of two answers that need more than there is, not just one goes on")
			}
			if first.free(); !over(other) {
				t.Error("there is room, and an answer waits")
			}
			second.free()
			server.Close()
			<-ended
			if back(); c.answers.used != 0 {
				t.Errorf("%d bytes are used by nobody", c.answers.used)
			}
		}
	})
}

func TestAnAnswerThatWentBeyondTheBudgetCountsAsOthersOnceThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &budget{max: 1 << 20}
		full, slow, large := &share{of: b}, &share{of: b}, &share{of: b}
		grow(t, full, 1<<20)
		grow(t, slow, 100<<10)
		full.free()
		if !over(grow(t, large, 2<<20)) {
			t.Error("an answer waits for one that is within the budget")
		}
		large.free()
		if !over(grow(t, slow, 3<<20)) || b.used != 3<<20 {
			t.Errorf("the last answer waits; %d bytes are used", b.used)
		}
	})
}
