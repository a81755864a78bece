package bridge

import (
	"context"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/bridge/translate"
	"keyporter/internal/hint"
)

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
		return s.tell(c, f)
	}
	return s.b.pass(c, f)
}

// tell gives a newer client what an older server says by itself: changes on the
// subscriptions that ask for them, log messages if there is a level, requests as
// the result of a call (2026-07-28 basic/patterns/mrtr). c is the call that it came
// for, if that is known.
func (s *session) tell(c *call, f frame.Frame) error {
	switch {
	case f.Kind == frame.Request:
		s.question(c, f)
	case f.Kind == frame.Notification && translate.Change(f.Method):
		return s.b.tellListening(f)
	case f.Method == "notifications/progress":
		return s.progress(f)
	case f.Method == noteCancelled, f.Method == "notifications/elicitation/complete": // of requests, which do not reach the client as such
	case f.Method == "notifications/message" && s.logLevel() == nil:
	default:
		return s.b.pass(nil, f)
	}
	return nil
}

// question takes a request of the server to the client's call that it came for, or
// to the newest one. It is declined if there is none, or the client cannot do it.
func (s *session) question(c *call, f frame.Frame) {
	if f.Method == methodPing {
		s.answer(f, frame.NewResult(f.ID, []byte("{}")))
		return
	}
	e := s.older.newest()
	if c != nil && c.errand != nil {
		e = c.errand
	}
	var err error = errNobodyToAsk
	if e != nil && translate.MayAsk(e.own.f.Method) {
		err = e.want(f)
	}
	if err != nil {
		s.answer(f, frame.NewError(f.ID, frame.ErrorObject(codeMethodNotFound, hint.Of(err).Text(), nil)))
	}
}

// newest returns the youngest errand that can be asked about; nil if there is none.
func (o *older) newest() *errand {
	o.mu.Lock()
	defer o.mu.Unlock()
	var found *errand
	for _, e := range o.errands {
		if translate.MayAsk(e.own.f.Method) && (found == nil || found.number < e.number) {
			found = e
		}
	}
	return found
}

var errNobodyToAsk = hint.New(hint.Refused, "This client is asked only while one of its calls waits.", "Ask while a tool is called, a prompt got or a resource read.")

// answer answers a request of the server, beside everything else.
func (s *session) answer(f frame.Frame, msg []byte) {
	s.b.spawn(func() {
		ctx, cancel := context.WithTimeout(s.b.ctx, deliveryLimit)
		defer cancel()
		if err := s.respond(ctx, msg); err != nil {
			s.b.log.Debug("request of the server not answered", "method", f.Method, "error", err)
		}
	})
}

// respond sends an answer to a request of the server.
func (s *session) respond(ctx context.Context, msg []byte) error {
	w := s.wire.Load()
	if w == nil {
		return errNoSession
	}
	return s.b.carrier(w).Notify(ctx, &streamable.Message{Body: msg, Meta: w.meta()})
}

// progress passes progress on to the call that waits for it now, under its token.
func (s *session) progress(f frame.Frame) error {
	token := frame.Key(frame.Get(f.Params, "progressToken"))
	s.older.mu.Lock()
	var of *errand
	for _, e := range s.older.errands {
		if e.own.f.ProgressToken != nil && frame.Key(e.own.f.ProgressToken) == token {
			of = e
		}
	}
	s.older.mu.Unlock()
	if of == nil {
		return s.b.pass(nil, f)
	}
	of.mu.Lock()
	at := of.at
	of.mu.Unlock()
	if at == nil || at.f.ProgressToken == nil {
		return nil // nobody waits for it
	}
	return s.b.write(frame.Set(f.OneLine(), "params", frame.Set(f.Params, "progressToken", at.f.ProgressToken)))
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
