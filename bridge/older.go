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

// A backward is how a newer client is served whose server may speak only the older
// protocol: the client may have been answered in the server's place, by this bridge
// or by another one that it launched to find out. The zero value is ready.
type backward struct {
	doubt   atomic.Bool // the client was answered in the server's place, or the server refused it oddly
	newer   atomic.Bool // the server speaks the newer protocol, or neither
	session atomic.Pointer[session]
	find    singleflight.Group
}

// An older is what a session has beside the rest if its client is a newer one.
type older struct {
	mu      sync.Mutex
	result  []byte             // of initialize
	topics  map[string]int     // how many subscriptions name a resource, by URI
	errands map[string]*errand // by the key of their states
	number  int                // of the last request of the session's own
	last    int                // the number of the last errand
}

// introduced keeps what the server said of itself, for a newer client that asks.
func (s *session) introduced(result []byte) {
	if s.older != nil {
		s.older.mu.Lock()
		defer s.older.mu.Unlock()
		s.older.result = bytes.Clone(result)
	}
}

// throughEither sends a call of a newer client to the server, in a session if that
// turns out to speak only the older protocol. A client that asks which it is, and
// has not been told anything else before, gets the server's own words, so that it
// can go on with initialize.
func (b *bridge) throughEither(c *call) error {
	s, err := b.older(c)
	if err != nil {
		return err
	}
	if s == nil {
		if err = b.throughModern(c); err == nil || !b.refusedAsOlder(c, err) {
			return err
		}
		b.back.doubt.Store(true)
		if s, _ = b.older(c); s == nil {
			return err
		}
	}
	return b.throughOlder(c, s)
}

// refusedAsOlder reports whether a server that has not been heard in the newer
// protocol has refused a call in a way in which older ones refuse what they do not
// know. It has done nothing yet.
func (b *bridge) refusedAsOlder(c *call, err error) bool {
	return !b.back.newer.Load() && b.legacy.Load() == nil && c.f.Method != methodDiscover &&
		!c.touched && turnedAway(err) && !modernRefusal(err, nil)
}

// older returns the session in which a call of a newer client goes to the server;
// nil if that speaks the newer protocol, as far as one knows, or if the client
// speaks both and has begun a session itself.
func (b *bridge) older(c *call) (*session, error) {
	if !b.back.doubt.Load() || b.back.newer.Load() || b.legacy.Load() != nil {
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

// findOlder finds out what the server speaks, with the metadata of f, and makes
// the session if that is the older protocol.
func (b *bridge) findOlder(ctx context.Context, f frame.Frame) (*session, error) {
	if s := b.back.session.Load(); s != nil || b.back.newer.Load() {
		return s, nil // somebody was faster
	}
	init, err := translate.Initialize(f, frame.Set([]byte(`{"name":"Keyporter"}`), "version", text(b.opts.Version)))
	if err != nil {
		return nil, err
	}
	s, ready := newSession(b, init), translate.Ready
	s.older, s.ready = &older{topics: map[string]int{}, errands: map[string]*errand{}}, &ready
	if newer, err := s.speaksNewer(ctx); newer || err != nil {
		b.back.newer.Store(newer)
		return nil, err
	}
	var refused *rpcError
	switch _, err = s.establish(ctx, nil); {
	case errors.As(err, &refused) || err != nil && turnedAway(err):
		b.back.newer.Store(true) // it speaks neither, and says so best itself
		return nil, nil
	case err != nil:
		return nil, err
	}
	b.back.session.Store(s)
	return s, nil
}

// speaksNewer asks the server for server/discover, unless it is known whether it
// has that.
func (s *session) speaksNewer(ctx context.Context) (bool, error) {
	switch era := s.b.era(); {
	case era == account.EraModern || era == account.EraLegacy:
		return era == account.EraModern, nil
	case translate.Choose(s.b.answers(ctx)[methodDiscover]) != "":
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
		result := translate.DiscoverResult(s.older.result, c.modernVersion())
		s.older.mu.Unlock()
		return b.reply(c, result)
	case methodListen:
		return s.subscribe(c)
	}
	s.setLevel(c)
	e, err := s.errand(c)
	if err != nil {
		return err
	}
	err = e.serve(c)
	if err != nil && modernRefusal(err, nil) && b.back.session.CompareAndSwap(s, nil) {
		b.spawn(func() { s.end(b.ctx) }) // the server has become a newer one
	}
	return err
}

// setLevel tells the server the log level that a call asks for, if it is another
// than before: the older protocol has it for a whole session.
func (s *session) setLevel(c *call) {
	level, w := translate.Level(c.f), s.wire.Load()
	if level == nil || w == nil || frame.Get(w.caps, "logging") == nil || bytes.Equal(level, s.logLevel()) {
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
	c := &call{f: f, key: frame.Key(f.ID), over: s, began: s.b.opts.Now()}
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
