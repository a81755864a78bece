package bridge

import (
	"context"
	"errors"
	"io"
	"time"

	"keyporter/bridge/frame"
	"keyporter/bridge/stdio"
)

// Methods that the bridge knows by name.
const (
	methodInitialize   = "initialize"
	methodDiscover     = "server/discover"
	methodListTools    = "tools/list"
	methodCallTool     = "tools/call"
	methodListen       = "subscriptions/listen"
	methodPing         = "ping"
	methodSetLevel     = "logging/setLevel"
	methodSubscribe    = "resources/subscribe"
	methodUnsubscribe  = "resources/unsubscribe"
	noteInitialized    = "notifications/initialized"
	noteCancelled      = "notifications/cancelled"
	noteAcknowledged   = "notifications/subscriptions/acknowledged"
	newestLegacy       = "2025-11-25"
	versionWithBatches = "2025-03-26"
	versionWithHeader  = "2025-06-18" // the first with MCP-Protocol-Version
)

// readAll reads what the client writes until its end. A line that is no message
// is answered and does no harm to the next.
func (b *bridge) readAll() error {
	for {
		line, err := b.in.Read()
		var long *stdio.TooLongError
		switch {
		case errors.As(err, &long):
			b.log.Warn("message of the client is too long", "error", err)
			b.write(frame.NewError(frame.GuessID(long.Head, long.Tail), frame.ErrorObject(codeInvalidRequest, "Message is too large.", map[string]int{"limit": long.Limit})))
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		default:
			b.receive(line)
		}
		if b.ctx.Err() != nil {
			return context.Cause(b.ctx)
		}
	}
}

// receive takes one line of the client. Taking a request back overtakes what
// waits, and so do answers to the server, because the server may need one to
// finish what the others wait for.
func (b *bridge) receive(line []byte) {
	f, err := frame.Scan(line)
	if err != nil {
		b.log.Warn("line of the client is not JSON", "error", err)
		var id []byte
		if errors.Is(err, frame.ErrDepth) { // all else about it may be right
			id = frame.GuessID(line, line)
		}
		b.write(frame.NewError(id, frame.ErrorObject(codeParse, "Parse error: "+err.Error()+".", nil)))
		return
	}
	if f.Kind == frame.Notification && f.Method == noteCancelled && b.takeBack(f) {
		return
	}
	switch {
	case f.Kind == frame.Response:
		b.gate.overtake(b.ctx, f)
		b.dispatch(f)
	case b.gate.enter(b.ctx, f):
		b.dispatch(f)
	}
}

// dispatch starts the work on one message that has gone through the gate, which
// leave ends.
func (b *bridge) dispatch(f frame.Frame) {
	switch f.Kind {
	case frame.Request:
		b.begin(f)
	case frame.Notification, frame.Response:
		b.inOrder(f)
	case frame.Batch:
		b.dispatchBatch(f)
	default:
		id := f.ID
		if !f.HasID() {
			id = nil
		}
		b.reject(f, id, "Not a JSON-RPC message.")
	}
}

// begin starts the work on a request. From then on it can be taken back.
func (b *bridge) begin(f frame.Frame) {
	c := b.newCall(f)
	c.key = frame.Key(f.ID)
	c.version = b.eraOf(&f)
	b.calls.add(c)
	b.calls.running.Go(func() {
		b.serve(c)
		if f.Method == methodInitialize {
			b.gate.open()
		}
		b.leave(f)
	})
}

// leave ends the work on a message and lets others through in its place.
func (b *bridge) leave(f frame.Frame) {
	if !b.gate.leave(f) {
		return
	}
	for {
		f, ok := b.gate.next(func(f frame.Frame) {
			if f.Kind == frame.Request {
				b.begin(f)
			}
		})
		if !ok {
			return
		}
		if f.Kind != frame.Request {
			b.dispatch(f)
		}
	}
}

// reject answers what is no message.
func (b *bridge) reject(f frame.Frame, id []byte, why string) {
	b.write(frame.NewError(id, frame.ErrorObject(codeInvalidRequest, why, nil)))
	b.leave(f)
}

func (b *bridge) newCall(f frame.Frame) *call {
	c := &call{f: f, began: b.opts.Now()}
	c.after, c.stalled = b.lane.position()
	c.ctx, c.cancel = context.WithCancelCause(b.ctx)
	return c
}

