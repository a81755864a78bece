package bridge

import (
	"keyporter/bridge/frame"
)

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
