package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// A server is a legacy MCP server whose answers a test can change.
type server struct {
	mu       sync.Mutex
	session  string // what it gives out and wants back
	inits    int
	seen     []string // "METHOD body" of requests that were let through
	deletes  []string
	versions []string                                                  // MCP-Protocol-Version of each POST after initialize
	call     func(w http.ResponseWriter, r *http.Request, body string) // answers other requests
	get      http.HandlerFunc                                          // answers GET; nil: 405
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	session := s.session
	get, call := s.get, s.call
	switch {
	case r.Method == http.MethodDelete:
		s.deletes = append(s.deletes, r.Header.Get("Mcp-Session-Id"))
		s.mu.Unlock()
		return
	case strings.Contains(string(body), `"initialize"`):
		s.inits++
		s.seen = append(s.seen, string(body))
		s.mu.Unlock()
		w.Header().Set("Mcp-Session-Id", session)
		answer(w, string(body), initResult)
		return
	case session != "" && r.Header.Get("Mcp-Session-Id") != session:
		s.mu.Unlock()
		http.Error(w, "session not found", http.StatusNotFound)
		return
	}
	if r.Method == http.MethodPost {
		s.seen = append(s.seen, string(body))
		s.versions = append(s.versions, r.Header.Get("Mcp-Protocol-Version"))
	}
	s.mu.Unlock()
	switch {
	case r.Method == http.MethodGet && get != nil:
		get(w, r)
	case r.Method == http.MethodGet:
		http.Error(w, "no", http.StatusMethodNotAllowed)
	case !strings.Contains(string(body), `"id"`) || !strings.Contains(string(body), `"method"`):
		w.WriteHeader(http.StatusAccepted)
	case call != nil:
		call(w, r, string(body))
	default:
		answer(w, string(body), `{}`)
	}
}

// answer answers a request in JSON. Test requests write "id": before "method".
func answer(w http.ResponseWriter, body, result string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, idOf(body), result)
}

func idOf(body string) string {
	_, rest, _ := strings.Cut(body, `"id":`)
	id, _, _ := strings.Cut(rest, ",")
	return id
}

func events(w http.ResponseWriter, s string) {
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, s)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// open initializes the session of h.
func (h *host) open() {
	h.t.Helper()
	h.send(initialize)
	h.want(`{"jsonrpc":"2.0","id":1,"result":` + initResult + `}`)
	h.send(initialized)
}

func TestMessagesPassUnchanged(t *testing.T) {
	for _, body := range []string{
		`{"id":12345678901234567890,"x-unknown":{"a":[1.0,1e2]},"jsonrpc":"2.0","method":"tools/call","params":{"name":"a","arguments":{"big":123456789012345678901234567890}}}`,
		`{"jsonrpc":"2.0","id":"ünï","method":"custom/method","params":[1,2]}`,
		`{"jsonrpc":"2.0","id":1.5,"method":"x"}`,
		`{"jsonrpc":"2.0","id":-7,"method":"x","params":{"_meta":{"progressToken":"p","other":null}}}`,
		`{ "jsonrpc" : "2.0" , "id":"\u0061" , "method":"x" }`,
	} {
		var got string
		result := `{ "z":1,"a":{"big":123456789012345678901234567890,"f":1.0},"s":"\u00e9\/ü" }`
		url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			got = string(b)
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			fmt.Fprintf(w, `{"result":%s,"extra":true,"id":%s,"jsonrpc":"2.0"}`, result, strings.TrimSpace(idOf(got)))
		}))
		h := start(t, newAgent(url))
		h.send(body)
		h.want(fmt.Sprintf(`{"result":%s,"extra":true,"id":%s,"jsonrpc":"2.0"}`, result, strings.TrimSpace(idOf(body))))
		h.end()
		if got != body {
			t.Errorf("server got\n %s\nwant\n %s", got, body)
		}
	}
}