// eraOf returns the modern version that a message names, or nothing for a legacy
// one (2026-07-28 basic/versioning: each request names its version).
func (b *bridge) eraOf(f *frame.Frame) string {
	v, ok := frame.Text(f.Version)
	if !ok || v <= newestLegacy {
		return ""
	}
	if old := b.modern.Load(); old == nil || *old != v {
		b.modern.Store(&v)
	}
	return v
}

// deliveryLimit is how long the server may take to accept a notification.
const deliveryLimit = 15 * time.Second

// inOrder sends f after the notifications and responses before it.
func (b *bridge) inOrder(f frame.Frame) {
	before, done := b.lane.join()
	b.calls.running.Go(func() {
		defer b.leave(f)
		defer close(done)
		if before != nil {
			<-before
		}
		ctx, cancel := context.WithTimeout(b.ctx, deliveryLimit)
		defer cancel()
		b.notify(ctx, f)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			b.lane.stall()
		}
	})
}

// takeBack handles notifications/cancelled and reports whether that is all there
// is to do. A modern request is cancelled by closing its stream (2026-07-28
// basic/patterns); a legacy server is told, because a closed stream means nothing
// to it (2025-11-25 basic/transports).
func (b *bridge) takeBack(f frame.Frame) bool {
	key := frame.Key(f.RequestID)
	if b.gate.remove(key) {
		return true
	}
	c := b.calls.get(key) // a request is among the calls before it leaves the gate
	switch {
	case c == nil:
		return b.legacy.Load() == nil
	case c.f.Method == methodInitialize:
		return true // it must not be cancelled
	case c.modern() || !c.sent.Load():
		c.cancel(errCancelled)
		return true
	}
	if c.cancelled.Swap(true) {
		return true // once is enough
	}
	b.calls.running.Go(func() {
		ctx, cancel := context.WithTimeout(b.ctx, deliveryLimit)
		defer cancel()
		b.notify(ctx, f)
		// The server may still answer, but nobody waits for ever.
		t := time.AfterFunc(goodbye, func() { c.cancel(errCancelled) })
		context.AfterFunc(c.ctx, func() { t.Stop() })
	})
	return true
}

// dispatchBatch takes a JSON array, which only 2025-03-26 has.
func (b *bridge) dispatchBatch(f frame.Frame) {
	s := b.legacy.Load()
	if s == nil || s.version() != versionWithBatches {
		b.reject(f, nil, "Batches are not part of this protocol version.")
		return
	}
	if isEmpty(f) { // JSON-RPC 2.0 section 6
		b.reject(f, nil, "The batch is empty.")
		return
	}
	if w := s.wire.Load(); b.policy().Active() || w.modern != nil {
		// What is looked at one by one is sent and answered one by one.
		b.gate.unpack(b.parts(f))
		b.leave(f)
		return
	}
	c := b.newCall(f)
	c.pending = map[string][]byte{}
	for raw := range frame.Elements(f.Raw) {
		e, err := frame.Scan(raw)
		if err != nil || e.Kind == frame.Invalid || e.Kind == frame.Batch || e.Method == methodInitialize {
			c.cancel(nil)
			b.reject(f, nil, "The batch has an element that cannot be in one.")
			return
		}
		if e.Kind == frame.Request {
			c.pending[frame.Key(e.ID)] = e.ID
		}
	}
	if len(c.pending) == 0 {
		c.cancel(nil)
		b.inOrder(f)
		return
	}
	b.calls.running.Go(func() {
		b.serve(c)
		b.leave(f)
	})
}

func isEmpty(batch frame.Frame) bool {
	for range frame.Elements(batch.Raw) {
		return false
	}
	return true
}

// parts returns the elements of a batch but for what takes requests back, which
// is done.
func (b *bridge) parts(f frame.Frame) (parts []frame.Frame) {
	for raw := range frame.Elements(f.Raw) {
		e, err := frame.Scan(raw[:len(raw):len(raw)])
		if err != nil || e.Kind == frame.Batch {
			e = frame.Frame{Kind: frame.Invalid, Raw: raw}
		}
		if e.Kind != frame.Notification || e.Method != noteCancelled || !b.takeBack(e) {
			parts = append(parts, e)
		}
	}
	return parts
}
