package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/singleflight"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/bridge/translate"
	"keyporter/broker/account"
)

// A backward is how a newer client is served whose server may turn out to speak
// only the older protocol, after the client was answered in its place. The zero
// value is ready.
type backward struct {
	doubt   atomic.Bool // it may be so
	newer   atomic.Bool // it is not so
	session atomic.Pointer[session]
	find    singleflight.Group
}

// An older is what a session has beside the rest if its client is a newer one.
type older struct {
	mu     sync.Mutex
	result []byte         // of initialize
	topics map[string]int // how many subscriptions name a resource, by URI
	number int            // of the last request of the session's own
}

// introduced keeps what the server said of itself, for a newer client that asks.
func (s *session) introduced(result []byte) {
	if s.older != nil {
		s.older.mu.Lock()
		defer s.older.mu.Unlock()
		s.older.result = bytes.Clone(result)
	}
}

// doubtful takes note that a newer client has not heard from the server itself.
func (b *bridge) doubtful() {
	if b.era() != account.EraModern && !b.back.newer.Load() {
		b.back.doubt.Store(true)
	}
}

// older returns the session in which a call of a newer client goes to the server;
// nil if that speaks the newer protocol, or if the client speaks both and has
// begun a session itself.
func (b *bridge) older(c *call) (*session, error) {
	if !b.back.doubt.Load() || b.legacy.Load() != nil {
		return nil, nil
	}
	if s := b.back.session.Load(); s != nil {
		return s, nil
	}
	f := c.f
	ch := b.back.find.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(b.ctx, establishLimit)
		defer cancel()
		return b.findOlder(ctx, f)
	})
	select {
	case <-c.ctx.Done():
		return nil, context.Cause(c.ctx)
	case r := <-ch:
		s, _ := r.Val.(*session)
		return s, r.Err
	}
}

// findOlder asks the server what it speaks, with the metadata of f, and makes the
// session if that is the older protocol.
func (b *bridge) findOlder(ctx context.Context, f frame.Frame) (*session, error) {
	if s := b.back.session.Load(); s != nil || !b.back.doubt.Load() {
		return s, nil // somebody was faster
	}
	init, err := translate.Initialize(f, frame.Set([]byte(`{"name":"Keyporter"}`), "version", text(b.opts.Version)))
	if err != nil {
		return nil, err
	}
	s, ready := newSession(b, init), translate.Ready
	s.older, s.ready = &older{topics: map[string]int{}}, &ready
	if b.era() != account.EraLegacy {
		newer, err := s.speaksNewer(ctx)
		if newer {
			b.settle()
		}
		if newer || err != nil {
			return nil, err
		}
	}
	var refused *rpcError
	switch _, err = s.establish(ctx, nil); {
	case errors.As(err, &refused) || err != nil && turnedAway(err):
		b.settle() // it speaks neither, and says so best itself
		return nil, nil
	case err != nil:
		return nil, err
	}
	b.back.session.Store(s)
	return s, nil
}

// settle takes note that the server speaks the newer protocol.
func (b *bridge) settle() {
	b.back.newer.Store(true)
	b.back.doubt.Store(false)
}

// speaksNewer asks the server for server/discover, unless it is known to have it.
func (s *session) speaksNewer(ctx context.Context) (bool, error) {
	if s.b.answers(ctx)[methodDiscover] != nil {
		return true, nil
	}
	w, err := s.discover(ctx, func(frame.Frame) error { return nil })
	if w != nil {
		w.stop()
	}
	var status *streamable.StatusError
	if errors.Is(err, errNotModern) || errors.As(err, &status) && status.Status == http.StatusInternalServerError {
		return false, nil // some stumble over a method that they do not know
	}
	return err == nil, err
}

// throughOlder answers a call of a newer client whose server only speaks the
// older protocol.
func (b *bridge) throughOlder(c *call, s *session) error {
	switch c.f.Method {
	case methodDiscover:
		s.older.mu.Lock()
		defer s.older.mu.Unlock()
		return b.reply(c, translate.DiscoverResult(s.older.result, c.modernVersion()))
	case methodListen:
		return s.subscribe(c)
	}
	s.setLevel(c)
	f, err := translate.Plain(c.f)
	if err != nil {
		return err
	}
	own := &call{f: f, key: c.key, over: s, ctx: c.ctx, cancel: c.cancel, began: c.began}
	own.take = func(answer frame.Frame, msg []byte) error { return b.hand(c, answer, msg) }
	c.own.Store(own)
	err = s.carry(own)
	c.touched, c.outcome, c.received = c.touched || own.touched, own.outcome, c.received+own.received
	if err != nil && modernRefusal(err, nil) && b.back.session.CompareAndSwap(s, nil) {
		b.spawn(func() { s.end(b.ctx) }) // the server has become a newer one
	}
	return err
}

// ask sends a request of the session's own.
func (s *session) ask(ctx context.Context, method string, params []byte) error {
	s.older.mu.Lock()
	s.older.number++
	id := fmt.Sprintf(`"keyporter-%d"`, s.older.number)
	s.older.mu.Unlock()
	f, err := frame.Scan(frame.Set([]byte(`{"jsonrpc":"2.0","id":`+id+`,"method":"`+method+`"}`), "params", params))
	if err != nil {
		return err
	}
	c := &call{f: f, key: id, over: s, began: s.b.opts.Now()}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	defer c.cancel(nil)
	var refused []byte
	c.take = func(answer frame.Frame, _ []byte) error {
		refused = bytes.Clone(answer.Error)
		return nil
	}
	if err := s.carry(c); err != nil || refused == nil {
		return err
	}
	return &rpcError{raw: refused}
}

