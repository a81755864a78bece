package token_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

func TestOldTokenServesWhileTheIssuerIsDown(t *testing.T) {
	src := &issuer{life: time.Hour}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		tok := get(t, c, src, 1)
		src.fail(errDown)
		time.Sleep(time.Until(c.RenewAt(tok)))
		for time.Now().Before(tok.Expiry) {
			get(t, c, src, 1)
			time.Sleep(100 * time.Millisecond)
		}
		// 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 … in at most 248 s.
		if n := src.called() - 1; n < 8 || n > 10 {
			t.Errorf("%d tries while the issuer was down, want 8 to 10", n)
		}
		_, err := c.Token(t.Context(), src, request)
		if hint.CodeOf(err) != hint.Unreachable {
			t.Errorf("err = %v, want unreachable once the token is over", err)
		}
	})
}

func TestOldTokenServesThoseWhoWaitedInVain(t *testing.T) {
	src := &issuer{life: time.Hour, takes: time.Second}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		get(t, c, src, 1)
		src.fail(errDown)
		time.Sleep(time.Hour - 5*time.Second)
		get(t, c, src, 1)
		if n := src.called(); n != 2 {
			t.Errorf("source was called %d times, want 2", n)
		}
	})
}

func TestErrorsAreHeldBackFromOneToSixtySeconds(t *testing.T) {
	tests := []struct {
		name  string
		err   error
		waits []time.Duration // in seconds
	}{
		{"unreachable", errDown, []time.Duration{2, 4, 8, 16, 32, 60, 60}}, // the first second is waited for
		{"network", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, []time.Duration{2, 4}},
		{"refused", hint.New(hint.Refused, "No.", "Ask."), []time.Duration{10, 20, 40, 60, 60}},
		{"unknown", errors.New("odd"), []time.Duration{10, 20}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src := &issuer{life: time.Hour}
			src.fail(test.err)
			inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
				for i, wait := range test.waits {
					wait *= time.Second
					if _, err := c.Token(t.Context(), src, request); !errors.Is(err, test.err) {
						t.Fatalf("try %d: err = %v, want %v", i, err, test.err)
					}
					next := time.Now().Add(wait)
					time.Sleep(wait - time.Millisecond)
					_, err := c.Token(t.Context(), src, request)
					var held *token.RetryError
					if !errors.As(err, &held) || !held.Next.Equal(next) || !errors.Is(err, test.err) {
						t.Fatalf("try %d: err = %v, want one that is held until %v", i, err, next)
					}
					if got, want := hint.CodeOf(err), hint.CodeOf(test.err); got != want {
						t.Errorf("code = %s, want %s", got, want)
					}
					if text := hint.Of(err).Text(); !strings.Contains(text, "tries again in 1 s") {
						t.Errorf("words do not say when the next try is: %s", text)
					}
					time.Sleep(time.Millisecond)
				}
				want := len(test.waits)
				if test.waits[0] == 2 {
					want++
				}
				if n := src.called(); n != want {
					t.Errorf("source was called %d times, want %d", n, want)
				}
			})
		})
	}
}

func TestOneHiccupOfAnIssuerFailsNoCall(t *testing.T) {
	src := &issuer{life: 2 * time.Second}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		get(t, c, src, 1)
		time.Sleep(3 * time.Second)
		src.fail(errDown)
		time.AfterFunc(500*time.Millisecond, func() { src.fail(nil) })
		began := time.Now()
		for range 3 {
			get(t, c, src, 3)
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("the call took %v, want the second until the next try", d)
		}
		// The same for a server that refuses the token.
		time.Sleep(500 * time.Millisecond)
		tok := get(t, c, src, 3)
		time.Sleep(time.Second)
		src.fail(errDown)
		time.AfterFunc(500*time.Millisecond, func() { src.fail(nil) })
		if _, err := c.Refused(t.Context(), src, request, tok.Hash()); err != nil {
			t.Errorf("Refused: %v", err)
		}
	})
}

func TestSuccessPutAndDropEndTheWait(t *testing.T) {
	tests := map[string]struct {
		end  func(c *token.Cache, src *issuer)
		want int
	}{
		"success": {func(*token.Cache, *issuer) { time.Sleep(2 * time.Second) }, 3},
		"put":     {func(c *token.Cache, src *issuer) { c.Put(request, src.make(9)) }, 9},
		"drop":    {func(c *token.Cache, _ *issuer) { c.Drop(request.Account) }, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			src := &issuer{life: time.Hour}
			inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
				src.fail(errDown)
				for range 2 {
					c.Token(t.Context(), src, request)
					time.Sleep(time.Second)
				}
				src.fail(nil)
				test.end(c, src)
				get(t, c, src, test.want)
			})
		})
	}
}

