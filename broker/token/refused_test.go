package token_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// refused reports a 401 for tok and checks which token comes instead.
func refused(t *testing.T, c *token.Cache, src token.Source, tok, want *token.Token) *token.Token {
	t.Helper()
	got, err := c.Refused(t.Context(), src, request, tok.Hash())
	if err != nil {
		t.Errorf("Refused: %v", err)
		return nil
	}
	if want != nil && got != want {
		t.Errorf("got token %s, want %s", got.Value.Reveal(), want.Value.Reveal())
	}
	return got
}

func TestFiftyRefusalsOfOneTokenCauseOneRenewal(t *testing.T) {
	src := &issuer{life: time.Hour, takes: time.Second}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		old := get(t, c, src, 1)
		time.Sleep(time.Minute)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond) // some during, some after the renewal
				if got := refused(t, c, src, old, nil); got != nil && got.Value.Reveal() != "SECRETWORD-2" {
					t.Errorf("got %s, want SECRETWORD-2", got.Value.Reveal())
				}
			})
		}
		wg.Wait()
		if n := src.called(); n != 2 {
			t.Errorf("source was called %d times, want 2", n)
		}
	})
}

func TestYoungTokenIsTriedAgainAfterASecondOnce(t *testing.T) {
	src := &issuer{life: time.Hour}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		tok := get(t, c, src, 1)
		start := time.Now()
		var wg sync.WaitGroup
		for range 50 { // fifty bridges see the same 401
			wg.Go(func() { refused(t, c, src, tok, tok) })
		}
		wg.Wait()
		if took := time.Since(start); took != time.Second || src.called() != 1 {
			t.Errorf("took %v and %d calls, want 1s and 1 call", took, src.called())
		}
		if got := refused(t, c, src, tok, nil); got.Value.Reveal() != "SECRETWORD-2" {
			t.Errorf("second refusal gave %s, want SECRETWORD-2", got.Value.Reveal())
		}
	})
}

func TestPauseOfAYoungTokenEndsWithTheNextToken(t *testing.T) {
	src := &issuer{life: 2 * time.Second}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		tok := get(t, c, src, 1)
		time.Sleep(900 * time.Millisecond)
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			got := refused(t, c, src, tok, nil)
			if took := time.Since(start); got != nil && (got.Value.Reveal() != "SECRETWORD-2" || took != 150*time.Millisecond) {
				t.Errorf("got %s after %v, want SECRETWORD-2 after 150ms", got.Value.Reveal(), took)
			}
		})
		time.Sleep(150 * time.Millisecond) // the token is due, and somebody else asks
		get(t, c, src, 1)
		wg.Wait()
		if n := src.called(); n != 2 {
			t.Errorf("source was called %d times, want 2", n)
		}
	})
}

func TestPauseOfAYoungTokenEndsWithASignIn(t *testing.T) {
	src := &issuer{life: time.Hour}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		tok, next := get(t, c, src, 1), src.make(7)
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if refused(t, c, src, tok, next); time.Since(start) != 100*time.Millisecond {
				t.Errorf("took %v, want 100ms", time.Since(start))
			}
		})
		time.Sleep(100 * time.Millisecond)
		c.Put(request, next)
		wg.Wait()
	})
}

// An agent that starts has the token that the one before it stored.
func TestTokenThatWasStoredLateIsNotYoung(t *testing.T) {
	src := &issuer{life: time.Hour}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		old := *src.make(9)
		old.Issued = time.Now().Add(-time.Minute)
		c.Put(request, &old)
		start := time.Now()
		if refused(t, c, src, &old, nil); time.Since(start) != 0 || src.called() != 1 {
			t.Errorf("took %v and %d calls, want a call at once", time.Since(start), src.called())
		}
	})
}

func TestTokenOfFiveSecondsIsRenewedAtOnce(t *testing.T) {
	src := &issuer{life: time.Hour}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		tok := get(t, c, src, 1)
		time.Sleep(5 * time.Second)
		start := time.Now()
		if got := refused(t, c, src, tok, nil); got.Value.Reveal() != "SECRETWORD-2" || time.Since(start) != 0 {
			t.Errorf("got %s after %v, want SECRETWORD-2 at once", got.Value.Reveal(), time.Since(start))
		}
	})
}

func TestRefusedTokenIsNotHandedOutWhenItsRenewalFails(t *testing.T) {
	src := &issuer{life: time.Hour}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		tok := get(t, c, src, 1)
		time.Sleep(time.Minute)
		src.fail(errDown)
		if _, err := c.Refused(t.Context(), src, request, tok.Hash()); hint.CodeOf(err) != hint.Unreachable {
			t.Errorf("Refused: %v, want unreachable", err)
		}
		if _, err := c.Token(t.Context(), src, request); hint.CodeOf(err) != hint.Unreachable {
			t.Errorf("Token: %v, want unreachable", err)
		}
		src.fail(nil)
		time.Sleep(2 * time.Second)
		get(t, c, src, 4)
	})
}

func TestSourceWithOnlyTheRefusedTokenIsAnError(t *testing.T) {
	fixed := &issuer{}
	src := token.SourceFunc(func(ctx context.Context, req token.Request) (*token.Token, error) { return fixed.make(1), nil })
	inBubble(t, fixed, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		tok := get(t, c, src, 1)
		time.Sleep(time.Minute)
		if _, err := c.Refused(t.Context(), src, request, tok.Hash()); hint.CodeOf(err) != hint.Refused {
			t.Errorf("err = %v, want refused", err)
		}
		get(t, c, src, 1)
	})
}

// A life of a second: what was refused is over or about to be, no clock lags.
func TestShortTokenIsRenewedWithoutAPause(t *testing.T) {
	for _, age := range []time.Duration{600 * time.Millisecond, 1500 * time.Millisecond} {
		src := &issuer{life: time.Second}
		inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
			tok := get(t, c, src, 1)
			time.Sleep(age)
			start := time.Now()
			if got := refused(t, c, src, tok, nil); got.Value.Reveal() != "SECRETWORD-2" || time.Since(start) != 0 {
				t.Errorf("age %v: got %s after %v, want SECRETWORD-2 at once", age, got.Value.Reveal(), time.Since(start))
			}
		})
	}
}
