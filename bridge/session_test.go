package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSessionAndVersionStandOnEveryRequest(t *testing.T) {
	s := &server{session: "s1"}
	h := start(t, newAgent(serve(t, s)))
	h.open()
	h.send(`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	h.want(`{"jsonrpc":"2.0","id":2,"result":{}}`)
	h.end()
	if got := strings.Join(s.versions, " "); got != "2025-11-25 2025-11-25" {
		t.Errorf("versions %q", got)
	}
	if got := strings.Join(s.deletes, " "); got != "s1" {
		t.Errorf("sessions ended: %q, want s1", got)
	}
}

func TestRequestsWaitForInitializeAndForNotifications(t *testing.T) {
	s := &server{session: "s1"}
	h := start(t, newAgent(serve(t, s)))
	h.send(initialize, initialized, `{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	h.wantHas(`"id":1`)
	h.wantHas(`"id":2`)
	h.end()
	if len(s.seen) != 3 || s.seen[0] != initialize || s.seen[1] != initialized {
		t.Errorf("server saw %q", s.seen)
	}
}

func TestALostSessionIsMadeAnewOnceForAll(t *testing.T) {
	for _, status := range []int{404, 400} {
		s := &server{session: "s1"}
		var h http.Handler = s
		if status == 400 {
			h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.mu.Lock()
				stale := r.Header.Get("Mcp-Session-Id") != s.session && r.Header.Get("Mcp-Session-Id") != ""
				s.mu.Unlock()
				if stale {
					w.WriteHeader(400)
					io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}`)
					return
				}
				s.ServeHTTP(w, r)
			})
		}
		host := start(t, newAgent(serve(t, h)))
		host.open()
		host.send(`{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}}`)
		host.wantHas(`"id":2`)
		host.send(`{"jsonrpc":"2.0","id":3,"method":"resources/subscribe","params":{"uri":"a:b"}}`)
		host.wantHas(`"id":3`)
		s.mu.Lock()
		s.session, s.seen = "s2", nil
		s.mu.Unlock()
		const n = 20
		for i := range n {
			host.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"x"}}`, 100+i))
		}
		got := map[string]bool{}
		for range n {
			l := host.next()
			if got[idOf(l)] = true; !strings.Contains(l, `"result":{}`) {
				t.Errorf("answer %s", l)
			}
		}
		host.end()
		if len(got) != n || s.inits != 2 {
			t.Errorf("%d answers, %d initializes; want %d and 2", len(got), s.inits, n)
		}
		if len(s.seen) < 4 || s.seen[0] != initialize || s.seen[1] != initialized ||
			!strings.Contains(s.seen[2]+s.seen[3], "subscribe") || !strings.Contains(s.seen[2]+s.seen[3], "setLevel") {
			t.Errorf("new session began with %q", s.seen)
		}
	}
}

func TestServerRequestsAreAnsweredThroughTheBridge(t *testing.T) {
	answered := make(chan string, 1)
	s := &server{session: "s1"}
	s.call = func(w http.ResponseWriter, r *http.Request, body string) {
		events(w, "data: {\"jsonrpc\":\"2.0\",\"id\":\"srv\",\"method\":\"roots/list\"}\n\n")
		io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"roots\":"+<-answered+"}}\n\n")
	}
	h := start(t, newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if _, roots, ok := strings.Cut(string(body), `"id":"srv","result":`); ok {
			answered <- strings.TrimSuffix(roots, "}")
			w.WriteHeader(202)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.ServeHTTP(w, r)
	}))))
	h.open()
	h.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"r"}}`)
	h.want(`{"jsonrpc":"2.0","id":"srv","method":"roots/list"}`)
	h.send(`{"jsonrpc":"2.0","id":"srv","result":{"roots":[]}}`)
	h.want(`{"jsonrpc":"2.0","id":5,"result":{"roots":{"roots":[]}}}`)
}

// late answers after d, and calls of the tool never not at all.
func late(d time.Duration) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, r *http.Request, body string) {
		d := d
		if strings.Contains(body, "never") {
			d = time.Hour
		}
		select {
		case <-time.After(d):
			answer(w, body, `{"late":true}`)
		case <-r.Context().Done():
		}
	}
}

func TestTheEndLetsRequestsInFlightFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		s.call = late(3 * time.Second)
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(s))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slow"}}`, `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"never"}}`)
		began := time.Now()
		if err := h.end(); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != goodbye {
			t.Errorf("the end took %v, want the %v for what never ends", d, goodbye)
		}
		if !strings.Contains(h.out.String(), `{"jsonrpc":"2.0","id":2,"result":{"late":true}}`) || strings.Contains(h.out.String(), `"id":3`) {
			t.Errorf("bridge wrote\n%s", h.out.String())
		}
		if len(s.deletes) != 1 {
			t.Errorf("%d sessions ended, want 1", len(s.deletes))
		}
	})
}

func TestCancellingTheContextEndsTheBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(&server{session: "s1"}))
		h.open()
		h.stop()
		if err := h.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
}

// A signal ends the context; the host kills the process two seconds later.
func TestCancellingTheContextLetsWhatIsNearlyDoneFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		s.call = late(hurry / 2)
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(s))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slow"}}`, `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"never"}}`)
		synctest.Wait()
		began := time.Now()
		h.stop()
		h.want(`{"jsonrpc":"2.0","id":2,"result":{"late":true}}`)
		if err := h.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		if d := time.Since(began); d != hurry {
			t.Errorf("the end took %v, want %v", d, hurry)
		}
		if len(s.deletes) != 1 {
			t.Errorf("%d sessions ended, want 1", len(s.deletes))
		}
	})
}

func TestASecondInitializeEndsTheFirstSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(s))
		h.open()
		synctest.Wait()
		s.mu.Lock()
		s.session = "s2"
		s.mu.Unlock()
		h.send(initialize)
		h.wantHas(`"id":1`, `"result"`)
		synctest.Wait() // the first one is ended beside everything else
		h.end()
		if got := strings.Join(s.deletes, " "); got != "s1 s2" {
			t.Errorf("sessions ended: %q, want s1 and s2", got)
		}
	})
}

func TestARequestBehindInitializeCanBeTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &server{session: "s1"}
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-release
			s.ServeHTTP(w, r)
		})))
		h.send(initialize, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"a"}}`, `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"b"}}`,
			`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
		synctest.Wait()
		close(release)
		h.wantHas(`"id":1`)
		h.wantHas(`"id":3`)
		h.end()
		for _, body := range s.seen {
			if strings.Contains(body, `"id":2`) || strings.Contains(body, "cancelled") {
				t.Errorf("the server saw %s", body)
			}
		}
	})
}

func TestANotificationOfALostSessionIsSentAgainInTheNewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(s))
		h.open()
		synctest.Wait()
		s.mu.Lock()
		s.session, s.seen = "s2", nil
		s.mu.Unlock()
		note := `{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`
		h.send(note)
		synctest.Wait()
		if want := initialize + initialized + note; strings.Join(s.seen, "") != want {
			t.Errorf("the server saw %q", s.seen)
		}
	})
}

func TestModernNotificationsCarryTheirHeaderFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heads := make(chan http.Header, 1)
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			heads <- r.Header
			w.WriteHeader(202)
		})))
		h.send(`{"jsonrpc":"2.0","method":"notifications/x","params":{` + modernMeta + `}}`)
		got := <-heads
		if got.Get("Mcp-Protocol-Version") != "2026-07-28" || got.Get("Mcp-Method") != "notifications/x" {
			t.Errorf("header %v", got)
		}
	})
}
