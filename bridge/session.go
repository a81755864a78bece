package bridge

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/bridge/translate"
)

// A wire is a legacy session as the server knows it. It does not change once it is in use.
type wire struct {
	id      string             // Mcp-Session-Id; empty if the server keeps none
	version string             // what was agreed on
	caps    []byte             // the server's capabilities
	line    *streamable.Line   // of HTTP+SSE; else nil
	modern  *translate.Session // not nil if the server only speaks the newer protocol

	// The life of the GET stream, which is that of the wire.
	ctx  context.Context
	stop context.CancelFunc
}

// meta returns the header fields of a message in the session
// (2025-06-18 basic/transports: MCP-Protocol-Version after initialize).
func (w *wire) meta() streamable.Meta {
	m := streamable.Meta{Session: w.id}
	if w.version >= versionWithHeader {
		m.Version = w.version
	}
	return m
}

// A session is the session of a legacy client. The server's side of it, the
// wire, may be lost and made anew, or not be there yet, without the client
// noticing.
type session struct {
	b    *bridge
	init frame.Frame // the client's initialize
	wire atomic.Pointer[wire]
	make singleflight.Group

	older *older // not nil if the client is a newer one

	mu      sync.Mutex
	closed  bool
	standIn bool           // the client's initialize was answered by us
	ready   *frame.Frame   // the client's notifications/initialized
	owes    bool           // the client is to hear that lists have changed
	level   *frame.Frame   // the last logging/setLevel
	subs    []*frame.Frame // resources/subscribe
}

func newSession(b *bridge, init frame.Frame) *session { return &session{b: b, init: init} }

// replaceSession makes s the session. A client that initializes again is done
// with the session before.
func (b *bridge) replaceSession(s *session) {
	if old := b.legacy.Swap(s); old != nil {
		b.spawn(func() { old.end(b.ctx) })
	}
}

// endSession ends what there is of sessions at the end of the bridge.
func (b *bridge) endSession(ctx context.Context) {
	for _, s := range []*session{b.legacy.Load(), b.back.session.Load()} {
		if s != nil {
			s.end(ctx)
		}
	}
}

// end tells the server that the session is over, in five seconds at most.
func (s *session) end(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	w := s.wire.Load()
	s.mu.Unlock()
	if w == nil {
		return
	}
	w.stop()
	if w.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	if err := s.b.http.End(ctx, w.meta()); err != nil {
		s.b.log.Debug("session not ended", "error", err)
	}
}

// version returns what client and server agreed on, or nothing yet.
func (s *session) version() string {
	if w := s.wire.Load(); w != nil {
		return w.version
	}
	return ""
}

// begin sends the client's own initialize.
func (s *session) begin(c *call) error {
	c.sent.Store(true)
	w, err := s.handshake(c.ctx, func(f frame.Frame) error { return s.b.answer(c, f) }, c)
	if err != nil || w == nil {
		return err
	}
	s.use(w)
	return nil
}

// initialize sends the client's initialize and gives take the answer. The wire is
// nil if the answer was an error. c may be nil.
func (s *session) initialize(ctx context.Context, via carrier, take func(frame.Frame) error, c *call) (*wire, error) {
	var id string
	var w *wire
	var odd oddity
	var unfit error
	m := &streamable.Message{Body: s.init.Raw, Key: frame.Key(s.init.ID), Header: func(h http.Header) { id, unfit = streamable.Session(h) }}
	err := via.Exchange(ctx, m, func(msg []byte) (bool, error) {
		if c != nil {
			c.received += int64(len(msg))
		}
		f, err := frame.Scan(msg)
		switch {
		case err != nil:
			odd.noteText(msg)
			return false, nil
		case f.Kind != frame.Response:
			return false, s.pass(c, f)
		case !ownAnswer(f, frame.Key(s.init.ID)):
			odd.note(otherRequest)
			return false, nil
		}
		if f.Result != nil {
			if unfit != nil {
				return false, unfit
			}
			v, _ := frame.Text(frame.Get(f.Result, "protocolVersion"))
			w = &wire{id: id, version: v, caps: bytes.Clone(frame.Get(f.Result, "capabilities"))}
		}
		return true, take(f)
	})
	return w, odd.explain(err)
}

