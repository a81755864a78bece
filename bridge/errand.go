package bridge

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"keyporter/bridge/frame"
	"keyporter/bridge/translate"
	"keyporter/internal/hint"
)

const (
	inputLimit = 10 * time.Minute // how long the server waits for a client that has to act
	maxInputs  = 32               // requests of the server that one errand has open
)

// An errand is a request of a newer client on its way in a session with an older
// server. What the server asks the client meanwhile becomes a result of the kind
// input_required. The client then sends its request once more, as another call with
// another id, and with the answers (2026-07-28 basic/patterns/mrtr).
type errand struct {
	s      *session
	own    *call         // as the server has it
	number int           // errands of a session are counted
	state  []byte        // requestState, as JSON
	news   chan struct{} // has a value after the server has asked something
	done   chan struct{} // closed when the server has answered, or will not
	once   sync.Once     // of closing done

	// Not to be read before done is closed.
	answer   frame.Frame // of the server, for the client; Raw is nil if there is none
	err      error
	touched  bool // these three as in a call
	outcome  string
	received int64

	mu     sync.Mutex
	at     *call                  // the client's call that waits; nil while the client has to act
	caps   []byte                 // what the client can do
	inputs int                    // how many the client has been told of
	asked  []frame.Frame          // requests of the server that the client is yet to be told of
	open   map[string]frame.Frame // those that it has been told of, by the names it got for them
	expire *time.Timer            // of the client's time to act
}

var errInputs = hint.New(hint.Refused, "The client has too many requests to answer.", "Ask again later.")

// errand returns what a call is about: something new, or what the server has asked
// about before.
func (s *session) errand(c *call) (*errand, error) {
	if state := frame.Get(c.f.Params, "requestState"); state != nil {
		s.older.mu.Lock()
		e := s.older.errands[frame.Key(state)]
		s.older.mu.Unlock()
		if e == nil || !e.resume(c) {
			return nil, &rpcError{raw: frame.ErrorObject(codeInvalidParams, "The server does not wait for this answer any more. Send the request anew.", nil)}
		}
		return e, e.respond(c)
	}
	f, err := translate.Plain(c.f)
	if err != nil {
		return nil, err
	}
	e := &errand{s: s, at: c, caps: translate.Capabilities(c.f), open: map[string]frame.Frame{},
		news: make(chan struct{}, 1), done: make(chan struct{})}
	e.own = &call{f: f, key: c.key, over: s, errand: e, began: c.began, take: e.take}
	e.own.ctx, e.own.cancel = context.WithCancelCause(s.b.ctx)
	s.older.add(e)
	s.b.calls.running.Go(e.run)
	return e, nil
}

// add gives an errand its number, and makes it known.
func (o *older) add(e *errand) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	e.number, e.state = o.last, fmt.Appendf(nil, `"keyporter-call-%d"`, o.last)
	o.errands[frame.Key(e.state)] = e
}

// run has the server work on the errand.
func (e *errand) run() {
	e.end(frame.Frame{}, e.s.carry(e.own))
	e.s.b.calls.wait(e.own, false)
	e.own.cancel(nil)
}

// end says how the errand ended; only the first word counts.
func (e *errand) end(answer frame.Frame, err error) {
	e.once.Do(func() {
		e.answer, e.err = answer, err
		e.touched, e.outcome, e.received = e.own.touched, e.own.outcome, e.own.received
		close(e.done)
	})
}

// take keeps the server's answer until the client is there to get it.
func (e *errand) take(answer frame.Frame, msg []byte) error {
	if answer.Result != nil {
		msg = frame.Set(msg, "result", translate.Result(e.own.f.Method, frame.Get(msg, "result")))
	} else {
		msg = bytes.Clone(msg)
	}
	f, err := frame.Scan(msg)
	e.end(f, err)
	return err
}