func TestLineBreaksInAnswersBecomeSpaces(t *testing.T) {
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, "{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\": 1,\n  \"result\": {}\n}\n")
	}))
	h := start(t, newAgent(url))
	h.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
	h.want(`{   "jsonrpc": "2.0",    "id": 1,   "result": {} } `)
}

func TestBadLinesAreAnsweredAndForgotten(t *testing.T) {
	h := start(t, newAgent(serve(t, &server{})), func(o *Options) { o.MaxLine = 100_000 })
	h.send("not json", "", `{"id":{},"method":"x"}`, `[]`)
	h.want(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error: not valid JSON."}}`)
	h.want(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Not a JSON-RPC message."}}`)
	h.want(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Batches are not part of this protocol version."}}`)
	h.send(`{"jsonrpc":"2.0","id":44,"method":"x","params":"` + strings.Repeat("x", 200_000) + `"}`)
	h.want(`{"jsonrpc":"2.0","id":44,"error":{"code":-32600,"message":"Message is too large.","data":{"limit":100000}}}`)
	h.send(`{"id":2,"method":"x","params":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`)
	h.wantHas(`"code":-32700`, "nested too deeply")
	h.send(`{"jsonrpc":"2.0","id":3,"method":"ping"}`)
	h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
}

func TestOddAnswersBecomeErrorsForTheirRequest(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   []string
	}{
		{"error with id null", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad","data":{"k":1}},"id":null}`)
		}, []string{`{"jsonrpc":"2.0","id":"q","error":{"code":-32000,"message":"Bad","data":{"k":1}}}`}},
		{"error with id null and status 200", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad"},"id":null}`)
		}, []string{`{"jsonrpc":"2.0","id":"q","error":{"code":-32000,"message":"Bad"}}`}},
		{"plain 500", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "it\x00 broke\n"+r.Header.Get("Authorization"), 500)
		}, []string{`"id":"q"`, `"code":-32603`, `"status":500`, `"keyporter":"unreachable"`, `"excerpt":"it broke Bearer REDACTED"`}},
		{"404", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, []string{`"id":"q"`, `"status":404`, "no MCP server at this address"}},
		{"429", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) }, []string{`"status":429`, `"retryAfter":"7"`}},
		{"403 with a missing scope", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="x", error="insufficient_scope", scope="files:write"`)
			w.WriteHeader(403)
		}, []string{`"status":403`, `a permission is missing (files:write)`, `"keyporter":"refused"`}},
		{"403", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) }, []string{`"status":403`, "refuses this request"}},
		{"sign-in page", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>Sign in</html>")
		}, []string{`"status":200`, "did not answer as an MCP server does"}},
		{"no answer", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(202) }, []string{`"id":"q"`, "without an answer"}},
		{"empty stream", func(w http.ResponseWriter, r *http.Request) { events(w, ": nothing\n\n") }, []string{`"id":"q"`, "without an answer"}},
		{"not JSON", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"id":"q",`)
		}, []string{`"id":"q"`, "without an answer"}},
		{"stray events", func(w http.ResponseWriter, r *http.Request) {
			events(w, "data: ping\n\nevent: ping\ndata: {}\n\ndata\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"result\":{}}\n\n")
		}, []string{`{"jsonrpc":"2.0","id":"q","result":{}}`}},
		{"302", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", 302) }, []string{`"status":302`}},
		{"too large", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, strings.Repeat(" ", 200_000))
		}, []string{`"id":"q"`, "too large"}},
		{"cut", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, []string{`"id":"q"`, "cannot be reached"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAgent(serve(t, test.answer))
			h := start(t, a, func(o *Options) { o.MaxLine = 100_000 })
			h.send(`{"jsonrpc":"2.0","id":"q","method":"tools/call","params":{"name":"t"}}`)
			h.wantHas(test.want...)
			h.end()
			if len(a.records) != 1 || a.records[0].Name != "t" || a.records[0].Method != "tools/call" {
				t.Errorf("audit: %+v", a.records)
			}
		})
	}
}

