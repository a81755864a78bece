package bridge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
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
	h.want(`{   "jsonrpc": "2.0",    "id": 1,   "result": {} }`)
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
		}, []string{`"id":"q"`, `"code":-32603`, `"status":500`, `"keyporter":"unreachable"`, `"excerpt":"it broke Bearer [removed]"`}},
		{"404", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, []string{`"id":"q"`, `"status":404`, "no MCP server at this address"}},
		{"429", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Retry-After", "77"); w.WriteHeader(429) }, []string{`"status":429`, `"retryAfter":"77"`}},
		{"403", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) }, []string{`"status":403`, "refuses this request"}},
		{"sign-in page", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>Sign in</html>")
		}, []string{`"status":200`, "did not answer as an MCP server does"}},
		{"no answer", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(202) }, []string{`"id":"q"`, "answered with an empty body. Check whether the call had an effect"}},
		{"empty body", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", "application/json") }, []string{`"id":"q"`, "answered with an empty body."}},
		{"another id", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"jsonrpc":"2.0","id":"other","result":{}}`)
		}, []string{`"id":"q"`, "answered with the answer to another request."}},
		{"another id on a stream", func(w http.ResponseWriter, r *http.Request) {
			events(w, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n")
		}, []string{`"id":"q"`, "answered with the answer to another request."}},
		{"no JSON-RPC", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"ok":true}`)
		}, []string{`"id":"q"`, "answered with JSON that is no JSON-RPC message."}},
		{"words", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `hello`)
		}, []string{`"id":"q"`, "answered with text that is no answer to the request."}},
		{"empty stream", func(w http.ResponseWriter, r *http.Request) { events(w, ": nothing\n\n") }, []string{`"id":"q"`, "without an answer"}},
		{"not JSON", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"id":"q",`)
		}, []string{`"id":"q"`, "answered with broken JSON."}},
		{"stray events", func(w http.ResponseWriter, r *http.Request) {
			events(w, "data: ping\n\nevent: ping\ndata: {}\n\ndata\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"result\":{}}\n\n")
		}, []string{`{"jsonrpc":"2.0","id":"q","result":{}}`}},
		{"302", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, []string{`"status":302`}},
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

// inMemory runs the bridge against h without a network, so that time can be faked.
func inMemory(h http.Handler) func(*Options) {
	return func(o *Options) { o.Transport = memory{h} }
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
	mu.Lock()
	defer mu.Unlock()
	if seen[list] != 2 || seen[call] != 1 {
		t.Errorf("requests were sent %v", seen)
	}
}

func TestLegacyCancellationIsToldToTheServer(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{}, 1)
	s := &server{session: "s1"}
	s.call = func(w http.ResponseWriter, r *http.Request, body string) {
		began <- struct{}{}
		<-release
		answer(w, body, `{"late":true}`) // as a server may: the two can cross
	}
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

// A server may mix its streams up. Its answers are given to those who asked, once.
func TestAnAnswerOnTheStreamOfAnotherRequestIsGivenOnce(t *testing.T) {
	crossed := make(chan struct{})
	s := &server{session: "s1"}
	s.call = func(w http.ResponseWriter, r *http.Request, body string) {
		if strings.Contains(body, `"first"`) {
			<-crossed
			answer(w, body, `{"own":true}`)
			return
		}
		events(w, "data: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"crossed\":true}}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":6,\"result\":{}}\n\n")
	}
	h := start(t, newAgent(serve(t, s)))
	h.open()
	h.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"first"}}`, `{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"second"}}`)
	h.want(`{"jsonrpc":"2.0","id":5,"result":{"crossed":true}}`)
	h.want(`{"jsonrpc":"2.0","id":6,"result":{}}`)
	close(crossed)
	h.end()
	if strings.Contains(h.out.String(), "own") {
		t.Errorf("a request was answered twice:\n%s", h.out.String())
	}
}

func TestALineThatIsNestedTooDeeplyIsAnsweredUnderItsID(t *testing.T) {
	h := start(t, newAgent(serve(t, &server{})))
	h.send(`{"jsonrpc":"2.0","id":8,"method":"x","params":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`)
	h.wantHas(`"id":8`, `"error"`, "nested too deeply")
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
