package token_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// clock is a wall clock that can be set, on top of the bubble's time.
type clock struct{ off atomic.Int64 }

func (c *clock) now() time.Time      { return time.Now().Round(0).Add(time.Duration(c.off.Load())) }
func (c *clock) set(d time.Duration) { c.off.Store(int64(d)) }

// issuer is a Source that numbers its tokens.
type issuer struct {
	clock clock
	life  time.Duration // zero: no expiry
	takes time.Duration // of each call

	mu     sync.Mutex
	calls  int
	active int
	most   int   // calls at the same time
	err    error // what calls fail with
}

func (s *issuer) Token(ctx context.Context, _ token.Request) (*token.Token, error) {
	s.mu.Lock()
	s.calls++
	n := s.calls
	s.active++
	s.most = max(s.most, s.active)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.active--; s.mu.Unlock() }()
	if s.takes > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(s.takes):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	return s.make(n), nil
}

func (s *issuer) make(n int) *token.Token {
	t := &token.Token{Value: secret.New(fmt.Sprintf("SECRETWORD-%d", n)), Scheme: "Bearer", Issued: s.clock.now()}
	if s.life != 0 {
		t.Expiry = t.Issued.Add(s.life)
	}
	return t
}

func (s *issuer) fail(err error) { s.mu.Lock(); s.err = err; s.mu.Unlock() }

func (s *issuer) called() int { s.mu.Lock(); defer s.mu.Unlock(); return s.calls }

var request = token.Request{Account: "work", Kind: token.AccessToken, Scopes: []string{"a"}}

var errDown = hint.New(hint.Unreachable, "Keyporter cannot reach as.example.com.", "Check the network connection.")

// inBubble runs f with a cache that is closed at the end.
func inBubble(t *testing.T, src *issuer, opts token.CacheOptions, f func(t *testing.T, c *token.Cache)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if opts.Now == nil {
			opts.Now = src.clock.now
		}
		c := token.NewCache(opts)
		f(t, c)
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// get asks for the token and checks which one it is. It may run in any goroutine.
func get(t *testing.T, c *token.Cache, src token.Source, want int) *token.Token {
	t.Helper()
	tok, err := c.Token(t.Context(), src, request)
	if err != nil {
		t.Errorf("Token: %v", err)
		return &token.Token{}
	}
	if got := tok.Value.Reveal(); got != fmt.Sprintf("SECRETWORD-%d", want) {
		t.Errorf("got token %s, want number %d", got, want)
	}
	return tok
}

func TestFiftyCallersCauseOneRenewal(t *testing.T) {
	src := &issuer{life: time.Hour, takes: time.Second}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { get(t, c, src, 1) })
		}
		wg.Wait()
		get(t, c, src, 1)
		if n := src.called(); n != 1 {
			t.Errorf("source was called %d times, want 1", n)
		}
	})
}

func TestTokenIsRenewedInTheBackgroundBeforeItIsOver(t *testing.T) {
	src := &issuer{life: time.Hour, takes: time.Second}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		tok := get(t, c, src, 1)
		time.Sleep(time.Until(c.RenewAt(tok)) - time.Second)
		get(t, c, src, 1)
		synctest.Wait()
		if n := src.called(); n != 1 {
			t.Fatalf("renewed before it was due: %d calls", n)
		}
		time.Sleep(2 * time.Second)
		get(t, c, src, 1) // due: the old one at once, the new one on its way
		time.Sleep(2 * time.Second)
		get(t, c, src, 2)
	})
}

func TestCallersWaitWhenTheTokenIsAlmostOver(t *testing.T) {
	src := &issuer{life: time.Hour, takes: time.Second}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		get(t, c, src, 1)
		time.Sleep(time.Hour - 9*time.Second)
		get(t, c, src, 2)
	})
}

func TestTokenWithoutExpiryIsNotRenewedByTime(t *testing.T) {
	src := &issuer{}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		tok := get(t, c, src, 1)
		if at := c.RenewAt(tok); !at.IsZero() {
			t.Errorf("RenewAt = %v, want zero", at)
		}
		time.Sleep(10 * 365 * 24 * time.Hour)
		get(t, c, src, 1)
	})
}

func TestTokenThatIsOverWhenItComesDoesNotCauseAFlood(t *testing.T) {
	src := &issuer{life: -time.Hour}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		for range 100 {
			get(t, c, src, 1)
		}
	})
}