func TestAServerThatIsAwayIsAnError(t *testing.T) {
	h := start(t, newAgent("http://"+freeAddress(t)+"/mcp"))
	h.send(initialize)
	h.wantHas(`"id":1`, `"error"`, "cannot be reached")
}

func TestDiscoverOnALegacyServerIsAnsweredSoThatClientsFallBack(t *testing.T) {
	for status, body := range map[int]string{
		400: `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null}`,
		404: "404 page not found", 405: "no",
	} {
		h := start(t, newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, body, status) }))))
		h.send(`{"jsonrpc":"2.0","id":9,"method":"server/discover","params":{` + modernMeta + `}}`)
		if status == 400 {
			h.want(`{"jsonrpc":"2.0","id":9,"error":{"code":-32000,"message":"Bad Request: Server not initialized"}}`)
		} else {
			h.wantHas(`"id":9`, `"code":-32601`)
		}
		h.end()
	}
}

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

// inMemory runs the bridge against h without a network, so that time can be faked.
func inMemory(h http.Handler) func(*Options) {
	return func(o *Options) { o.Transport = memory{h} }
}

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

func TestA401IsRenewedOnceForAllAndRepeated(t *testing.T) {
	s := &server{session: "s1"}
	a := newAgent("")
	a.token = func(r local.TokenRequest) (*local.Token, error) { return token("two", time.Time{}, time.Time{}), nil }
	var refuse atomic.Bool
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := "Bearer " + marker + "-one"
		if refuse.Load() {
			want = "Bearer " + marker + "-two"
		}
		if r.Header.Get("Authorization") != want {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(401)
			return
		}
		s.ServeHTTP(w, r)
	}))
	a.state.URL = url
	h := start(t, a)
	h.open()
	refuse.Store(true)
	const n = 20
	for i := range n {
		h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"x"}}`, 100+i))
	}
	for range n {
		h.wantHas(`"result":{}`)
	}
	h.end()
	got := a.asked()
	if len(got) != 1 || got[0].Name != "acme" || got[0].Refused != "hash-one" || len(got[0].Challenge) != 1 || got[0].Challenge[0] != `Bearer error="invalid_token"` {
		t.Errorf("agent was asked %+v, want once for hash-one", got)
	}
}

func TestATokenThatIsRefusedTwiceIsAnError(t *testing.T) {
	a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) })))
	a.token = func(local.TokenRequest) (*local.Token, error) { return token("two", time.Time{}, time.Time{}), nil }
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	h.wantHas(`"id":1`, "refuses the token", `"status":401`)
}

func TestAnExpiredTokenIsRenewedBeforeUse(t *testing.T) {
	s := &server{}
	var used atomic.Value
	a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		used.Store(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "+marker+"-"))
		s.ServeHTTP(w, r)
	})))
	now := time.Now()
	a.state.Token = token("old", now.Add(-2*time.Minute), now.Add(-time.Minute))
	a.token = func(local.TokenRequest) (*local.Token, error) { return token("new", time.Time{}, time.Time{}), nil }
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	h.wantHas(`"result"`)
	if used.Load() != "new" {
		t.Errorf("token %q was used", used.Load())
	}
}

func TestATokenThatIsDueIsRenewedBesideTheRequest(t *testing.T) {
	s := &server{}
	a := newAgent(serve(t, s))
	now := time.Now()
	a.state.Token = token("due", now.Add(-time.Second), now.Add(time.Hour))
	asked := make(chan struct{})
	a.token = func(local.TokenRequest) (*local.Token, error) {
		<-asked // the request does not wait for this
		return token("new", time.Time{}, time.Time{}), nil
	}
	h := start(t, a)
	for i := range 3 {
		h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, i))
		h.wantHas(`"result"`)
	}
	close(asked)
	h.end()
	if got := a.asked(); len(got) != 1 || got[0].Refused != "" {
		t.Errorf("agent was asked %+v, want once", got)
	}
}

func TestAnAgentThatDiesIsNotMissedUntilItIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Bool
		s := &server{}
		a := newAgent("http://127.0.0.1/mcp")
		a.token = func(local.TokenRequest) (*local.Token, error) { return token("two", time.Time{}, time.Time{}), nil }
		h := start(t, a, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refused.Load() && r.Header.Get("Authorization") != "Bearer "+marker+"-two" {
				w.WriteHeader(401)
				return
			}
			s.ServeHTTP(w, r)
		})))
		h.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
		h.wantHas(`"id":1`, `"result"`)
		a.die(errors.New("dial: connection refused"))
		synctest.Wait()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"x"}`)
		h.wantHas(`"id":2`, `"result"`)

		refused.Store(true)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"x"}`)
		h.wantHas(`"id":3`, `"error"`)
		a.mu.Lock()
		a.refuse = nil // the next Connect starts it
		before := a.connects
		a.mu.Unlock()
		h.send(`{"jsonrpc":"2.0","id":4,"method":"x"}`)
		h.wantHas(`"id":4`, `"result"`)
		a.mu.Lock()
		if a.connects <= before {
			t.Error("a token was needed, but the agent was not connected to")
		}
		a.mu.Unlock()
	})
}

func TestAnAgentThatWasStoppedIsNotStartedAndNothingGoesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		a := newAgent("http://127.0.0.1/mcp")
		h := start(t, a, inMemory(s))
		h.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
		h.wantHas(`"id":1`, `"result"`)
		a.die(hint.New(hint.Stopped, "Keyporter is stopped.", "Run keyporter start."))
		time.Sleep(time.Second)
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
		h.wantHas(`"id":2`, `"isError":true`, "Keyporter is stopped. Run keyporter start.")
		a.die(nil)
		time.Sleep(time.Minute) // the bridge looks again by itself
		h.send(`{"jsonrpc":"2.0","id":3,"method":"x"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
		h.end()
		if len(s.seen) != 2 {
			t.Errorf("the server saw %q", s.seen)
		}
	})
}