// setLevel tells the server the log level that a call asks for, if it is another
// than before: the older protocol has it for a whole session.
func (s *session) setLevel(c *call) {
	level, w := translate.Level(c.f), s.wire.Load()
	if level == nil || w == nil || frame.Get(w.caps, "logging") == nil {
		return
	}
	if bytes.Equal(level, s.logLevel()) {
		return
	}
	if err := s.ask(c.ctx, methodSetLevel, frame.Set([]byte("{}"), "level", level)); err != nil {
		s.b.log.Warn("log level not set", "error", err)
	}
}

// logLevel returns the log level of the session as JSON, or nil.
func (s *session) logLevel() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.level == nil {
		return nil
	}
	return frame.Get(s.level.Params, "level")
}

// subscribe keeps a subscription of a newer client open, which gets what the
// server tells in the session.
func (s *session) subscribe(c *call) error {
	s.b.calls.wait(c, true)
	w, err := s.establish(c.ctx, nil)
	if err != nil {
		return err
	}
	const member = "resourceSubscriptions"
	filter := translate.Granted(frame.Get(c.f.Params, "notifications"), w.caps)
	if uris := frame.Get(filter, member); uris != nil {
		uris = frame.Keep(uris, func(uri []byte) bool { return s.follow(c.ctx, uri) })
		filter = frame.Set(filter, member, uris)
		defer s.unfollow(uris)
	}
	if !c.acked {
		s.b.write(notification(noteAcknowledged, frame.Set(subscriptionMeta(c), "notifications", filter)))
		c.acked = true
		c.listens.Store(true)
		if s.b.stale.Swap(false) { // it subscribes only now, and has lists made up before
			s.b.tellSubscriber(c)
		}
	}
	<-c.ctx.Done()
	return context.Cause(c.ctx)
}

// follow subscribes to a resource, if nobody has, and reports whether the server
// accepts that.
func (s *session) follow(ctx context.Context, uri []byte) bool {
	s.older.mu.Lock()
	s.older.topics[frame.Key(uri)]++
	known := s.older.topics[frame.Key(uri)] > 1
	s.older.mu.Unlock()
	if known {
		return true
	}
	err := s.ask(ctx, methodSubscribe, frame.Set([]byte("{}"), "uri", uri))
	if err != nil {
		s.b.log.Debug("resource not subscribed to", "error", err)
		s.drop(uri)
	}
	return err == nil
}

// drop counts one subscription less and reports whether it was the last.
func (s *session) drop(uri []byte) bool {
	s.older.mu.Lock()
	defer s.older.mu.Unlock()
	key := frame.Key(uri)
	if s.older.topics[key]--; s.older.topics[key] > 0 {
		return false
	}
	delete(s.older.topics, key)
	return true
}

// unfollow takes subscriptions to resources back that nobody else has.
func (s *session) unfollow(uris []byte) {
	for uri := range frame.Elements(uris) {
		if !s.drop(uri) || s.b.ctx.Err() != nil {
			continue
		}
		s.b.spawn(func() {
			ctx, cancel := context.WithTimeout(s.b.ctx, deliveryLimit)
			defer cancel()
			if err := s.ask(ctx, methodUnsubscribe, frame.Set([]byte("{}"), "uri", uri)); err != nil {
				s.b.log.Debug("subscription not taken back", "error", err)
			}
		})
	}
}

// pass gives the client a message of the session that is not the answer to c.
func (s *session) pass(c *call, f frame.Frame) error {
	if s.older != nil {
		return s.tell(f)
	}
	return s.b.pass(c, f)
}

// tell gives a newer client what an older server says by itself: changes on the
// subscriptions that ask for them, log messages if there is a level, no requests
// (2026-07-28 basic/patterns/mrtr).
func (s *session) tell(f frame.Frame) error {
	switch {
	case f.Kind == frame.Request:
		s.decline(f)
	case f.Kind == frame.Notification && translate.Change(f.Method):
		return s.b.tellListening(f)
	case f.Method == noteCancelled, f.Method == "notifications/elicitation/complete": // of requests that were declined
	case f.Method == "notifications/message" && s.logLevel() == nil:
	default:
		return s.b.pass(nil, f)
	}
	return nil
}

// decline answers a request of the server in the client's place.
func (s *session) decline(f frame.Frame) {
	w := s.wire.Load()
	if w == nil {
		s.b.log.Debug("request of the server dropped: the session is being made", "method", f.Method)
		return
	}
	answer := frame.NewError(f.ID, frame.ErrorObject(codeMethodNotFound, "The client takes no requests.", nil))
	if f.Method == methodPing {
		answer = frame.NewResult(f.ID, []byte("{}"))
	}
	s.b.spawn(func() {
		ctx, cancel := context.WithTimeout(w.ctx, deliveryLimit)
		defer cancel()
		if err := s.b.carrier(w).Notify(ctx, &streamable.Message{Body: answer, Meta: w.meta()}); err != nil {
			s.b.log.Debug("request of the server not declined", "method", f.Method, "error", err)
		}
	})
}

// tellListening gives a change to the subscriptions that ask for it.
func (b *bridge) tellListening(f frame.Frame) error {
	for _, c := range b.calls.listening() {
		if translate.Wants(frame.Get(c.f.Params, "notifications"), f) {
			if err := b.write(translate.Tagged(f, c.f.ID)); err != nil {
				return err
			}
		}
	}
	return nil
}
