package streamable

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A hole is a network in memory. Once it swallows, connections that are open take
// what comes and bring nothing, and close nothing: to both ends they look alive.
type hole struct {
	accept chan net.Conn
	now    atomic.Pointer[atomic.Bool] // for connections that are made from now on
	dials  atomic.Int32
	once   sync.Once
}

func newHole() *hole {
	h := &hole{accept: make(chan net.Conn)}
	h.now.Store(&atomic.Bool{})
	return h
}

// swallow makes a hole of the connections that are open.
func (h *hole) swallow() { h.now.Swap(&atomic.Bool{}).Store(true) }

func (h *hole) DialContext(context.Context, string, string) (net.Conn, error) {
	h.dials.Add(1)
	here, there := net.Pipe()
	gone := h.now.Load()
	h.accept <- swallowed{there, gone}
	return swallowed{here, gone}, nil
}

func (h *hole) Accept() (net.Conn, error) {
	c, ok := <-h.accept
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (h *hole) Close() error   { h.once.Do(func() { close(h.accept) }); return nil }
func (h *hole) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

type swallowed struct {
	net.Conn
	gone *atomic.Bool
}

func (s swallowed) Write(p []byte) (int, error) {
	if s.gone.Load() {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

type open struct{ cred *Credentials }

func (o open) Credentials(context.Context) (*Credentials, error) { return o.cred, nil }
func (o open) Renew(context.Context, *Credentials, string, []string) (*Credentials, error) {
	return o.cred, nil
}

// across returns a client of a server behind a hole, over HTTP/2 or not.
func across(t *testing.T, h *hole, h2 bool, handler http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Listener.Close()
	s.Listener, s.EnableHTTP2 = h, h2
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	tr := NewTransport()
	tr.DialContext, tr.Proxy = h.DialContext, nil
	tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	if !h2 {
		tr.ForceAttemptHTTP2 = false
		tr.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	t.Cleanup(func() { tr.CloseIdleConnections(); s.CloseClientConnections(); s.Close() })
	u, err := url.Parse("https://mcp.example/mcp")
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Access: open{&Credentials{URL: u}}, Transport: tr, UserAgent: "test", Log: slog.New(slog.DiscardHandler)})
}

func answerAll(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{}}`)
}

func once([]byte) (bool, error) { return true, nil }

func TestAHalfOpenHTTP2ConnectionIsFoundByAPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHole()
		c := across(t, h, true, answerAll)
		call := func() error {
			return c.Exchange(t.Context(), &Message{Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`)}, once)
		}
		if err := call(); err != nil {
			t.Fatal(err)
		}
		h.swallow()
		began := time.Now()
		if err := call(); err == nil {
			t.Error("a call over a connection that brings nothing is answered")
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("the call failed after %v", took)
		}
		if err := call(); err != nil || h.dials.Load() != 2 {
			t.Errorf("the next call: %v, with %d connections", err, h.dials.Load())
		}
	})
}

func TestAGETStreamThatBringsNothingIsAskedForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHole()
		var streams atomic.Int32
		var last atomic.Value
		c := across(t, h, false, func(w http.ResponseWriter, r *http.Request) {
			streams.Add(1)
			last.Store(r.Header.Get("Last-Event-Id"))
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "id: e1\ndata:\n\n")
			w.(http.Flusher).Flush()
			for tick := time.NewTicker(time.Minute); ; {
				select {
				case <-tick.C:
					io.WriteString(w, ":\n") // alive
					w.(http.Flusher).Flush()
				case <-r.Context().Done():
					tick.Stop()
					return
				}
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		var at Position
		go func() { ended <- c.Listen(ctx, Meta{}, &at, once, func() {}) }()
		<-time.After(30 * time.Minute)
		if n := streams.Load(); n != 1 {
			t.Errorf("a stream that is alive is asked for %d times", n)
		}
		h.swallow()
		<-time.After(quiet + time.Minute)
		if n := streams.Load(); n != 2 || last.Load() != "e1" {
			t.Errorf("%d streams, the last from %q", n, last.Load())
		}
		cancel()
		<-ended
	})
}
