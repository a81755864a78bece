package bridge

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/bridge/translate"
)

// serve does the work of one call, from its turn to its answer.
func (b *bridge) serve(c *call) {
	defer b.calls.remove(c)
	if c.after != nil {
		select {
		case <-c.after:
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
	v, err := b.link.current(c.ctx)
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

// exchange sends the call once. A call that only reads is sent once more if the
// connection breaks before anything came back: a server may close an idle
// connection at the moment it is used.
func (b *bridge) exchange(c *call, meta streamable.Meta) error {
	return b.exchangeVia(c, b.http, meta)
}

func (b *bridge) exchangeVia(c *call, via carrier, meta streamable.Meta) error {
	c.sent.Store(true)
	m := &streamable.Message{Body: c.f.Raw, Key: c.key, Meta: meta, Resume: !c.modern()}
	sink := func(msg []byte) (bool, error) { return b.deliver(c, msg) }
	err := via.Exchange(c.ctx, m, sink)
	if err != nil && !c.touched && c.ctx.Err() == nil && onlyReads(c.f.Method) && ofNetwork(err) {
		err = via.Exchange(c.ctx, m, sink)
	}
	for n := 0; n < maxPostponed && !c.touched; n++ {
		wait, ok := postponed(c, err, b.opts.Now())
		if !ok {
			break
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
			err = via.Exchange(c.ctx, m, sink)
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

// deliver takes one message of the answer to c.
func (b *bridge) deliver(c *call, msg []byte) (done bool, err error) {
	c.received += int64(len(msg))
	f, err := frame.Scan(msg)
	if err != nil {
		// Some servers send pings in words. If it was the answer, its
		// absence is noticed.
		b.log.Debug("message of the server is not JSON", "error", err)
		c.odd.noteText(msg)
		return false, nil
	}
	c.touched = true
	switch {
	case f.Kind == frame.Batch:
		return b.deliverBatch(c, f)
	case f.Kind == frame.Response && c.pending == nil && ownAnswer(f, c.key):
		return true, b.answer(c, f)
	case f.Kind == frame.Response && c.pending == nil:
		c.odd.note(otherRequest)
	case f.Kind == frame.Response && c.pending != nil:
		delete(c.pending, frame.Key(f.ID))
		err = b.write(f.OneLine())
		return len(c.pending) == 0, err
	}
	return false, b.pass(c, f)
}

// deliverBatch takes an array of the server: whole for a client of 2025-03-26,
// one by one for others.
func (b *bridge) deliverBatch(c *call, f frame.Frame) (done bool, err error) {
	whole := c.pending != nil
	for raw := range frame.Elements(f.Raw) {
		e, err := frame.Scan(raw[:len(raw):len(raw)])
		if err != nil || e.Kind == frame.Batch {
			continue
		}
		switch key := frame.Key(e.ID); {
		case whole && e.Kind == frame.Response:
			delete(c.pending, key)
		case whole:
		case e.Kind == frame.Response && key == c.key:
			done, err = true, b.answer(c, e)
		default:
			err = b.pass(c, e)
		}
		if err != nil {
			return done, err
		}
	}
	if whole {
		return len(c.pending) == 0, b.write(f.OneLine())
	}
	return done, nil
}

// stray takes an answer that came on the stream of another request. It is given to
// whoever waits for it, once.
func (b *bridge) stray(f frame.Frame) error {
	c := b.calls.get(frame.Key(f.ID))
	if c == nil || c.take != nil || !c.claim() {
		b.log.Warn("answer of the server dropped: nobody asked for it")
		return nil
	}
	msg := f.OneLine()
	if f.Error == nil {
		msg = b.learn(c, f, msg)
	}
	return b.write(msg)
}

// pass gives the client a message that is not the answer to c.
func (b *bridge) pass(c *call, f frame.Frame) error {
	if c != nil && c.over != nil {
		return c.over.tell(c, f)
	}
	if f.Kind == frame.Response {
		return b.stray(f)
	}
	if f.Kind == frame.Invalid {
		b.log.Debug("message of the server is no JSON-RPC")
		if c != nil {
			c.odd.note("JSON that is no JSON-RPC message")
		}
		return nil
	}
	if c != nil && f.Method == noteAcknowledged {
		c.listens.Store(true)
		if c.acked {
			c.acked = false
			return nil
		}
		if b.stale.Swap(false) { // it subscribes only now, and has lists made up before
			defer b.tellSubscriber(c)
		}
	}
	return b.write(f.OneLine())
}

// answer gives the client the answer to c. An error that the server could not
// tie to a request gets the id of the one it came for.
func (b *bridge) answer(c *call, f frame.Frame) error {
	if !c.claim() {
		return nil
	}
	msg := f.OneLine()
	if !f.HasID() {
		msg = frame.NewError(c.f.ID, f.Error)
	}
	if f.Error != nil {
		c.outcome = errorCode(f.Error)
	} else {
		msg = b.learn(c, f, msg)
	}
	if c.take != nil {
		return c.take(f, msg)
	}
	return b.write(msg)
}

// hand gives the client the answer that a request of the bridge's own got for c.
func (b *bridge) hand(c *call, f frame.Frame, msg []byte) error {
	if !c.claim() {
		return nil
	}
	if c.take != nil {
		return c.take(f, msg)
	}
	return b.write(msg)
}

// notify sends a notification or a response of the client to the server. What
// the server says to it is only logged: nobody asked.
func (b *bridge) notify(ctx context.Context, f frame.Frame) {
	if ambiguous(&f) {
		if _, err := b.link.current(ctx); err != nil || b.policy().Active() {
			b.log.Warn("message of the client dropped: it could be a call of a hidden tool", "method", f.Method)
			return
		}
	}
	s := b.legacy.Load()
	if v := b.eraOf(&f); v != "" || s == nil {
		plain, err := translate.Plain(f)
		if s := b.back.session.Load(); s != nil && f.Kind == frame.Notification && err == nil {
			s.notify(ctx, plain)
			return
		}
		b.notifyModern(ctx, f, v)
		return
	}
	if f.Method == noteInitialized {
		s.clientReady(ctx, f)
		return
	}
	s.notify(ctx, f)
}

// notify sends a notification or a response of the client over the session.
func (s *session) notify(ctx context.Context, f frame.Frame) {
	b, w := s.b, s.wire.Load()
	switch {
	case w == nil:
		b.log.Debug("notification not sent: the server is not ready", "method", f.Method)
		return
	case w.modern != nil:
		b.notifyTranslated(ctx, w.modern, f)
		return
	}
	err := b.carrier(w).Notify(ctx, &streamable.Message{Body: f.Raw, Meta: w.meta()})
	if f.Kind == frame.Notification && lost(err, w) {
		if w, err = s.establish(ctx, w); err == nil {
			err = b.carrier(w).Notify(ctx, &streamable.Message{Body: f.Raw, Meta: w.meta()})
		}
	}
	if err != nil {
		b.log.Warn("notification not accepted", "method", f.Method, "error", err)
	}
}

// notifyModern sends a notification without a session. Modern clients send no
// responses (2026-07-28 basic/transports/streamable-http).
func (b *bridge) notifyModern(ctx context.Context, f frame.Frame, version string) {
	if f.Kind != frame.Notification {
		b.log.Warn("response of the client dropped: there is no session")
		return
	}
	if last := b.modern.Load(); version == "" && last != nil {
		version = *last
	}
	m := &streamable.Message{Body: f.Raw}
	if version != "" {
		m.Meta = streamable.Meta{Version: version, Method: f.Method}
	}
	if err := b.http.Notify(ctx, m); err != nil {
		b.log.Warn("notification not accepted", "method", f.Method, "error", err)
	}
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

// ofNetwork reports whether err came from the connection and not from the server.
func ofNetwork(err error) bool {
	var status *streamable.StatusError
	var redirect *streamable.RedirectError
	return !errors.As(err, &status) && !errors.As(err, &redirect) && !isHint(err) &&
		!errors.Is(err, streamable.ErrNoAnswer) && !errors.Is(err, streamable.ErrTooLarge)
}