// use puts w in place and returns what the client has sent as
// notifications/initialized by now. It reports false if the session is over.
func (s *session) use(w *wire) (ready *frame.Frame, ok bool) {
	if w.ctx == nil {
		w.ctx, w.stop = context.WithCancel(s.b.ctx)
	}
	s.mu.Lock()
	old := s.wire.Load()
	if s.closed {
		s.mu.Unlock()
		w.stop()
		return nil, false
	}
	s.wire.Store(w)
	ready = s.ready
	s.mu.Unlock()
	if old != nil {
		old.stop()
	}
	if ready != nil {
		s.listen(w)
	}
	return ready, true
}

// isReady reports whether the client has sent notifications/initialized, after
// which it may be told things.
func (s *session) isReady() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready != nil
}

// listen keeps the server's GET stream open, beside everything else. While
// requests may not go out, the stream is closed. What it returns is closed once
// the server has been asked for the stream, or there is no use in it.
func (s *session) listen(w *wire) <-chan struct{} {
	asked := make(chan struct{})
	started := sync.OnceFunc(func() { close(asked) })
	if w.modern != nil {
		w.modern.ListChanges(started)
		return asked
	}
	if w.line != nil {
		started() // the line is the stream
		return asked
	}
	s.b.spawn(func() {
		defer started()
		var at streamable.Position // kept when the stream is closed for a while
		for w.ctx.Err() == nil {
			if _, err := s.b.link.await(w.ctx, (*view).ready); err != nil {
				return
			}
			ctx, cancel := context.WithCancel(w.ctx)
			woke := s.b.woke.wait()
			s.b.spawn(func() {
				defer cancel()
				_, _ = s.b.link.await(ctx, func(v *view) bool { return !v.ready() })
			})
			s.b.spawn(func() {
				defer cancel()
				select {
				case <-woke:
				case <-ctx.Done():
				}
			})
			err := s.b.http.Listen(ctx, w.meta(), &at, s.heard, started)
			cut := ctx.Err() != nil
			cancel()
			if errors.Is(err, streamable.ErrSessionLost) {
				_, err = s.establish(s.b.ctx, w)
			}
			if !cut {
				s.b.log.Debug("GET stream ended", "error", err)
				return
			}
		}
	})
	return asked
}

// heard takes a message of the GET stream.
func (s *session) heard(msg []byte) (bool, error) {
	f, err := frame.Scan(msg)
	switch {
	case err != nil:
		return false, nil
	case f.Kind == frame.Batch && s.version() == versionWithBatches && s.older == nil:
		return false, s.b.write(f.OneLine())
	case f.Kind == frame.Batch:
		c := &call{}
		if s.older != nil {
			c.over = s
		}
		_, err = s.b.deliverBatch(c, f)
		return false, err
	}
	return false, s.pass(nil, f)
}

// clientReady takes the client's notifications/initialized. After it the server
// may speak by itself.
func (s *session) clientReady(ctx context.Context, f frame.Frame) {
	s.mu.Lock()
	first := s.ready == nil
	s.ready = &f
	owes := s.owes
	s.owes = false
	w := s.wire.Load()
	s.mu.Unlock()
	if w == nil {
		return // sent when the server is there
	}
	s.tellReady(ctx, w, &f)
	if first {
		// What comes next waits a moment, so that nothing the server says
		// because of it is lost before there is a stream for it.
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		select {
		case <-s.listen(w):
		case <-ctx.Done():
		}
	}
	if owes {
		s.tellChanged(w)
	}
}

// tellReady sends the client's notifications/initialized to the server.
func (s *session) tellReady(ctx context.Context, w *wire, f *frame.Frame) {
	if w.modern != nil {
		return // there is no handshake to finish
	}
	if err := s.b.carrier(w).Notify(ctx, &streamable.Message{Body: f.Raw, Meta: w.meta()}); err != nil {
		s.b.log.Warn("notification not accepted", "method", f.Method, "error", err)
	}
}
