package local

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// maxRequest bounds a request's body, in bytes.
	maxRequest = 16 << 20
	// maxAnswer bounds an answer, or one value of a stream. Answers of a server
	// may have been kept in several requests.
	maxAnswer = 64 << 20
	// goodbye bounds the wait for calls in progress when the server ends.
	goodbye = 5 * time.Second
	// stuck is after how long a peer that takes or sends nothing is given up.
	stuck = 30 * time.Second
)

// ErrIdle is what Serve returns when it ended because nobody used it.
var ErrIdle = errors.New("no clients for the idle time")

// ServeOptions are the settings of Serve.
type ServeOptions struct {
	// Version is the agent's version, for answers to programs of another
	// version. Required.
	Version string
	// IdleTimeout is after how long without a call in progress Serve ends. An
	// open stream is a call in progress, and that is how bridges and the tray
	// keep the agent; a connection that only stays open is none. Optional; zero
	// means never.
	IdleTimeout time.Duration
	// KeepAlive is asked when the idle time is over; true begins it anew.
	// Optional.
	KeepAlive func() bool
	// Log hears of refused peers. Optional.
	Log *slog.Logger

	// peerOf tells who is at the other end, and fails for one who must not be
	// there. Tests without a socket replace it; nil means verifiedPeer.
	peerOf func(net.Conn) (Peer, error)
}

// Serve answers calls on l with b, until ctx is done (it then returns nil), the
// idle time is over (ErrIdle) or l fails. It cancels the calls in progress, waits
// for them, 5 seconds at most, and closes l; of a *Listener it closes the
// socket only, so that the caller can put its files in order before Close
// gives up the lock.
//
// Only processes of this user are answered; other connections are closed
// without a word. The context of a call ends when its client disconnects, and
// PeerFrom finds the client's process in it.
func Serve(ctx context.Context, l net.Listener, b Broker, o ServeOptions) error {
	if o.Version == "" {
		return errors.New("serve the local API: Version is required")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	_, own := l.(*Listener)
	senders := own && o.peerOf == nil
	if o.peerOf == nil {
		o.peerOf = verifiedPeer
	}
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s := &server{broker: b, options: o, ending: calls, use: newUse()}
	hs := &http.Server{
		Handler:           s.handler(),
		BaseContext:       func(net.Listener) context.Context { return calls },
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return withPeer(ctx, c) },
		ConnState:         s.use.see,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: stuck,
		IdleTimeout:       10 * time.Minute, // longer than a Client's, so that clients close first
		MaxHeaderBytes:    16 << 10,
	}

	served := make(chan error, 1)
	go func() { served <- hs.Serve(&peerListener{Listener: l, peerOf: o.peerOf, senders: senders, log: o.Log}) }()
	err, returned := s.wait(ctx, served)

	closeSocket(l)
	cancel()
	hs.SetKeepAlivesEnabled(false)
	s.use.drain(goodbye)
	hs.Close()
	if !returned {
		<-served
	}
	return err
}

type server struct {
	broker  Broker
	options ServeOptions
	ending  context.Context // done when Serve ends; the parent of each call's context
	use     *use
}

// wait blocks until Serve must end and says why. returned is true if it was
// because served had a value.
func (s *server) wait(ctx context.Context, served <-chan error) (err error, returned bool) {
	var over <-chan time.Time
	rest := func() {}
	if s.options.IdleTimeout > 0 {
		t := time.NewTimer(s.options.IdleTimeout)
		defer t.Stop()
		over, rest = t.C, func() { t.Reset(s.options.IdleTimeout) }
	}
	for {
		select {
		case <-ctx.Done():
			return nil, false
		case err := <-served:
			return err, true
		case <-s.use.changed:
			rest()
		case <-over:
			if s.use.idle() && (s.options.KeepAlive == nil || !s.options.KeepAlive()) {
				return ErrIdle, false
			}
			rest()
		}
	}
}

// use knows which connections have a call in progress.
type use struct {
	changed chan struct{} // has room for one; told when a call begins or ends

	mu     sync.Mutex
	active map[net.Conn]bool
}

func newUse() *use {
	return &use{changed: make(chan struct{}, 1), active: map[net.Conn]bool{}}
}

// see is the http.Server's ConnState. A connection is active from the first
// byte of a request until the last byte of its answer is written.
func (u *use) see(c net.Conn, now http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	before := u.active[c]
	if now == http.StateActive {
		u.active[c] = true
	} else {
		delete(u.active, c)
	}
	if before == (now == http.StateActive) {
		return // opening or closing a connection is no call
	}
	select {
	case u.changed <- struct{}{}: // with the lock held, so that idle sees both or neither
	default:
	}
}

func (u *use) busy() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.active) > 0
}

// idle reports whether no call is in progress and none has begun or ended since
// u.changed was received from.
func (u *use) idle() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.active) == 0 && len(u.changed) == 0
}

// drain waits until no call is in progress, d at most. Nobody else may receive
// from u.changed any more.
func (u *use) drain(d time.Duration) {
	limit := time.NewTimer(d)
	defer limit.Stop()
	for u.busy() {
		select {
		case <-u.changed:
		case <-limit.C:
			return
		}
	}
}