// The computer slept or its clock was set: what the wall clock or the monotonic
// clock calls over is over, and one renewal is all that comes of it.
func TestClockJumps(t *testing.T) {
	const year = 365 * 24 * time.Hour
	tests := []struct {
		name   string
		jump   time.Duration
		after  time.Duration
		want   int
		reason string
	}{
		{"an hour ahead", time.Hour, 0, 2, "the wall clock says it is over"},
		{"a year ahead", year, 0, 2, "the wall clock says it is over"},
		{"an hour back", -time.Hour, 0, 1, "it still lives"},
		{"a year back", -year, 0, 1, "it still lives"},
		{"an hour back, token's life later", -time.Hour, time.Hour, 2, "the monotonic clock says it is over"},
		{"a year back, token's life later", -year, time.Hour, 2, "the monotonic clock says it is over"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src := &issuer{life: time.Hour}
			inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
				get(t, c, src, 1)
				time.Sleep(time.Minute)
				src.clock.set(test.jump)
				time.Sleep(test.after)
				for range 20 {
					tok, err := c.Token(t.Context(), src, request)
					if err != nil {
						t.Fatal(err)
					}
					if want := fmt.Sprintf("SECRETWORD-%d", test.want); tok.Value.Reveal() != want {
						t.Fatalf("got %s, want %s: %s", tok.Value.Reveal(), want, test.reason)
					}
				}
				synctest.Wait()
				if n := src.called(); n != test.want {
					t.Errorf("source was called %d times, want %d", n, test.want)
				}
			})
		})
	}
}

// What failed because the clock was wrong is tried again once it is right, and once
// for each time that it is set.
func TestAClockThatIsSetEndsTheWaitAfterAnError(t *testing.T) {
	for name, jump := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour back": -time.Hour, "a minute ahead": time.Minute} {
		t.Run(name, func(t *testing.T) {
			src := &issuer{life: time.Hour, err: hint.New(hint.Refused, "The clock is wrong.", "Set it.")}
			inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
				fail := func(want int) {
					t.Helper()
					for range 20 {
						if _, err := c.Token(t.Context(), src, request); hint.CodeOf(err) != hint.Refused {
							t.Fatalf("err = %v", err)
						}
					}
					if n := src.called(); n != want {
						t.Errorf("source was called %d times, want %d", n, want)
					}
				}
				fail(1)
				src.clock.set(jump)
				fail(2)
				src.fail(nil)
				fail(2)
				src.clock.set(0)
				get(t, c, src, 3)
			})
		})
	}
}

func TestWaitingCallerLeavesAndTheRenewalGoesOn(t *testing.T) {
	src := &issuer{life: time.Hour, takes: 10 * time.Second}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Token(ctx, src, request); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v, want the caller's own deadline", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("caller left after %v, want 1s", took)
		}
		get(t, c, src, 1)
		if n := src.called(); n != 1 {
			t.Errorf("source was called %d times, want 1", n)
		}
	})
}

func TestRenewalHasItsOwnLimit(t *testing.T) {
	src := &issuer{life: time.Hour, takes: time.Hour}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		start := time.Now()
		_, err := c.Token(t.Context(), src, request)
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 30*time.Second {
			t.Errorf("err = %v after %v, want a deadline after 30s", err, took)
		}
	})
}

func TestOneCallPerLineageWhateverTheScopes(t *testing.T) {
	src := &issuer{life: time.Hour, takes: time.Second}
	opts := token.CacheOptions{Lineage: func(r token.Request) string { return r.Account }}
	inBubble(t, src, opts, func(t *testing.T, c *token.Cache) {
		var wg sync.WaitGroup
		for _, scope := range []string{"a", "b", "c", "d"} {
			wg.Go(func() {
				req := request
				req.Scopes = []string{scope}
				if _, err := c.Token(t.Context(), src, req); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if src.calls != 4 || src.most != 1 {
			t.Errorf("%d calls, %d at a time; want 4, 1 at a time", src.calls, src.most)
		}
	})
}

func TestLogNamesTokensByHashOnly(t *testing.T) {
	src := &issuer{life: time.Hour}
	var log bytes.Buffer
	opts := token.CacheOptions{Log: slog.New(slog.NewTextHandler(&log, nil))}
	inBubble(t, src, opts, func(t *testing.T, c *token.Cache) {
		tok := get(t, c, src, 1)
		synctest.Wait()
		if s := log.String(); strings.Contains(s, "SECRETWORD") || !strings.Contains(s, tok.Hash()) {
			t.Errorf("log shows the token or not its hash: %s", s)
		}
	})
}
