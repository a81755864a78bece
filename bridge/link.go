package bridge

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// A link is the bridge's connection to the agent: it keeps the newest view and
// asks for tokens. It is the Access of the HTTP side.
type link struct {
	life    context.Context // of the whole connection; questions that several wait for run under it
	connect func(context.Context) (Agent, error)
	started func(context.Context) error // may be nil
	server  string
	now     func() time.Time
	log     *slog.Logger
	sent    *secret.Sent

	// Set before run: what to do while an agent that is being stopped still
	// answers, when an agent has been joined, and when requests may not go out any
	// more. Each may be nil.
	parting func(context.Context)
	joined  func()
	resting func()

	view  atomic.Pointer[view]
	known chan struct{} // closed when view is set for the first time
	first *view         // the one that was; read it once known is closed
	found chan struct{} // has a value after somebody has connected
	calls singleflight.Group

	mu      sync.Mutex
	agent   Agent         // nil if it has to be connected to
	changed chan struct{} // closed and replaced with each new view
}

func newLink(life context.Context, o *Options) *link {
	return &link{life: life, connect: o.Connect, started: o.Started, server: o.Server, now: o.Now, log: o.Log, sent: cmp.Or(o.Sent, &secret.Sent{}),
		known: make(chan struct{}), found: make(chan struct{}, 1), changed: make(chan struct{})}
}

// run follows what the agent says until the link's life ends. It goes on with
// what it knows while the agent is away, unless the user stopped Keyporter: then
// it knows nothing more that is secret, and waits for the start.
func (l *link) run() {
	ctx := l.life
	for wait := time.Duration(0); ; {
		began := l.now()
		joined, err := l.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		l.log.Debug("agent lost", "error", err)
		if joined && l.now().Sub(began) > time.Second {
			wait = 0 // it lived for a while: the next one is there at once
			continue
		}
		wait = min(max(2*wait, 100*time.Millisecond), 10*time.Second)
		if !l.rest(ctx, wait, hint.CodeOf(err) == hint.Stopped) {
			return
		}
	}
}

// rest waits before the next attempt to connect, until the start if the user
// stopped Keyporter, but not longer than it takes somebody else to connect. It
// reports false when ctx has ended.
func (l *link) rest(ctx context.Context, d time.Duration, stopped bool) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started := make(chan error, 1)
	if stopped && l.started != nil {
		d = 0
		go func() { started <- l.started(ctx) }()
		defer func() { cancel(); <-started }()
	}
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-over:
	case <-l.found:
	case err := <-started:
		started <- err // for the goodbye
	case <-ctx.Done():
		return false
	}
	return true
}

// follow connects and shows what the agent says until it says nothing more.
func (l *link) follow(ctx context.Context) (joined bool, err error) {
	a, err := l.get(ctx)
	if err == nil {
		select { // of one's own connecting
		case <-l.found:
		default:
		}
		err = a.Bridge(ctx, local.BridgeRequest{Server: l.server}, func(s *local.BridgeState) error {
			v := l.viewOf(s)
			l.show(v)
			if s.Status == local.Stopping {
				if l.parting != nil {
					l.parting(ctx)
				}
				return v.err
			}
			if !joined && l.joined != nil {
				l.joined()
			}
			joined = true
			return nil
		})
		l.drop(a)
	}
	if ctx.Err() == nil {
		l.lost(err)
	}
	return joined, err
}

// lost takes note of why there is no agent. What was known stays good, unless
// the user stopped Keyporter or the server is no longer in the list: then
// nothing secret is kept.
func (l *link) lost(err error) {
	old := l.view.Load()
	if err == nil {
		err = errors.New("agent ended the connection")
	}
	switch code := hint.CodeOf(err); {
	case old == nil, old.state == nil, code == hint.Stopped, code == hint.NotFound:
		l.sent.Forget()
		v := &view{err: hint.Of(err)}
		if old != nil && old.state != nil {
			s := *old.state
			s.Token, s.Further, s.SecretHeaders, s.SecretQuery, s.ProxyLogins = nil, nil, nil, nil, nil
			v.state = &s
		}
		l.show(v)
	}
}

