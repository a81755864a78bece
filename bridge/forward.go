package bridge

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
)

// serve does the work of one call, from its turn to its answer.
func (b *bridge) serve(c *call) {
	defer b.calls.remove(c)
	if c.after != nil {
		select {
		case <-c.after:
		case <-c.stalled:
		case <-c.ctx.Done():
		}
	}
	if err := b.request(c); err != nil {
		b.fail(c, err)
	}
	b.audit.add(c, b.link.view.Load())
}

// request gets an answer for the call: from the server, or, if a person has to
// do something first, from standIn.
func (b *bridge) request(c *call) error {
	if c.f.Method == methodInitialize && !c.modern() {
		b.replaceSession(newSession(b, c.f))
	}
	if c.f.Method == methodDiscover && c.modern() {
		return b.probe(c)
	}
	v, err := b.link.latest(c.ctx)
	if err != nil {
		return err
	}
	if b.isOurSignIn(c) {
		return b.signIn(c)
	}
	if err := b.hidden(c); err != nil {
		return err
	}
	if !v.ready() {
		return b.standIn(c, v, v.err)
	}
	if err = b.permitted(c); missing(err) && !c.answered.Load() {
		return b.standIn(c, v, err)
	}
	return err
}

// through sends the call to the server, in the era that the client speaks, or, for
// an older client of a server that only speaks the newer protocol, translated. The
// other way round see throughEither.
func (b *bridge) through(c *call) error {
	if err := b.writes(c); err != nil {
		return err
	}
	switch {
	case c.modern():
		return b.throughEither(c)
	case c.f.Method == methodInitialize:
		return b.legacy.Load().begin(c)
	}
	s := b.legacy.Load()
	if s == nil {
		return b.exchange(c, streamable.Meta{})
	}
	return s.carry(c)
}

// carry sends a call over the session, and over a new one if the server has lost
// this one.
func (s *session) carry(c *call) error {
	w, err := s.establish(c.ctx, nil)
	if err != nil {
		return err
	}
	err = s.b.over(c, w)
	if lost(err, w) && !c.touched {
		if w, err = s.establish(c.ctx, w); err == nil {
			err = s.b.over(c, w)
		}
	}
	if err == nil {
		s.remember(c)
	}
	return err
}

// over sends a call of an older client over its wire.
func (b *bridge) over(c *call, w *wire) error {
	if w.modern != nil {
		return b.throughTranslated(c, w.modern)
	}
	return b.exchangeVia(c, b.carrier(w), w.meta())
}

// lost reports whether the server has refused a request because it does not know
// the session any more. The specification says 404; servers made after the
// TypeScript SDK's example say 400 and name the session.
func lost(err error, w *wire) bool {
	var e *streamable.StatusError
	if w != nil && w.line != nil && errors.Is(err, streamable.ErrSessionLost) {
		return true
	}
	if w == nil || !errors.As(err, &e) {
		return false
	}
	if otherEra(e, w) {
		return true
	}
	if w.line != nil {
		return e.Status == http.StatusNotFound || e.Status == http.StatusBadRequest && bytes.Contains(bytes.ToLower(e.Body), []byte("session"))
	}
	return w.id != "" && (e.Status == http.StatusNotFound ||
		e.Status == http.StatusBadRequest && strings.Contains(strings.ToLower(string(frame.Get(e.Body, "error", "message"))), "session id"))
}
