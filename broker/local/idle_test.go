//go:build unix

package local

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A pipeListener hands out in-memory connections, which time in a synctest
// bubble can pass over.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (l *pipeListener) client() *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case l.conns <- theirs:
			return ours, nil
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}, agent: pong{API: APIVersion}}
}

const idleTime = 30 * time.Minute

// idling runs Serve in the bubble and returns the channel of its result.
func idling(t *testing.T, l net.Listener, b Broker, keep func() bool) <-chan error {
	result := make(chan error, 1)
	go func() {
		result <- Serve(t.Context(), l, b, ServeOptions{Version: "1", IdleTimeout: idleTime, KeepAlive: keep,
			peerOf: func(net.Conn) (Peer, error) { return Peer{}, nil }})
	}()
	return result
}

func endsAfter(t *testing.T, result <-chan error, want time.Duration) {
	t.Helper()
	begin := time.Now()
	if err := <-result; !errors.Is(err, ErrIdle) {
		t.Errorf("got %v, want ErrIdle", err)
	}
	if got := time.Since(begin); got != want {
		t.Errorf("ended after %v, want %v", got, want)
	}
}

func TestServeEndsWhenNobodyComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endsAfter(t, idling(t, newPipeListener(), new(fake), nil), idleTime)
	})
}

func TestACallBeginsTheIdleTimeAnewAndAnOpenConnectionDoesNotStopIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		result := idling(t, l, new(fake), nil)
		c := l.client()
		defer c.Close()
		for range 3 {
			time.Sleep(idleTime - time.Minute)
			if err := c.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		endsAfter(t, result, idleTime)
	})
}

func TestAnOpenStreamKeepsTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		result := idling(t, l, &fake{onWatch: func(ctx context.Context, _ func(*State) error) error {
			<-ctx.Done()
			return ctx.Err()
		}}, nil)
		c := l.client()
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*idleTime)
		defer cancel()
		err := c.Watch(ctx, Watch{}, func(*State) error { return nil })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the stream ended early: %v", err)
		}
		endsAfter(t, result, idleTime)
	})
}

func TestKeepAliveBeginsTheIdleTimeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		result := idling(t, newPipeListener(), new(fake), func() bool { return asked.Add(1) < 4 })
		endsAfter(t, result, 4*idleTime)
	})
}

func TestServeWaitsAtMostFiveSecondsForACallThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		stubborn := make(chan struct{})
		defer close(stubborn)
		b := &fake{onPause: func(context.Context) error { <-stubborn; return nil }}
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			result <- Serve(ctx, l, b, ServeOptions{Version: "1", peerOf: func(net.Conn) (Peer, error) { return Peer{}, nil }})
		}()
		c := l.client()
		called := make(chan error, 1)
		go func() { called <- c.Pause(t.Context()) }()
		synctest.Wait()
		begin := time.Now()
		cancel()
		if err := <-result; err != nil {
			t.Errorf("got %v", err)
		}
		if got := time.Since(begin); got != goodbye {
			t.Errorf("ended after %v, want %v", got, goodbye)
		}
		if err := <-called; !errors.Is(err, ErrAgentGone) {
			t.Errorf("the call got %v, want ErrAgentGone", err)
		}
	})
}
