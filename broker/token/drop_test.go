package token_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/token"
)

func TestDroppedCallerBehindALineageRedeemsNothing(t *testing.T) {
	src := &issuer{life: time.Hour, takes: 10 * time.Second}
	opts := token.CacheOptions{Lineage: func(token.Request) string { return "one" }}
	inBubble(t, src, opts, func(t *testing.T, c *token.Cache) {
		other := request
		other.Account = "other"
		go c.Token(t.Context(), src, other)
		synctest.Wait()
		go c.Token(t.Context(), src, request)
		synctest.Wait()
		c.Drop(request.Account)
		time.Sleep(time.Minute)
		if n := src.called(); n != 1 {
			t.Errorf("source was called %d times, want 1", n)
		}
		if c.Peek(other) == nil {
			t.Error("the other account lost its token")
		}
	})
}

func TestDropThrowsAwayWhatIsInFlight(t *testing.T) {
	src := &issuer{life: time.Hour, takes: 10 * time.Second}
	var changes atomic.Int32
	opts := token.CacheOptions{OnChange: func(token.Request, *token.Token, error) { changes.Add(1) }}
	inBubble(t, src, opts, func(t *testing.T, c *token.Cache) {
		left := make(chan error, 1)
		go func() {
			_, err := c.Token(t.Context(), src, request)
			left <- err
		}()
		time.Sleep(time.Second)
		c.Drop("other")
		c.Drop(request.Account)
		if err := <-left; err == nil || !strings.Contains(err.Error(), "changed") {
			t.Errorf("waiting caller got %v, want that the account was changed", err)
		}
		time.Sleep(time.Minute)
		if tok := c.Peek(request); tok != nil {
			t.Error("the dropped renewal stored its token")
		}
		if n := changes.Load(); n != 0 {
			t.Errorf("OnChange was called %d times for a dropped renewal", n)
		}
		get(t, c, src, 2)
	})
}

func TestDroppedAccountIsNotAnsweredFromItsOldToken(t *testing.T) {
	src := &issuer{life: time.Hour, takes: 5 * time.Second}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		get(t, c, src, 1)
		time.Sleep(time.Hour - 9*time.Second)
		left := make(chan *token.Token, 1)
		go func() {
			tok, _ := c.Token(t.Context(), src, request)
			left <- tok
		}()
		time.Sleep(time.Second)
		c.Drop(request.Account)
		if tok := <-left; tok != nil {
			t.Error("a caller got the old token of a dropped account")
		}
	})
}

func TestPutAnswersThoseWhoWait(t *testing.T) {
	src := &issuer{life: time.Hour, takes: 10 * time.Second}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		left := make(chan *token.Token, 1)
		go func() {
			tok, _ := c.Token(t.Context(), src, request)
			left <- tok
		}()
		time.Sleep(time.Second)
		put := src.make(77)
		c.Put(request, put)
		if tok := <-left; tok != put {
			t.Error("the waiting caller did not get the token that was put")
		}
		time.Sleep(time.Minute)
		get(t, c, src, 77)
	})
}

func TestTokenThatWasPutLateHasLessToLive(t *testing.T) {
	src := &issuer{life: time.Hour}
	inBubble(t, src, token.CacheOptions{}, func(t *testing.T, c *token.Cache) {
		old := src.make(77)
		time.Sleep(59 * time.Minute)
		c.Put(request, old)
		if c.Peek(request) != old {
			t.Fatal("the token is not there")
		}
		time.Sleep(time.Minute)
		if c.Peek(request) != nil {
			t.Error("the token outlives its expiry")
		}
		c.Put(request, old)
		if c.Peek(request) != nil {
			t.Error("a token that is over is good again when it is put")
		}
	})
}

func TestCloseWaitsForRenewals(t *testing.T) {
	src := &issuer{life: time.Hour, takes: 3 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		c := token.NewCache(token.CacheOptions{Now: src.clock.now})
		left := make(chan error, 1)
		go func() {
			_, err := c.Token(t.Context(), src, request)
			left <- err
		}()
		time.Sleep(time.Second)
		start := time.Now()
		if err := c.Close(t.Context()); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("Close: %v after %v, want nil after 2s", err, time.Since(start))
		}
		if err := <-left; err != nil {
			t.Errorf("the renewal in flight: %v", err)
		}
		other := request
		other.Account = "other"
		if _, err := c.Token(t.Context(), src, other); err == nil {
			t.Error("a closed cache started a renewal")
		}
		get(t, c, src, 1)
	})
}

func TestCloseCancelsRenewalsWhenItsTimeIsUp(t *testing.T) {
	src := &issuer{life: time.Hour, takes: 25 * time.Second}
	synctest.Test(t, func(t *testing.T) {
		c := token.NewCache(token.CacheOptions{Now: src.clock.now})
		go c.Token(t.Context(), src, request)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("Close: %v after %v, want its deadline after 5s", err, time.Since(start))
		}
	})
}
