package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"keyporter/internal/hint"
)

const (
	renewalLimit = 30 * time.Second // how long one call of a Source may take
	laggingAge   = 5 * time.Second  // a token younger than this may be refused only because the server's clock lags
	laggingPause = time.Second      // how long such a token then rests before it is tried again
)

// CacheOptions are the settings of a Cache. The zero value is fine.
type CacheOptions struct {
	// Now is the wall clock. Optional; nil means time.Now.
	Now func() time.Time
	// Seed spreads renewals (see RenewAt). Optional; zero means a random one.
	Seed uint64
	// RenewBefore is how long before its expiry a token counts as old; never more
	// than half of its life. Optional; zero means the smaller of 3 min 45 s and a
	// tenth of the life.
	RenewBefore time.Duration
	// Lineage names the lock under which a request's token is renewed: requests
	// that redeem the same refresh token must give the same name, because it can
	// be redeemed once only. Optional; nil means Request.Key.
	Lineage func(Request) string
	// OnChange hears of each renewal: a new token (err is nil) or a failure (tok is
	// nil), without a lock held. It must not call Close. Optional.
	OnChange func(req Request, tok *Token, err error)
	// Log is told of renewals, by account and hash. Optional; nil means silence.
	Log *slog.Logger
}

// A Cache keeps tokens fresh: one Cache serves all accounts of an agent, each
// token under its Request's Key.
//
// A token is handed out as it is until it is due (RenewAt). From then on, while
// it still lives for more than ten seconds (or half of the lead, for a life so
// short that this is less), it is handed out and renewed in the background; after
// that callers wait for the renewal. However many callers there are, one renewal
// per key is under way, and one per lineage calls its Source.
//
// When a renewal fails, the old token serves while it lives, whatever the reason.
// Once it is over, callers get the error. Errors that pass by themselves
// (hint.Unreachable, network errors, a Temporary method that says so) are tried
// again after 1 s, doubling to 60 s; other refusals after 10 s, doubling to
// 60 s. Until then callers get a RetryError at once. Put and Drop end the wait, and
// so does a clock that is set or goes on in sleep.
// The first error that passes by itself is not told: callers wait that second for
// the second try, so that one hiccup of an issuer fails no call.
// What only a person can change (ErrSignInNeeded, and hint.NeedsPerson) is not
// held back from callers without a token: a Source knows it without the network.
//
// Time is measured by the wall clock and by the monotonic one, and a token is
// over when either says so: the first sees the computer's sleep, the second sees
// a wall clock that was set back.
//
// The Cache owns the goroutines of its renewals; Close waits for them.
type Cache struct {
	opts  CacheOptions
	start time.Time // zero of the monotonic clock

	base context.Context // parent of all renewals, for the life of the Cache
	stop context.CancelFunc
	wg   sync.WaitGroup // renewals under way

	mu       sync.Mutex
	closed   bool
	entries  map[string]*entry   // by Request.Key
	lineages map[string]*lineage // by name, while in use
}