// get returns the agent, connecting to it if need be.
func (l *link) get(ctx context.Context) (Agent, error) {
	l.mu.Lock()
	a := l.agent
	l.mu.Unlock()
	if a != nil {
		return a, nil
	}
	r, err := l.shared(ctx, "connect", time.Minute, func(ctx context.Context) (any, error) {
		a, err := l.connect(ctx)
		if err == nil {
			l.mu.Lock()
			l.agent = a
			l.mu.Unlock()
			select {
			case l.found <- struct{}{}:
			default:
			}
		}
		return a, err
	})
	if err != nil {
		return nil, err
	}
	return r.(Agent), nil
}

// drop forgets an agent that is gone.
func (l *link) drop(a Agent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.agent == a {
		l.agent = nil
	}
}

// shared runs f once for all who ask at the same time. Each leaves when its own
// ctx ends; f goes on until it is done, its time is over or the link ends.
func (l *link) shared(ctx context.Context, key string, limit time.Duration, f func(context.Context) (any, error)) (any, error) {
	ch := l.calls.DoChan(key, func() (any, error) {
		own, cancel := context.WithTimeout(l.life, limit)
		defer cancel()
		return f(own)
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-ch:
		return r.Val, r.Err
	}
}

// maxAgents is how many agents are asked one thing before it may be the question
// that ends them.
const maxAgents = 5

// ask calls f with the agent, and again with a new one if the agent turns out to be
// gone.
func (l *link) ask(ctx context.Context, f func(Agent) error) error {
	for n := 1; ; n++ {
		a, err := l.get(ctx)
		if err != nil {
			return err
		}
		if err = f(a); err == nil || n == maxAgents || ctx.Err() != nil || !l.gone(a, err) {
			return err
		}
		l.drop(a)
	}
}

// gone reports whether err means that the agent is not there any more: its
// stream has ended, or err is one of the connection and not the agent's answer.
func (l *link) gone(a Agent, err error) bool {
	l.mu.Lock()
	current := l.agent == a
	l.mu.Unlock()
	var words *hint.Error
	var network *net.OpError
	return !current || !errors.As(err, &words) || errors.As(err, &network) || errors.Is(err, local.ErrAgentGone)
}

// show puts v in place.
func (l *link) show(v *view) {
	l.mu.Lock()
	l.put(v)
	l.mu.Unlock()
	if !v.ready() && l.resting != nil {
		l.resting()
	}
}

// put is show with the lock held.
func (l *link) put(v *view) {
	if l.view.Swap(v) == nil {
		l.first = v
		close(l.known)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// current returns the view, waiting for the first one.
func (l *link) current(ctx context.Context) (*view, error) {
	if v := l.view.Load(); v != nil {
		return v, nil
	}
	select {
	case <-l.known:
		return l.view.Load(), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// latest is current for a call. Where no agent could be had before it, one is tried
// for again: what stood in the way may be over.
func (l *link) latest(ctx context.Context) (*view, error) {
	v := l.view.Load()
	if v == nil || v.ready() || v.state != nil {
		return l.current(ctx)
	}
	if code := hint.CodeOf(v.err); code == hint.Stopped || code == hint.NotFound {
		return v, nil
	}
	_, err := l.get(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return &view{err: hint.Of(err)}, nil
	}
	return l.await(ctx, func(w *view) bool { return w != v })
}

// await waits until ok says yes to the view.
func (l *link) await(ctx context.Context, ok func(*view) bool) (*view, error) {
	for {
		l.mu.Lock()
		v, changed := l.view.Load(), l.changed
		l.mu.Unlock()
		if v != nil && ok(v) {
			return v, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
