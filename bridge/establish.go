package bridge

import (
	"bytes"
	"context"
	"errors"
	"time"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/internal/hint"
)

// How long making a session may take, and how long making one anew in place of a
// lost one: calls wait for it.
const (
	establishLimit   = time.Minute
	reestablishLimit = 10 * time.Second
)

var errNoSession = hint.New(hint.Unreachable, "The server lost the session and does not begin another one.", "Try again later.")

// establish returns a wire other than the lost one. However many ask, one
// initialize goes to the server (2025-11-25 basic/transports: after a 404 a
// client starts a new session).
func (s *session) establish(ctx context.Context, lost *wire) (*wire, error) {
	if w := s.wire.Load(); w != nil && w != lost {
		return w, nil
	}
	ch := s.make.DoChan("", func() (any, error) {
		if w := s.wire.Load(); w != nil && w != lost {
			return w, nil
		}
		limit := establishLimit
		if lost != nil {
			limit = reestablishLimit
		}
		ctx, cancel := context.WithTimeoutCause(s.b.ctx, limit, errNoSession)
		defer cancel()
		w, err := s.again(ctx, lost)
		if err != nil && errors.Is(context.Cause(ctx), errNoSession) {
			return nil, errNoSession
		}
		return w, err
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-ch:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*wire), nil
	}
}

// again makes the server's side of the session with what the client has said:
// its initialize, notifications/initialized, log level and subscriptions.
func (s *session) again(ctx context.Context, lost *wire) (*wire, error) {
	var refused []byte
	w, err := s.handshake(ctx, func(f frame.Frame) error {
		if refused = bytes.Clone(f.Error); f.Result != nil {
			s.b.keep.note(methodInitialize, nil, f.Result)
			s.introduced(f.Result)
		}
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, &rpcError{raw: refused}
	}
	s.mu.Lock()
	ready, level, subs, standIn := s.ready, s.level, append([]*frame.Frame(nil), s.subs...), s.standIn
	s.mu.Unlock()
	if ready != nil {
		s.tellReady(ctx, w, ready)
	}
	if level != nil {
		subs = append(subs, level)
	}
	for _, f := range subs {
		if err := s.repeat(ctx, w, f); err != nil {
			s.b.log.Warn("request not repeated in the new session", "method", f.Method, "error", err)
		}
	}
	now, ok := s.use(w)
	if !ok {
		return nil, errClosing
	}
	if ready == nil && now != nil {
		s.tellReady(ctx, w, now)
	}
	if standIn && lost == nil || lost != nil && !bytes.Equal(lost.caps, w.caps) {
		s.changed(w)
	}
	return w, nil
}

// repeat says again what the client said in the session before.
func (s *session) repeat(ctx context.Context, w *wire, f *frame.Frame) error {
	switch {
	case w.modern == nil:
		m := &streamable.Message{Body: f.Raw, Key: frame.Key(f.ID), Meta: w.meta()}
		return s.b.carrier(w).Exchange(ctx, m, func([]byte) (bool, error) { return true, nil })
	case f.Method == methodSetLevel:
		w.modern.SetLevel(f.Params)
	case f.Method == methodSubscribe:
		return w.modern.Subscribe(ctx, f.URI)
	}
	return nil
}

// changed tells the client that the server's lists have changed, as soon as the
// client may be told.
func (s *session) changed(w *wire) {
	s.b.stale.Store(false)
	s.mu.Lock()
	ready := s.ready != nil
	s.owes = !ready
	s.mu.Unlock()
	if ready {
		s.tellChanged(w)
	}
}

func (s *session) tellChanged(w *wire) {
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if kind == "tools" || frame.Get(w.caps, kind) != nil {
			s.b.announce(kind)
		}
	}
}

// remember keeps what has to be said again in a new session.
func (s *session) remember(c *call) {
	switch c.f.Method {
	case methodSetLevel, methodSubscribe, methodUnsubscribe:
	default:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := c.f
	if f.Method == methodSetLevel {
		s.level = &f
		return
	}
	kept := s.subs[:0:0]
	for _, old := range s.subs {
		if !bytes.Equal(old.URI, f.URI) {
			kept = append(kept, old)
		}
	}
	if f.Method == methodSubscribe && c.outcome == "" {
		kept = append(kept, &f)
	}
	s.subs = kept
}
