package token

import (
	"context"
	"time"
)

// patience is how long a caller waits for the first try at most if it is to wait for a
// second one.
const patience = 5 * time.Second

// token is Token. For a caller whose last token was refused it does not return one
// that is due: a server may end a token a little before the issuer said.
func (c *Cache) token(ctx context.Context, src Source, req Request, afterRefusal bool) (*Token, error) {
	began := c.now().mono
	tok, err := c.try(ctx, src, req, afterRefusal)
	if err != nil && c.now().mono-began < patience && c.passes(ctx, req, err) {
		return c.try(ctx, src, req, afterRefusal)
	}
	return tok, err
}

// passes waits until the second try is due if err is the first one in a row and
// passes by itself, and reports whether it was.
func (c *Cache) passes(ctx context.Context, req Request, err error) bool {
	if ctx.Err() != nil || !Temporary(err) {
		return false
	}
	c.mu.Lock()
	e := c.entries[req.Key()]
	first := e != nil && e.fails == 1 && !c.closed
	wait := time.Duration(0)
	if first {
		wait = e.retryAt - c.now().mono
	}
	c.mu.Unlock()
	if !first {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-c.base.Done():
	}
	return false
}
