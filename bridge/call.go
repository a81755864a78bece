package bridge

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
)

// errCancelled is the cause when the client took a request back.
var errCancelled = errors.New("cancelled by the client")

// A call is one request of the client, or one batch, on its way.
type call struct {
	f       frame.Frame
	key     string            // of the id; empty for a batch
	version string            // 2026-07-28 or later; empty for a legacy request
	pending map[string][]byte // of a batch: ids without an answer, by key
	ctx     context.Context   // ends with the call
	cancel  context.CancelCauseFunc
	after   <-chan struct{} // closed when the notifications before it are delivered; may be nil
	stalled <-chan struct{} // closed when the server does not accept one of them in time
	began   time.Time

	// Gets the answer in place of the client, for a request of the bridge's own.
	// msg is the whole message, as the client would get it.
	take func(answer frame.Frame, msg []byte) error
	// In a session of a newer client with an older server: the session, and the
	// errand that the call is part of, if it is not the session's own.
	over   *session
	errand *errand

	sent      atomic.Bool // it has gone to the server
	listens   atomic.Bool // a modern subscription that was acknowledged to the client
	cancelled atomic.Bool // legacy: the server has been told
	answered  atomic.Bool // the client has its answer

	// For the goroutine that serves the call.
	touched  bool                    // something came back
	acked    bool                    // the acknowledgement of a subscription has been sent by us
	outcome  string                  // for the audit log; empty means ok
	received int64                   // bytes
	odd      oddity                  // about the messages that came
	refused  *streamable.StatusError // how the server refused it last; forgotten when it is sent again
}

// modern reports whether the call is of 2026-07-28 or later.
func (c *call) modern() bool { return c.version != "" }

// claim reports whether the call's answer may go to the client now: it is the first
// one, and the client still waits. To a client that took a request back a late
// answer is one to a request that it does not know.
func (c *call) claim() bool { return !c.cancelled.Load() && c.answered.CompareAndSwap(false, true) }

// calls are the requests on their way.
type calls struct {
	running group // goroutines that serve calls or deliver notifications

	mu      sync.Mutex
	byKey   map[string]*call
	waiting map[*call]bool // waiting for a person, or open for ever
	closing bool           // the client has closed its end
}

func (cs *calls) add(c *call) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.byKey == nil {
		cs.byKey = map[string]*call{}
	}
	cs.byKey[c.key] = c
}

func (cs *calls) remove(c *call) {
	cs.mu.Lock()
	if cs.byKey[c.key] == c {
		delete(cs.byKey, c.key)
	}
	delete(cs.waiting, c)
	cs.mu.Unlock()
	c.cancel(nil)
}

func (cs *calls) get(key string) *call {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.byKey[key]
}

// wait marks a call as one that does not hold up the end.
func (cs *calls) wait(c *call, on bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if !on {
		delete(cs.waiting, c)
		return
	}
	if cs.waiting == nil {
		cs.waiting = map[*call]bool{}
	}
	if cs.waiting[c] = true; cs.closing {
		c.cancel(errClosing)
	}
}

// listening returns the modern subscriptions that the client has open.
func (cs *calls) listening() []*call {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var open []*call
	for _, c := range cs.byKey {
		if c.listens.Load() {
			open = append(open, c)
		}
	}
	return open
}

// endWaiting breaks off the calls that wait, those that will, too.
func (cs *calls) endWaiting() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closing = true
	for c := range cs.waiting {
		c.cancel(errClosing)
	}
}

// A lane is the order of notifications and responses: each waits for the one before.
// Requests wait for those before them, unless the server does not accept one in time:
// it may accept none, and each of them takes that long.
type lane struct {
	mu      sync.Mutex
	tail    chan struct{} // closed when the last one is delivered
	stalled chan struct{} // closed when one is not accepted in time; nil if no request waits
}

// join returns what to wait for and what to close when done.
func (l *lane) join() (before <-chan struct{}, done chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, done = l.tail, make(chan struct{})
	l.tail = done
	return before, done
}

// position returns what a request has to wait for, either of them; nil if there is
// nothing.
func (l *lane) position() (after, stalled <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tail == nil {
		return nil, nil
	}
	select {
	case <-l.tail:
		l.tail = nil
		return nil, nil
	default:
	}
	if l.stalled == nil {
		l.stalled = make(chan struct{})
	}
	return l.tail, l.stalled
}

// stall lets the requests go on that wait.
func (l *lane) stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled != nil {
		close(l.stalled)
		l.stalled = nil
	}
}
