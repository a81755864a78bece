package bridge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/account"
)

// A lineServer is a server of HTTP+SSE.
type lineServer struct {
	endpoint string // what the stream names; empty is right
	mu       sync.Mutex
	lines    map[string]chan string // open streams by session; closed to break them off
	seen     []string
}

func (s *lineServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/msg":
		s.post(w, r)
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		s.stream(w, r)
	}
}

func (s *lineServer) stream(w http.ResponseWriter, r *http.Request) {
	line := make(chan string, 16)
	s.mu.Lock()
	if s.lines == nil {
		s.lines = map[string]chan string{}
	}
	id := fmt.Sprint(len(s.lines))
	s.lines[id] = line
	s.mu.Unlock()
	where := s.endpoint
	if where == "" {
		where = "/msg?session=" + id
	}
	events(w, "event: endpoint\ndata: "+where+"\n\n")
	for {
		select {
		case msg, ok := <-line:
			if !ok {
				return
			}
			events(w, "event: message\ndata: "+msg+"\n\n")
		case <-r.Context().Done():
			return
		}
	}
}

func (s *lineServer) post(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	body := string(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.lines[r.URL.Query().Get("session")]
	if line == nil {
		http.Error(w, "Session not found", http.StatusNotFound)
		return
	}
	s.seen = append(s.seen, body)
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, "Accepted")
	switch {
	case strings.Contains(body, `"initialize"`):
		line <- `{"jsonrpc":"2.0","id":1,"result":` + strings.Replace(initResult, "2025-11-25", "2024-11-05", 1) + `}`
	case strings.Contains(body, `"id"`) && strings.Contains(body, `"method"`):
		line <- `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"working"}}`
		line <- fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{}}`, idOf(body))
	}
}

// cut breaks all streams off and forgets the sessions.
func (s *lineServer) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, line := range s.lines {
		if line != nil {
			close(line)
		}
		s.lines[id] = nil
	}
}

func (a *fakeAgent) over(t account.Transport) *fakeAgent {
	a.state.Transport = t
	return a
}

func TestAServerOfHTTPWithEventsIsFoundOut(t *testing.T) {
	for _, transport := range []account.Transport{"", account.TransportSSE} {
		synctest.Test(t, func(t *testing.T) {
			s := &lineServer{}
			h := start(t, newAgent("http://127.0.0.1/sse").over(transport), inMemory(s))
			h.send(initialize)
			h.wantHas(`"id":1`, `"2024-11-05"`)
			h.send(initialized)
			const n = 20
			for i := range n {
				h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"x"}}`, 100+i))
			}
			answered := map[string]bool{}
			for range 2 * n {
				if l := h.next(); strings.Contains(l, `"result"`) {
					answered[idOf(l)] = true
				}
			}
			if len(answered) != n {
				t.Errorf("%d of %d calls answered", len(answered), n)
			}

			s.mu.Lock()
			s.lines["0"] <- `{"jsonrpc":"2.0","id":"q","method":"roots/list"}`
			s.mu.Unlock()
			h.want(`{"jsonrpc":"2.0","id":"q","method":"roots/list"}`)
			h.send(`{"jsonrpc":"2.0","id":"q","result":{"roots":[]}}`)
			synctest.Wait()
			s.mu.Lock()
			if got := s.seen[len(s.seen)-1]; got != `{"jsonrpc":"2.0","id":"q","result":{"roots":[]}}` {
				t.Errorf("server saw %s", got)
			}
			s.mu.Unlock()

			s.cut()
			h.send(`{"jsonrpc":"2.0","id":200,"method":"tools/call","params":{"name":"x"}}`)
			h.wantHas("working")
			h.want(`{"jsonrpc":"2.0","id":200,"result":{}}`)
			s.cut()
			<-time.After(5 * time.Second) // the bridge comes back by itself
			s.mu.Lock()
			if n := len(s.lines); n != 3 || s.lines["2"] == nil {
				t.Errorf("%d streams", n)
			}
			s.mu.Unlock()
		})
	}
}

func TestACallWhoseStreamBreaksOffIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &lineServer{}
		h := start(t, newAgent("http://127.0.0.1/sse"), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if b, _ := io.ReadAll(r.Body); strings.Contains(string(b), "faulty") {
				w.WriteHeader(http.StatusAccepted)
				go s.cut()
				return
			} else {
				r.Body = io.NopCloser(strings.NewReader(string(b)))
			}
			s.ServeHTTP(w, r)
		})))
		h.send(initialize)
		h.wantHas(`"id":1`, `"result"`)
		h.send(faultyCall)
		h.wantHas(`"id":7`, `"error"`, "without an answer")
	})
}

func TestAnEndpointElsewhereGetsNothing(t *testing.T) {
	for _, test := range []struct {
		endpoint  string
		transport account.Transport
		ok        bool
	}{
		{"https://evil.example/msg", account.TransportSSE, false},
		{"//evil.example/msg", "", false},
		{"http://127.0.0.1:81/msg", account.TransportSSE, false},
		{"/msg?session=0", "", false}, // another folder
		{"/msg?session=0", account.TransportSSE, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &lineServer{endpoint: test.endpoint}
			h := start(t, newAgent("http://127.0.0.1/tenant/sse").over(test.transport), inMemory(s))
			h.send(initialize)
			if test.ok {
				h.wantHas(`"id":1`, `"result"`)
				return
			}
			h.wantHas(`"id":1`, `"error"`, "where its token must not go")
			if len(s.seen) != 0 {
				t.Errorf("endpoint %s got %q", test.endpoint, s.seen)
			}
		})
	}
}

func TestTransportHTTPDoesNotFallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newAgent("http://127.0.0.1/sse").over(account.TransportHTTP), inMemory(&lineServer{}))
		h.send(initialize)
		h.wantHas(`"id":1`, `"status":405`)
	})
}