// serve answers the client's call c with the server's answer, or with what the
// server asks.
func (e *errand) serve(c *call) error {
	for {
		select {
		case <-e.news:
			if result := e.told(); result != nil {
				return e.s.b.reply(c, result)
			}
		case <-e.done:
			e.forget()
			c.touched, c.outcome, c.received = c.touched || e.touched, e.outcome, c.received+e.received
			msg := e.answer.Raw
			if msg == nil {
				return e.err
			}
			if c.key != e.own.key {
				msg = frame.Set(msg, "id", c.f.ID)
			}
			return e.s.b.hand(c, e.answer, msg)
		case <-c.ctx.Done():
			e.abandon()
			return context.Cause(c.ctx)
		}
	}
}

// want takes a request of the server, if the client can be told of it.
func (e *errand) want(f frame.Frame) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := translate.Able(e.caps, f.Raw); err != nil {
		return err
	}
	if len(e.asked)+len(e.open) >= maxInputs {
		return errInputs
	}
	f, err := frame.Scan(bytes.Clone(f.OneLine()))
	if err == nil {
		e.ask(f)
	}
	return err
}

// ask puts a request of the server among those that the client is yet to be told
// of. The lock is held.
func (e *errand) ask(f frame.Frame) {
	e.asked = append(e.asked, f)
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// told returns the result that tells the client what the server asks; nil if that
// is nothing. From then on it is the client's turn.
func (e *errand) told() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.asked) == 0 {
		return nil
	}
	requests := []byte("{}")
	for _, f := range e.asked {
		e.inputs++
		name := fmt.Sprintf("input-%d", e.inputs)
		e.open[name] = f
		requests = frame.Set(requests, name, translate.Input(f))
	}
	e.asked, e.at = nil, nil
	e.s.b.calls.wait(e.own, true)
	e.expire = time.AfterFunc(inputLimit, e.abandon)
	result := frame.Set([]byte(`{"resultType":"input_required"}`), "inputRequests", requests)
	return frame.Set(result, "requestState", e.state)
}

// resume puts a call in the place of the one that was answered with what the server
// asks, and reports false if none was.
func (e *errand) resume(c *call) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.at != nil || e.own.f.Method != c.f.Method || !e.expire.Stop() {
		return false
	}
	e.at, e.caps = c, translate.Capabilities(c.f)
	e.s.b.calls.wait(e.own, false)
	return true
}

// respond gives the server the client's answers that c brings. What it leaves out
// is asked again.
func (e *errand) respond(c *call) error {
	given := frame.Get(c.f.Params, "inputResponses")
	var answers [][]byte
	e.mu.Lock()
	for name, f := range e.open {
		if result := frame.Get(given, name); result != nil {
			answers = append(answers, frame.NewResult(f.ID, result))
		} else {
			e.ask(f)
		}
	}
	clear(e.open)
	e.mu.Unlock()
	for _, answer := range answers {
		if err := e.s.respond(c.ctx, answer); err != nil {
			select {
			case <-e.done: // the server did not wait for it
			default:
				e.abandon()
				return err
			}
		}
	}
	return nil
}

// forget makes the errand unknown to the client.
func (e *errand) forget() {
	e.s.older.mu.Lock()
	defer e.s.older.mu.Unlock()
	delete(e.s.older.errands, frame.Key(e.state))
}

// abandon gives the errand up: the client has taken its request back, or never
// came again. An older server is told, because a closed stream means nothing to it
// (2025-11-25 basic/transports).
func (e *errand) abandon() {
	e.forget()
	b := e.s.b
	if !e.own.sent.Load() || e.own.ctx.Err() != nil || b.ctx.Err() != nil {
		e.own.cancel(errCancelled)
		return
	}
	b.calls.running.Go(func() {
		defer e.own.cancel(errCancelled)
		ctx, cancel := context.WithTimeout(b.ctx, deliveryLimit)
		defer cancel()
		params := frame.Set([]byte(`{"reason":"The client does not wait for it any more."}`), "requestId", e.own.f.ID)
		if f, err := frame.Scan(notification(noteCancelled, params)); err == nil {
			e.s.notify(ctx, f)
		}
	})
}