func TestOnlyCallsThatReadAreRepeatedAfterABrokenConnection(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		seen[string(b)]++
		first := seen[string(b)] == 1
		mu.Unlock()
		if first {
			panic(http.ErrAbortHandler)
		}
		answer(w, string(b), `{}`)
	}))
	h := start(t, newAgent(url))
	list, call := `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"pay"}}`
	h.send(list)
	h.want(`{"jsonrpc":"2.0","id":1,"result":{}}`)
	h.send(call)
	h.wantHas(`"id":2`, `"error"`, "cannot be reached")
	h.end()
	if seen[list] != 2 || seen[call] != 1 {
		t.Errorf("requests were sent %v", seen)
	}
}

func TestTheEndLetsRequestsInFlightFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			d := 3 * time.Second
			if strings.Contains(body, "never") {
				d = time.Hour
			}
			select {
			case <-time.After(d):
				answer(w, body, `{"late":true}`)
			case <-r.Context().Done():
			}
		}
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

func TestRedirectsWithinTheAddressAreFollowedWithTheBody(t *testing.T) {
	for _, test := range []struct {
		to   string
		want string
	}{
		{"/mcp/", `"result":{}`},
		{"/other", "must not go"},
		{"https://elsewhere.example/mcp", "must not go"},
		{"", "must not go"},
	} {
		s := &server{}
		reached := atomic.Int32{}
		url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/mcp" {
				w.Header()["Location"] = []string{test.to}
				w.WriteHeader(307)
				return
			}
			reached.Add(1)
			if r.Header.Get("Authorization") == "" {
				t.Error("token is missing behind the redirect")
			}
			s.ServeHTTP(w, r)
		}))
		h := start(t, newAgent(url))
		h.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		h.wantHas(`"id":1`, test.want)
		h.end()
		if test.to != "/mcp/" && reached.Load() != 0 {
			t.Errorf("redirect to %q was followed", test.to)
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

func TestLegacyCancellationIsToldToTheServer(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{}, 1)
	s := &server{session: "s1"}
	s.call = func(w http.ResponseWriter, r *http.Request, body string) { began <- struct{}{}; <-release }
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "notifications/cancelled") {
			w.WriteHeader(202)
			close(release)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.ServeHTTP(w, r)
	}))
	h := start(t, newAgent(url))
	h.open()
	h.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"slow"}}`)
	<-began
	h.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`)
	<-release
	h.end()
	if strings.Contains(h.out.String(), `"id":5`) {
		t.Errorf("cancelled request was answered:\n%s", h.out.String())
	}
}