// NewCache returns an empty Cache.
func NewCache(opts CacheOptions) *Cache {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Seed == 0 {
		opts.Seed = rand.Uint64()
	}
	if opts.Lineage == nil {
		opts.Lineage = Request.Key
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	c := &Cache{
		opts:     opts,
		start:    time.Now(),
		entries:  map[string]*entry{},
		lineages: map[string]*lineage{},
	}
	c.base, c.stop = context.WithCancel(context.Background())
	return c
}

// Token returns the cached token for req while it is good, or one from src. When
// ctx ends the caller leaves with its error; the renewal goes on.
func (c *Cache) Token(ctx context.Context, src Source, req Request) (*Token, error) {
	return c.token(ctx, src, req, false)
}

// try is token without patience.
func (c *Cache) try(ctx context.Context, src Source, req Request, afterRefusal bool) (*Token, error) {
	c.mu.Lock()
	e := c.entry(req)
	now := c.now()
	tok := e.good(now)
	if tok != nil && !e.due(now) {
		c.mu.Unlock()
		return tok, nil
	}
	f, err := c.flight(e, src, req, now)
	if tok != nil && (err != nil || !afterRefusal && e.left(now) > e.grace) {
		c.mu.Unlock()
		return tok, nil
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return c.wait(ctx, f, e)
}

// Refused tells the Cache that a server answered 401 to the token with this hash,
// and returns the one to use instead. If the Cache has another one by now, it is
// that: fifty bridges that name the same hash cause one renewal. A token younger
// than five seconds that is not due is returned once more after a second, for a
// server whose clock lags behind the issuer's, unless another comes meanwhile.
// Otherwise the token is renewed; a Source that has only the refused one to offer
// is an error.
func (c *Cache) Refused(ctx context.Context, src Source, req Request, hash string) (*Token, error) {
	c.mu.Lock()
	e := c.entry(req)
	now := c.now()
	if e.tok == nil || e.tok.Hash() != hash {
		c.mu.Unlock()
		return c.token(ctx, src, req, true)
	}
	if pause := e.pause(now); pause > 0 && !e.due(now) && e.flight == nil {
		over := e.over
		c.mu.Unlock()
		return c.afterPause(ctx, src, req, pause, over)
	}
	e.refused = true
	c.mu.Unlock()
	tok, err := c.token(ctx, src, req, true)
	if err == nil && tok.Hash() == hash {
		return nil, hint.Wrap(ErrNoOther, hint.Refused, fmt.Sprintf("The server refuses the token of the account %q, and the account has no other.", req.Account),
			fmt.Sprintf("Give it a new token or key: keyporter account rotate %s --key-file FILE", hint.Arg(req.Account)))
	}
	return tok, err
}

// afterPause returns what the Cache has after the pause of a young token, which
// over ends early.
func (c *Cache) afterPause(ctx context.Context, src Source, req Request, pause time.Duration, over <-chan struct{}) (*Token, error) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
	case <-over:
	}
	return c.token(ctx, src, req, true)
}

// Peek returns the cached token for req if it is good, else nil. It never renews.
func (c *Cache) Peek(req Request) *Token {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[req.Key()]
	if e == nil {
		return nil
	}
	return e.good(c.now())
}

// Put stores a token that came in another way, by a sign-in for one. A renewal in
// flight for req no longer counts; its callers get tok. OnChange is not called:
// the caller knows.
func (c *Cache) Put(req Request, tok *Token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.entries[req.Key()]
	delete(c.entries, req.Key())
	c.entry(req).store(tok, c.now(), c.plan(tok), 0)
	if old != nil {
		old.endPause()
		old.flight.finish(tok, nil)
		old.flight = nil
	}
}

// Drop forgets the account's tokens and errors, after a sign-out, a rotated key
// or a pause. Renewals in flight run to their end (their refresh token may be
// rotating), but what they bring is thrown away and their callers get ErrDropped.
func (c *Cache) Drop(account string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		if e.account != account {
			continue
		}
		delete(c.entries, key)
		e.tok = nil
		e.endPause()
		e.flight.finish(nil, hint.Wrap(ErrDropped, hint.Failed,
			fmt.Sprintf("The account %q was changed while a token was on its way.", account), "Try again."))
		e.flight = nil
	}
}

// Close starts no more renewals and waits for those in flight. When ctx ends it
// cancels them and waits for the rest of their way, which is short.
func (c *Cache) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	idle := make(chan struct{}) // closed when the last renewal is over
	go func() { c.wg.Wait(); close(idle) }()
	defer c.stop()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		c.stop()
		<-idle
		return fmt.Errorf("wait for renewals: %w", ctx.Err())
	}
}

// now reads both clocks.
func (c *Cache) now() instant {
	return instant{wall: c.opts.Now().Round(0), mono: time.Since(c.start)}
}

// entry returns the entry of req, which it makes if need be. c.mu is held.
func (c *Cache) entry(req Request) *entry {
	key := req.Key()
	e := c.entries[key]
	if e == nil {
		e = &entry{account: req.Account}
		c.entries[key] = e
	}
	return e
}

// A RetryError says that the last attempt failed and the next one is not due yet.
// It stands in the chain of the error that a Cache returns meanwhile.
type RetryError struct {
	Err  error     // what the last attempt failed with
	Next time.Time // from when on the Cache tries again
}

func (e *RetryError) Error() string {
	return fmt.Sprintf("not tried again before %s: %v", e.Next.Format(time.TimeOnly), e.Err)
}

func (e *RetryError) Unwrap() error { return e.Err }

var errStopping = hint.New(hint.Failed, "Keyporter is stopping.", "Try again in a moment.")

var errNoToken = errors.New("source returned no token")
