package translate

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"keyporter/bridge/frame"
	"keyporter/internal/hint"
)

const (
	maxTopics   = 200              // resources that a client may subscribe to
	topicLimit  = 15 * time.Second // until the server has accepted a subscription
	firstPause  = time.Second      // before a stream is opened again
	longestStop = time.Minute
)

// A topic is a resource that the client has subscribed to, with a stream of its
// own: taking it back closes the stream and touches no other.
type topic struct {
	stop context.CancelFunc
	done chan struct{} // closed when err is known
	err  error         // nil: the server has accepted
}

// ListChanges tells the client when lists change, until Life ends. asked is
// called once, when the server has accepted or there is no use in waiting.
func (s *Session) ListChanges(asked func()) {
	filter := []byte("{}")
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if s.Offers(kind, "listChanged") {
			filter = frame.Set(filter, kind+"ListChanged", []byte("true"))
		}
	}
	if len(filter) == len("{}") {
		asked()
		return
	}
	s.opts.Go(func() { s.follow(s.opts.Life, filter, func(error) { asked() }) })
}

// Subscribe takes resources/subscribe for a URI, given as JSON, and returns when
// the server has accepted or refused it.
func (s *Session) Subscribe(ctx context.Context, uri []byte) error {
	key := frame.Key(uri)
	s.mu.Lock()
	t := s.topics[key]
	if t == nil {
		if len(s.topics) == maxTopics {
			s.mu.Unlock()
			return hint.New(hint.Refused, "The client has subscribed to too many resources.", "Take back those that are not needed.")
		}
		life, stop := context.WithCancel(s.opts.Life)
		t = &topic{stop: stop, done: make(chan struct{})}
		s.topics[key] = t
		filter := frame.Set([]byte("{}"), "resourceSubscriptions", append(append([]byte{'['}, uri...), ']'))
		s.opts.Go(func() {
			settled := sync.OnceFunc(func() { close(t.done) })
			s.follow(life, filter, func(err error) { t.err = err; settled() })
			s.forget(key, t)
		})
	}
	s.mu.Unlock()
	limit := time.NewTimer(topicLimit)
	defer limit.Stop()
	select {
	case <-t.done:
		return t.err
	case <-limit.C:
		s.forget(key, t)
		return hint.New(hint.Unreachable, "The server did not say whether it accepts the subscription.", "Try again.")
	case <-ctx.Done():
		s.forget(key, t)
		return context.Cause(ctx)
	}
}

// Unsubscribe takes resources/unsubscribe.
func (s *Session) Unsubscribe(uri []byte) {
	s.mu.Lock()
	t := s.topics[frame.Key(uri)]
	s.mu.Unlock()
	if t != nil {
		s.forget(frame.Key(uri), t)
	}
}

func (s *Session) forget(key string, t *topic) {
	s.mu.Lock()
	if s.topics[key] == t {
		delete(s.topics, key)
	}
	s.mu.Unlock()
	t.stop()
}

// errIgnored means that the server accepted a subscription to nothing.
var errIgnored = hint.New(hint.Refused, "The server does not tell about changes of this resource.", "Read it again when it is needed.")

// follow keeps a subscriptions/listen stream open until ctx ends or the server
// will not have it. It calls settled once, with how the first attempt went. What
// may have been missed while a stream was broken off is told as a change, because
// streams are not resumed (2026-07-28 basic/patterns/subscriptions).
func (s *Session) follow(ctx context.Context, filter []byte, settled func(error)) {
	accepted := false // ever
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		acked := false
		err := s.stream(ctx, filter, func(ack frame.Frame) error {
			got := frame.Get(ack.Params, "notifications")
			if got != nil && !honours(got, filter) {
				return errIgnored
			}
			if acked = true; accepted {
				s.catchUp(got, filter)
			} else {
				accepted = true
				settled(nil)
			}
			return nil
		})
		if acked && time.Since(began) > 10*time.Second {
			failures = 0
		}
		if errors.Is(err, errIgnored) || err != nil && s.opts.Refused(err) {
			if !accepted {
				settled(err)
			} else {
				s.opts.Log.Warn("server ends a subscription for good", "error", err)
			}
			return
		}
		s.opts.Log.Debug("subscription stream ended", "error", err)
		d := min(firstPause<<min(failures, 6), longestStop)
		_ = pause(ctx, d+rand.N(d/10+1))
	}
	if !accepted {
		settled(context.Cause(ctx))
	}
}

// stream is one subscriptions/listen request, until it ends.
func (s *Session) stream(ctx context.Context, filter []byte, acked func(frame.Frame) error) error {
	params := frame.Set([]byte("{}"), "notifications", filter)
	body := frame.Set([]byte(`{"jsonrpc":"2.0"}`), "id", s.nextID())
	body = frame.Set(frame.Set(body, "method", []byte(`"`+listen+`"`)), "params", params)
	f, err := frame.Scan(body)
	if err == nil {
		f, err = s.Enrich(f)
	}
	if err != nil {
		return err
	}
	return s.opts.Listen(ctx, f, func(f frame.Frame) (bool, error) {
		switch {
		case f.Kind == frame.Notification && f.Method == noteAcknowledged:
			return false, acked(f)
		case f.Kind == frame.Notification:
			return false, s.opts.Write(f.OneLine())
		case f.Kind == frame.Response && f.Error != nil:
			return true, &ServerError{Object: append([]byte(nil), f.Error...)}
		case f.Kind == frame.Response:
			return true, nil // it ends in order; it may come back
		}
		return false, nil
	})
}

// A ServerError is an error object that the server answered a request of the
// session's own with.
type ServerError struct{ Object []byte }

func (e *ServerError) Error() string {
	return "server answered with error " + string(frame.Get(e.Object, "code"))
}

// honours reports whether the acknowledgement got has anything of what was wanted.
func honours(got, wanted []byte) bool {
	for name, value := range frame.Members(wanted) {
		have := frame.Get(got, name)
		if name != "resourceSubscriptions" && string(have) == "true" {
			return true
		}
		for uri := range frame.Elements(value) {
			for other := range frame.Elements(have) {
				if frame.Key(uri) == frame.Key(other) {
					return true
				}
			}
		}
	}
	return false
}

// catchUp tells the client that what it subscribed to may have changed.
func (s *Session) catchUp(got, wanted []byte) {
	note := func(method string, params []byte) {
		msg := []byte(`{"jsonrpc":"2.0","method":"` + method + `"}`)
		if params != nil {
			msg = frame.Set(msg, "params", params)
		}
		if err := s.opts.Write(msg); err != nil {
			s.opts.Log.Debug("client not told", "error", err)
		}
	}
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if frame.Get(wanted, kind+"ListChanged") != nil && (got == nil || string(frame.Get(got, kind+"ListChanged")) == "true") {
			note("notifications/"+kind+"/list_changed", nil)
		}
	}
	for uri := range frame.Elements(frame.Get(wanted, "resourceSubscriptions")) {
		note("notifications/resources/updated", frame.Set([]byte("{}"), "uri", uri))
	}
}
