package bridge

import (
	"context"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/bridge/translate"
)

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
