package token

import (
	"context"
	"errors"
	"net"
	"time"

	"keyporter/internal/hint"
)

// A renewal is one call of a Source on behalf of everybody who waits for the key.
// The Cache's mutex guards over; tok and err are set before done is closed.
type renewal struct {
	done chan struct{} // closed by finish
	over bool
	tok  *Token
	err  error
}

// finish ends the wait of r's callers. Only the first call counts, and a nil r
// has no callers. c.mu is held.
func (r *renewal) finish(tok *Token, err error) bool {
	if r == nil || r.over {
		return false
	}
	r.over, r.tok, r.err = true, tok, err
	close(r.done)
	return true
}

// flight returns the renewal of e that is under way, or starts one. It fails
// while an earlier error stands. c.mu is held.
func (c *Cache) flight(e *entry, src Source, req Request, now instant) (*renewal, error) {
	if e.flight != nil {
		return e.flight, nil
	}
	if err := e.held(now); err != nil {
		return nil, err
	}
	if c.closed {
		return nil, errStopping
	}
	r := &renewal{done: make(chan struct{})}
	e.flight = r
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		c.renew(r, e, src, req)
	}()
	return r, nil
}

// wait returns the result of r. While the old token lives it stands in for one
// that could not be had.
func (c *Cache) wait(ctx context.Context, r *renewal, e *entry) (*Token, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.done:
	}
	if r.err == nil {
		return r.tok, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if tok := e.good(c.now()); tok != nil {
		return tok, nil
	}
	return nil, r.err
}

// renew calls src and stores what comes, unless r was ended meanwhile.
func (c *Cache) renew(r *renewal, e *entry, src Source, req Request) {
	tok, err := c.ask(r, src, req)
	if err == nil && tok == nil {
		err = errNoToken
	}
	c.mu.Lock()
	if !r.finish(tok, err) {
		c.mu.Unlock()
		return
	}
	e.flight = nil
	if err == nil {
		e.store(tok, c.now(), c.plan(tok), leastLife)
	} else {
		e.fail(err, c.now())
	}
	c.mu.Unlock()
	if err == nil {
		c.opts.Log.Info("token renewed", "account", req.Account, "kind", req.Kind, "hash", tok.Hash(), "expiry", expiryWords(tok.Expiry))
	} else {
		c.opts.Log.Warn("token not renewed", "account", req.Account, "kind", req.Kind, "code", hint.CodeOf(err), "err", err)
	}
	if c.opts.OnChange != nil {
		c.opts.OnChange(req, tok, err)
	}
}

// ask calls src with the lineage locked and under a time limit of its own.
func (c *Cache) ask(r *renewal, src Source, req Request) (*Token, error) {
	unlock, err := c.lock(c.opts.Lineage(req))
	if err != nil {
		return nil, err
	}
	defer unlock()
	c.mu.Lock()
	over := r.over
	c.mu.Unlock()
	if over { // dropped while it waited: do not redeem anything any more
		return nil, context.Canceled
	}
	ctx, cancel := context.WithTimeout(c.base, renewalLimit)
	defer cancel()
	return src.Token(ctx, req)
}

// A lineage is the lock of one refresh token, counted so that it can be
// forgotten.
type lineage struct {
	users int           // holders and waiters; guarded by the Cache's mutex
	sem   chan struct{} // holds one value while locked; never closed
}

// lock locks the lineage, waiting behind renewals that are bounded each, and
// returns what unlocks it. It fails when the Cache is stopped.
func (c *Cache) lock(name string) (unlock func(), err error) {
	c.mu.Lock()
	l := c.lineages[name]
	if l == nil {
		l = &lineage{sem: make(chan struct{}, 1)}
		c.lineages[name] = l
	}
	l.users++
	c.mu.Unlock()
	leave := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(c.lineages, name)
		}
	}
	select {
	case l.sem <- struct{}{}:
		return func() { <-l.sem; leave() }, nil
	case <-c.base.Done():
		leave()
		return nil, c.base.Err()
	}
}

// Temporary reports whether err passes by itself: the network, a 5xx, a limit.
func Temporary(err error) bool {
	var marked interface{ Temporary() bool }
	if errors.As(err, &marked) && marked.Temporary() {
		return true
	}
	var h *hint.Error
	if errors.As(err, &h) {
		return h.Code == hint.Unreachable
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded)
}

// needsPerson reports whether a person has to act before another try makes sense.
func needsPerson(err error) bool { return errors.Is(err, ErrSignInNeeded) || hint.NeedsPerson(err) }

// expiryWords is an expiry as the log shows it.
func expiryWords(t time.Time) string {
	if t.IsZero() {
		return "never or unknown"
	}
	return t.UTC().Format(time.RFC3339)
}
