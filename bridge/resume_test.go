package bridge

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/local"
)

func TestACutStreamIsResumedWhereItBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var resumed string
		var began, again time.Time
		s := &server{session: "s1"}
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			events(w, "id: e1\nretry: 300\ndata: \n\nid: e2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n")
			began = time.Now()
		}
		s.get = func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get("Last-Event-Id")
			if id == "" {
				w.WriteHeader(405)
				return
			}
			again = time.Now()
			resumed = id + " " + r.Header.Get("Mcp-Session-Id") + " " + r.Header.Get("Mcp-Protocol-Version")
			events(w, "id: e3\ndata: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"late\":true}}\n\n")
		}
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(s))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"slow"}}`)
		h.want(`{"jsonrpc":"2.0","method":"notifications/message"}`)
		h.want(`{"jsonrpc":"2.0","id":5,"result":{"late":true}}`)
		h.end()
		if resumed != "e2 s1 2025-11-25" {
			t.Errorf("resumed with %q", resumed)
		}
		if d := again.Sub(began); d != 300*time.Millisecond {
			t.Errorf("resumed after %v, want the 300ms that the server asked for", d)
		}
	})
}

func TestAStreamThatCannotBeResumedIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		s := &server{session: "s1"}
		s.call = func(w http.ResponseWriter, r *http.Request, body string) { events(w, "id: e1\ndata: \n\n") }
		s.get = func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Last-Event-Id") == "e1" {
				tries++
			}
			w.WriteHeader(503)
		}
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(s))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"slow"}}`)
		h.wantHas(`"id":5`, "without an answer")
		if tries != 5 {
			t.Errorf("%d tries, want 5", tries)
		}
	})
}

func TestTheGETStreamComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		var ids []string
		s := &server{session: "s1"}
		s.get = func(w http.ResponseWriter, r *http.Request) {
			at, ids = append(at, time.Now()), append(ids, r.Header.Get("Last-Event-Id"))
			switch len(ids) {
			case 1:
				events(w, "retry: 2000\nid: a\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"first\"}\n\n")
			case 2:
				w.WriteHeader(503)
			default:
				events(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"second\"}\n\n")
				<-r.Context().Done()
			}
		}
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(s))
		h.open()
		h.want(`{"jsonrpc":"2.0","method":"first"}`)
		h.want(`{"jsonrpc":"2.0","method":"second"}`)
		h.end()
		if strings.Join(ids, ",") != ",a,a" {
			t.Errorf("Last-Event-ID %q, want none, a, a", ids)
		}
		if d := at[1].Sub(at[0]); d < 2*time.Second || d > 2200*time.Millisecond {
			t.Errorf("came back after %v, want the 2s that the server asked for", d)
		}
	})
}

func TestA401OnTheGETStreamRenewsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		a := newAgent("http://127.0.0.1/mcp")
		a.token = func(local.TokenRequest) (*local.Token, error) { return token("two", time.Time{}, time.Time{}), nil }
		s.get = func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+marker+"-two" {
				w.WriteHeader(401)
				return
			}
			events(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"heard\"}\n\n")
			<-r.Context().Done()
		}
		h := start(t, a, inMemory(s))
		h.open()
		h.want(`{"jsonrpc":"2.0","method":"heard"}`)
	})
}

func TestTheGETStreamIsAskedForBeforeWhatComesNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		var order []string
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			order = append(order, r.Method)
			s.mu.Unlock()
			s.ServeHTTP(w, r)
		})))
		h.send(initialize, initialized, `{"jsonrpc":"2.0","id":2,"method":"x"}`)
		h.wantHas(`"id":1`)
		h.wantHas(`"id":2`)
		if got := strings.Join(order, " "); got != "POST POST GET POST" {
			t.Errorf("requests %q", got)
		}
	})
}

// The token may have gone old while the stream was broken.
func TestA401OnResumptionRenewsTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		a := newAgent("http://127.0.0.1/mcp")
		a.token = func(local.TokenRequest) (*local.Token, error) { return token("two", time.Time{}, time.Time{}), nil }
		s.call = func(w http.ResponseWriter, r *http.Request, body string) { events(w, "id: e1\ndata: \n\n") }
		s.get = func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Header.Get("Last-Event-Id") == "":
				w.WriteHeader(405)
			case r.Header.Get("Authorization") != "Bearer "+marker+"-two":
				w.WriteHeader(401)
			default:
				events(w, "id: e2\ndata: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"late\":true}}\n\n")
			}
		}
		h := start(t, a, inMemory(s))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"slow"}}`)
		h.want(`{"jsonrpc":"2.0","id":5,"result":{"late":true}}`)
	})
}
