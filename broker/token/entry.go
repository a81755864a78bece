package token

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"

	"keyporter/internal/hint"
)

const (
	maxLead   = 225 * time.Second // 3 min 45 s
	shortLife = 10 * time.Second  // below this a token is renewed at half of its life
	maxGrace  = 10 * time.Second
	// A token that is over when it comes from its Source (somebody's clock is
	// wrong) serves for a second, so that this is no flood of renewals.
	leastLife = time.Second

	// How far the clocks move apart where one was set, or the computer slept.
	clockSet = 30 * time.Second

	retryFirst  = time.Second      // after an error that passes by itself
	refusedHold = 10 * time.Second // after another one
	retryMax    = time.Minute
)

// An instant is one moment on two clocks.
type instant struct {
	wall time.Time     // without a monotonic reading
	mono time.Duration // since the Cache was made
}

// apart returns how far the two clocks have moved apart since then.
func (i instant) apart(then instant) time.Duration {
	return (i.wall.Sub(then.wall) - (i.mono - then.mono)).Abs()
}

// A plan is when a token is due, fixed once for each token.
type plan struct {
	life time.Duration // zero: not renewed by time
	lead time.Duration // how long before its end it is due
}

// plan computes when tok is due. The jitter makes the lead longer by up to a
// tenth and follows from the token, so it is the same whenever it is asked for.
func (c *Cache) plan(tok *Token) plan {
	if tok.Expiry.IsZero() {
		return plan{}
	}
	born := tok.Issued
	if born.IsZero() {
		born = c.opts.Now()
	}
	life := max(tok.Expiry.Sub(born.Round(0)), leastLife)
	switch {
	case c.opts.RenewBefore > 0:
		return plan{life, min(c.opts.RenewBefore, life/2)}
	case life < shortLife:
		return plan{life, life / 2}
	}
	lead := min(maxLead, life/10)
	return plan{life, lead + time.Duration(c.jitter(tok)*float64(lead/10))}
}

// jitter returns a number in [0, 1) that follows from the token and the seed.
func (c *Cache) jitter(tok *Token) float64 {
	h := fnv.New64a()
	h.Write(binary.BigEndian.AppendUint64(nil, c.opts.Seed))
	h.Write([]byte(tok.Hash()))
	// FNV's high bits are weak for short input: multiply them in once more.
	x := h.Sum64()
	x ^= x >> 32
	x *= 0x9e3779b97f4a7c15
	return float64(x>>11) / (1 << 53)
}

// RenewAt returns from when on tok is renewed, by the wall clock: before its
// expiry by the smaller of 3 min 45 s and a tenth of its life, and by up to a
// tenth of that more, the same whenever it is asked; at half of a life under ten
// seconds. Zero means never.
func (c *Cache) RenewAt(tok *Token) time.Time {
	p := c.plan(tok)
	if p.life == 0 {
		return time.Time{}
	}
	return tok.Expiry.Add(-p.lead)
}

// An entry is what the Cache knows for one key. The Cache's mutex guards it.
type entry struct {
	account string
	tok     *Token  // nil: none yet
	came    instant // when tok was stored
	end     instant // when tok is over, on each clock; only with a life
	plan    plan
	grace   time.Duration // left to live, below which callers wait for a renewal
	refused bool          // a server said no to tok
	rest    time.Duration // end of the pause of a young token, on the monotonic clock; zero: had none
	over    chan struct{} // closed when tok is replaced or forgotten; nil before a pause

	flight *renewal // nil: none under way

	err     error         // of the last renewal, while it is held
	fails   int           // in a row
	failed  instant       // when that was
	retryAt time.Duration // on the monotonic clock
}

// store makes tok the entry's token and forgets errors. What is left of its life
// counts from now on both clocks: a token that is stored some time after it was
// issued has less, and none has more than its life. least is a lower bound.
func (e *entry) store(tok *Token, now instant, p plan, least time.Duration) {
	e.endPause()
	*e = entry{account: e.account, flight: e.flight, tok: tok, came: now, plan: p, grace: min(maxGrace, p.lead/2)}
	if p.life > 0 {
		left := max(min(tok.Expiry.Sub(now.wall), p.life), least)
		e.end = instant{wall: now.wall.Add(left), mono: now.mono + left}
	}
}

// left returns how long the token lives, by the clock that gives it less.
func (e *entry) left(now instant) time.Duration {
	if e.plan.life == 0 {
		return 1<<63 - 1
	}
	return min(e.end.wall.Sub(now.wall), e.end.mono-now.mono)
}

// good returns the token if it can be used.
func (e *entry) good(now instant) *Token {
	if e.tok == nil || e.refused || e.left(now) <= 0 {
		return nil
	}
	return e.tok
}

// due reports whether it is time to renew.
func (e *entry) due(now instant) bool { return e.left(now) <= e.plan.lead }

// pause returns how long a token that was refused should rest before it is tried
// again, once in its life: callers who come during the pause share it.
func (e *entry) pause(now instant) time.Duration {
	if e.rest == 0 && !e.refused && e.young(now) {
		e.rest, e.over = now.mono+laggingPause, make(chan struct{})
	}
	return e.rest - now.mono
}

// young reports whether a server may not know the token yet because its clock
// lags. A token that was stored long after it was issued, as by an agent that
// starts, is not young.
func (e *entry) young(now instant) bool {
	return now.mono-e.came.mono < laggingAge && (e.tok.Issued.IsZero() || now.wall.Sub(e.tok.Issued) < laggingAge)
}

// endPause lets those go on who wait until the token has rested: it is no longer
// the one to use.
func (e *entry) endPause() {
	if e.over != nil {
		close(e.over)
		e.over = nil
	}
}

// fail notes a failed renewal and when the next one may be tried.
func (e *entry) fail(err error, now instant) {
	wait := retryFirst
	if !Temporary(err) && !needsPerson(err) {
		wait = refusedHold
	}
	for range min(e.fails, 6) {
		wait = min(2*wait, retryMax)
	}
	e.err, e.fails, e.failed, e.retryAt = err, e.fails+1, now, now.mono+wait
}

// held returns the error that stands until the next try, or nil. A clock that was set
// since may have been what was wrong.
func (e *entry) held(now instant) error {
	wait := e.retryAt - now.mono
	if e.err == nil || wait <= 0 || now.apart(e.failed) > clockSet || needsPerson(e.err) && e.good(now) == nil {
		return nil
	}
	h := hint.Of(e.err)
	next := fmt.Sprintf("Keyporter tries again in %d s.", (wait+time.Second-1)/time.Second)
	if h.Do != "" {
		next = h.Do + " " + next
	}
	return hint.Wrap(&RetryError{Err: e.err, Next: now.wall.Add(wait)}, hint.CodeOf(e.err), h.What, next)
}