func TestSignInNeededIsNotHeldBack(t *testing.T) {
	for _, err := range []error{token.ErrSignInNeeded, hint.New(hint.Locked, "The vault is locked.", "Unlock it.")} {
		src := &issuer{life: time.Hour}
		src.fail(err)
		inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
			if _, got := c.Token(t.Context(), src, request); !errors.Is(got, err) {
				t.Errorf("err = %v, want %v", got, err)
			}
			src.fail(nil)
			get(t, c, src, 2)
		})
	}
}

func TestSignInNeededIsNotAskedForAtEachUseOfALivingToken(t *testing.T) {
	src := &issuer{life: time.Hour}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		tok := get(t, c, src, 1)
		src.fail(token.ErrSignInNeeded)
		time.Sleep(time.Until(c.RenewAt(tok)))
		for range 1000 {
			get(t, c, src, 1)
			synctest.Wait()
		}
		if n := src.called(); n != 2 {
			t.Errorf("source was called %d times, want 2", n)
		}
	})
}

func TestOnChangeHearsOfTokensAndFailures(t *testing.T) {
	src := &issuer{life: time.Hour}
	heard := make(chan error, 10)
	opts := token.CacheOptions{OnChange: func(req token.Request, tok *token.Token, err error) {
		if req.Key() != request.Key() || (tok == nil) == (err == nil) {
			t.Errorf("OnChange(%v, %v, %v)", req, tok, err)
		}
		heard <- err
	}}
	inBubble(t, src, opts, func(t *testing.T, c *token.Cache) {
		src.fail(errDown)
		c.Token(t.Context(), src, request)
		for range 2 {
			if err := <-heard; !errors.Is(err, errDown) {
				t.Errorf("heard %v, want %v", err, errDown)
			}
		}
		time.Sleep(2 * time.Second)
		src.fail(nil)
		get(t, c, src, 3)
		if err := <-heard; err != nil {
			t.Errorf("heard %v, want a token", err)
		}
	})
}

func TestSourceWithoutTokenAndErrorIsAnError(t *testing.T) {
	src := token.SourceFunc(func(context.Context, token.Request) (*token.Token, error) { return nil, nil })
	inBubble(t, &issuer{}, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		if tok, err := c.Token(t.Context(), src, request); err == nil {
			t.Errorf("got %v, want an error", tok)
		}
	})
}

// For any life, the token is due before its end by the lead, and by up to a tenth
// of the lead more, and the same whenever one asks.
func TestRenewAtStaysInItsBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	spread := map[int]bool{} // in hundredths of the lead
	for i := range 10_000 {
		c := token.NewCache(token.CacheOptions{Seed: r.Uint64()})
		life := time.Duration(1 + r.Int64N(int64(48*time.Hour)))
		if i%3 == 0 {
			life = time.Duration(1 + r.Int64N(int64(20*time.Second)))
		}
		life = max(life, time.Second)
		now := time.Unix(1_800_000_000, 0)
		tok := &token.Token{Value: secret.New(time.Duration(r.Int64()).String()), Issued: now, Expiry: now.Add(life)}
		lead := min(3*time.Minute+45*time.Second, life/10)
		if life < 10*time.Second {
			lead = life / 2
		}
		at := c.RenewAt(tok)
		got := tok.Expiry.Sub(at)
		if got < lead || got > lead+lead/10 {
			t.Fatalf("life %v: due %v before the end, want %v to %v", life, got, lead, lead+lead/10)
		}
		if again := c.RenewAt(tok); !again.Equal(at) {
			t.Fatalf("RenewAt = %v, then %v", at, again)
		}
		if life >= 10*time.Second {
			spread[int((got-lead)*100/lead)] = true
		}
	}
	if len(spread) < 10 {
		t.Errorf("renewals are not spread over the tenth: %v", spread)
	}
}

func TestRenewBeforeIsTheLeadUpToHalfOfALife(t *testing.T) {
	c := token.NewCache(token.CacheOptions{RenewBefore: 10 * time.Minute})
	now := time.Unix(1_800_000_000, 0)
	for life, want := range map[time.Duration]time.Duration{time.Hour: 10 * time.Minute, time.Minute: 30 * time.Second} {
		tok := &token.Token{Value: secret.New("SECRETWORD"), Issued: now, Expiry: now.Add(life)}
		if got := tok.Expiry.Sub(c.RenewAt(tok)); got != want {
			t.Errorf("life %v: due %v before the end, want %v", life, got, want)
		}
	}
}
