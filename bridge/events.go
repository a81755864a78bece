package bridge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/broker/account"
)

// A carrier brings messages to the server and answers back: Streamable HTTP, or
// the line of a session over HTTP+SSE.
type carrier interface {
	Exchange(ctx context.Context, m *streamable.Message, sink streamable.Sink) error
	Notify(ctx context.Context, m *streamable.Message) error
}

// carrier returns how messages of the wire's session travel.
func (b *bridge) carrier(w *wire) carrier {
	if w != nil && w.line != nil {
		return w.line
	}
	return b.http
}

// transport returns what the user set for the server.
func (b *bridge) transport() account.Transport {
	if v := b.link.view.Load(); v != nil && v.state != nil {
		return v.state.Transport
	}
	return ""
}

// mayBeEvents reports whether a server that refused to initialize may be one of
// HTTP+SSE (2025-03-26 basic/transports, backward compatibility).
func (b *bridge) mayBeEvents(err error) bool {
	var e *streamable.StatusError
	if b.transport() == account.TransportHTTP || !errors.As(err, &e) {
		return false
	}
	return e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed
}

// overEvents is initialize over HTTP+SSE. The error is streamable.ErrNotOffered
// if the server has no such thing.
func (s *session) overEvents(ctx context.Context, take func(frame.Frame) error, c *call) (*wire, error) {
	life, stop := context.WithCancel(s.b.ctx)
	open := context.AfterFunc(ctx, stop)
	line, err := s.b.http.Open(life, s.b.transport() == account.TransportSSE)
	if err != nil {
		stop()
		return nil, err
	}
	ended := make(chan struct{})
	s.b.spawn(func() {
		defer close(ended)
		err := line.Run(answerKey, s.heard)
		s.b.log.Debug("HTTP+SSE ended", "error", err)
	})
	w, err := s.initialize(ctx, line, take, c)
	if w == nil || err != nil || !open() {
		stop()
		return nil, err
	}
	w.line, w.ctx, w.stop = line, life, stop
	s.b.spawn(func() { s.reopen(w, ended) })
	return w, nil
}

// answerKey names the request that a message answers.
func answerKey(msg []byte) string {
	f, err := frame.Scan(msg)
	if err != nil || f.Kind != frame.Response || !f.HasID() {
		return ""
	}
	return frame.Key(f.ID)
}

// reopen begins the session anew when its line broke off, or the computer
// has slept, so that the server can
// speak again before the client does.
func (s *session) reopen(w *wire, ended <-chan struct{}) {
	select {
	case <-ended:
	case <-s.b.woke.wait():
	case <-w.ctx.Done():
		return
	}
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.ctx.Done():
		return
	}
	if _, err := s.establish(w.ctx, w); err != nil {
		s.b.log.Debug("HTTP+SSE not opened again", "error", err)
	}
}
