package bridge

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/broker/local"
)

// A sleeper is a listener whose connections fall silent when the computer sleeps: what
// is sent on them afterwards arrives nowhere, and nobody says so.
type sleeper struct {
	net.Listener
	mu    sync.Mutex
	conns []*sleepyConn
}

type sleepyConn struct {
	net.Conn
	dead   atomic.Bool
	closed chan struct{}
	once   sync.Once
}

func (s *sleeper) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	one := &sleepyConn{Conn: c, closed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, one)
	return one, nil
}

func (s *sleeper) sleep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.dead.Store(true)
	}
}

func (c *sleepyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.dead.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *sleepyConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// The first call after sleep does not wait for a dead connection, neither one that was
// idle nor one of HTTP/2 with an open stream on it; and the stream is opened again.
func TestTheFirstCallAfterSleepIsAnswered(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			s := &server{session: "s1"}
			streams := make(chan struct{}, 10)
			s.get = func(w http.ResponseWriter, r *http.Request) {
				events(w, "id: e\ndata:\n\n")
				streams <- struct{}{}
				<-r.Context().Done()
			}
			ts := httptest.NewUnstartedServer(s)
			conns := &sleeper{Listener: ts.Listener}
			ts.Listener, ts.EnableHTTP2 = conns, http2
			ts.StartTLS()
			t.Cleanup(func() { ts.CloseClientConnections(); ts.Close() })
			ca := filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw}), 0o600); err != nil {
				t.Fatal(err)
			}
			agent := newAgent(ts.URL + "/mcp")
			agent.set(func(st *local.BridgeState) { st.CA = ca })
			var slept atomic.Int64
			h := start(t, agent, func(o *Options) {
				o.Now = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
			})
			h.open()
			<-streams
			h.send(faultyCall)
			h.wantHas(`"id":7`, `"result"`)
			for range 2 {
				conns.sleep()
				slept.Add(int64(time.Hour))
				h.send(faultyCall)
				h.wantHas(`"id":7`, `"result"`)
				<-streams
			}
		})
	}
}
