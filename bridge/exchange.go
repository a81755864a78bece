package bridge

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"keyporter/bridge/streamable"
)

// exchange sends the call once. A call that only reads is sent once more if the
// connection breaks before anything came back: a server may close an idle
// connection at the moment it is used.
func (b *bridge) exchange(c *call, meta streamable.Meta) error {
	return b.exchangeVia(c, b.http, meta)
}

func (b *bridge) exchangeVia(c *call, via carrier, meta streamable.Meta) error {
	b.wakeFirst()
	c.sent.Store(true)
	m := &streamable.Message{Body: c.f.Raw, Key: c.key, Meta: meta, Resume: !c.modern()}
	try := func() error {
		c.refused.Forget()
		c.refused = nil
		err := via.Exchange(c.ctx, m, func(msg []byte) (bool, error) { return b.deliver(c, msg) })
		errors.As(err, &c.refused)
		return err
	}
	err := try()
	if err != nil && !c.touched && c.ctx.Err() == nil && onlyReads(c.f.Method) && ofNetwork(err) {
		err = try()
	}
	for n := 0; n < maxPostponed && !c.touched; n++ {
		wait, ok := postponed(c, err, b.opts.Now())
		if !ok {
			break
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
			err = try()
		case <-c.ctx.Done():
			t.Stop()
			return context.Cause(c.ctx)
		}
	}
	return c.odd.explain(err)
}

// How often a call waits because the server asks it to, and for how long at most.
const (
	maxPostponed  = 2
	postponeLimit = 15 * time.Second
)

// postponed returns how long a call is to wait before it is sent again: as long as
// the server says (RFC 9110 section 10.2.3), if that is not long. A 429 (RFC 6585
// section 4) has not been worked on; of a 503 that is not sure, so only calls that
// read are sent again.
func postponed(c *call, err error, now time.Time) (time.Duration, bool) {
	var e *streamable.StatusError
	if !errors.As(err, &e) || e.RetryAfter == "" || c.pending != nil ||
		e.Status != http.StatusTooManyRequests && (e.Status != http.StatusServiceUnavailable || !onlyReads(c.f.Method)) {
		return 0, false
	}
	seconds, err := strconv.Atoi(e.RetryAfter)
	wait := time.Duration(min(max(seconds, 0), 3600)) * time.Second
	if err != nil {
		at, err := http.ParseTime(e.RetryAfter)
		if err != nil {
			return 0, false
		}
		wait = max(at.Sub(now), 0)
	}
	// Not all that were refused at once come back at once.
	return wait + rand.N(wait/4+100*time.Millisecond), wait <= postponeLimit
}

func onlyReads(method string) bool {
	switch method {
	case methodListTools, "prompts/list", "resources/list", "resources/templates/list", methodDiscover,
		methodPing, "resources/read", "prompts/get", "completion/complete":
		return true
	}
	return false
}

// ofNetwork reports whether err came from the connection and not from the server.
func ofNetwork(err error) bool {
	var status *streamable.StatusError
	var redirect *streamable.RedirectError
	return !errors.As(err, &status) && !errors.As(err, &redirect) && !isHint(err) &&
		!errors.Is(err, streamable.ErrNoAnswer) && !errors.Is(err, streamable.ErrTooLarge)
}