func TestModernCancellationClosesTheStream(t *testing.T) {
	began, closed := make(chan struct{}), make(chan struct{})
	h := start(t, newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "notifications/") {
			t.Error("cancellation was sent to a modern server")
		}
		events(w, ": begin\n\n")
		close(began)
		<-r.Context().Done()
		close(closed)
	}))))
	h.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"slow",` + modernMeta + `}}`)
	<-began
	h.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`)
	<-closed
	h.end()
	if h.out.String() != "" {
		t.Errorf("bridge wrote %s", h.out.String())
	}
}

func TestASubscriptionThatBreaksOffIsCancelled(t *testing.T) {
	h := start(t, newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		events(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{}}\n\n")
	}))))
	h.send(`{"jsonrpc":"2.0","id":"sub","method":"subscriptions/listen","params":{"notifications":{},` + modernMeta + `}}`)
	h.wantHas("acknowledged")
	h.want(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"The server ended the subscription.","requestId":"sub"}}`)
}

func TestBatchesPassInTheVersionThatHasThem(t *testing.T) {
	init := strings.Replace(initialize, "2025-11-25", "2025-03-26", 1)
	s := &server{}
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), `"initialize"`):
			answer(w, string(body), strings.Replace(initResult, "2025-11-25", "2025-03-26", 1))
		case strings.HasPrefix(string(body), `[{"id":1`):
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `[{"id":1,"result":{}},{"id":2,"result":{}}]`)
		case strings.HasPrefix(string(body), "["):
			w.WriteHeader(500)
		default:
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			s.ServeHTTP(w, r)
		}
	}))
	h := start(t, newAgent(url))
	h.send(init)
	h.wantHas(`"protocolVersion":"2025-03-26"`)
	h.send(initialized, `[{"id":1,"method":"a"},{"id":2,"method":"b"},{"method":"n"}]`)
	h.want(`[{"id":1,"result":{}},{"id":2,"result":{}}]`)
	h.send(`[{"id":3,"method":"a"}]`)
	h.wantHas(`"id":3`, `"status":500`)
}

func TestATrailOfCallsIsLeftInTheAuditLog(t *testing.T) {
	a := newAgent(serve(t, &server{}))
	h := start(t, a)
	h.open()
	h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","arguments":{"x":"private"}}}`)
	h.wantHas(`"id":2`)
	h.end()
	if len(a.records) != 2 {
		t.Fatalf("records: %+v", a.records)
	}
	r := a.records[1]
	if r.Method != "tools/call" || r.Name != "add" || r.Outcome != "ok" || r.Server != "acme" || r.BytesIn == 0 || r.BytesOut == 0 || r.Time.IsZero() {
		t.Errorf("record: %+v", r)
	}
	if strings.Contains(fmt.Sprintf("%+v", a.records), "private") {
		t.Error("an argument is in the audit log")
	}
	if got := string(a.kept["initialize"]); got != initResult {
		t.Errorf("kept initialize result: %s", got)
	}
}
