package bridge

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/bridge/streamable"
)

const (
	faultyCall = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"faulty"}}`
	goodAnswer = `{"jsonrpc":"2.0","id":7,"result":{"ok":true}}`
)

// raw writes bytes on the connection of a request as they are, and cuts it: a whole
// answer among them says so (Connection: close), or the next request may come on it.
func raw(parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		for _, p := range parts {
			if _, err := io.WriteString(conn, p); err != nil {
				return
			}
		}
	}
}

// cut is raw with a reset in place of an orderly end.
func cut(parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		for _, p := range parts {
			if _, err := io.WriteString(conn, p); err != nil {
				break
			}
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

func says(status int, kind, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// slowly writes a byte at a time.
func slowly(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		for i := range len(body) {
			io.WriteString(w, body[i:i+1])
			http.NewResponseController(w).Flush()
		}
	}
}

const (
	jsonHead   = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
	eventsHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	stream     = "text/event-stream"
)

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// faults are what servers and what lies before them do to one call, and what the
// client sees of it: parts of its one answer.
var faults = []struct {
	name  string
	fault http.HandlerFunc
	want  []string
}{
	{"cut before the header", cut(), []string{`"error"`, "cannot be reached"}},
	{"closed before the header", raw(), []string{`"error"`, "cannot be reached"}},
	{"cut inside the header", cut("HTTP/1.1 200 OK\r\nContent-Ty"), []string{`"error"`, "cannot be reached"}},
	{"no HTTP at all", raw("SSH-2.0-OpenSSH_9\r\n"), []string{`"error"`, "cannot be reached"}},
	{"cut inside a JSON body", cut(jsonHead + `{"jsonrpc":"2.0","id":7,"result":{"ok"`), []string{`"error"`}},
	{"closed inside a JSON body", raw(jsonHead + `{"jsonrpc":"2.0","id":7,"result":{"ok"`), []string{`"error"`}},
	{"cut behind the header of a stream", cut(eventsHead), []string{`"error"`}},
	{"cut inside an event", cut(eventsHead + chunk(`data: {"jsonrpc":"2.0","id":7,"res`)), []string{`"error"`}},
	{"cut behind the answer's event", cut(eventsHead + chunk("data: "+goodAnswer+"\n\n")), []string{goodAnswer}},
	{"an event without its blank line", says(200, stream, "data: "+goodAnswer+"\n"), []string{`"error"`, "without an answer"}},
	{"a stream that ends without the answer", says(200, stream, ": nothing\n\n"), []string{`"error"`, "without an answer"}},
	{"a stream with broken JSON in the answer's place", says(200, stream, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\n\n"), []string{`"error"`, "broken JSON"}},
	{"an empty JSON body", says(200, "application/json", ""), []string{`"error"`, "an empty body"}},
	{"slow bytes of JSON", slowly("application/json", goodAnswer), []string{goodAnswer}},
	{"slow bytes of a stream", slowly(stream, "event: message\r\ndata: "+goodAnswer+"\r\n\r\n"), []string{goodAnswer}},
	{"CR line ends, BOM, comments and fields without a colon", says(200, stream, "\ufeff: hello\rretry\rdata\rid\revent: message\rdata: "+goodAnswer+"\r\r"), []string{goodAnswer}},
	{"a ping in words before the answer", says(200, stream, "data: ping\n\ndata: "+goodAnswer+"\n\n"), []string{goodAnswer}},
	{"an event of another kind", says(200, stream, "event: keepalive\ndata: {}\n\ndata: "+goodAnswer+"\n\n"), []string{goodAnswer}},
	{"JSON over several data lines", says(200, stream, "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":7,\ndata: \"result\":{\"ok\":true}}\n\n"), []string{`"id":7`, `"result":{"ok":true}`}},
	{"a content type with parameters", says(200, "Application/JSON; charset=utf-8", goodAnswer), []string{goodAnswer}},
	{"HTML with status 200", says(200, "text/html", "<h1>Sign in</h1>"), []string{`"error"`, "did not answer as an MCP server", "Sign in"}},
	{"no content type", raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"), []string{`"error"`}},
	{"202 for a request", says(202, "", ""), []string{`"error"`, "an empty body"}},
	{"204 for a request", raw("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"), []string{`"error"`, "an empty body"}},
	{"JSON that is cut but complete as HTTP", says(200, "application/json", `{"jsonrpc":"2.0","id":7,`), []string{`"error"`}},
	{"JSON that is no message", says(200, "application/json", `"hello"`), []string{`"error"`}},
	{"the answer to somebody else's request", says(200, "application/json", `{"jsonrpc":"2.0","id":99,"result":{}}`), []string{`"id":7`, `"error"`, "the answer to another request"}},
	{"an error under no id", says(400, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"odd","data":{"x":1}}}`), []string{`"id":7`, `"code":-32000`, `"x":1`}},
	{"400 in words", says(400, "text/plain", "what?"), []string{`"error"`, `"status":400`, "what?"}},
	{"403 without a challenge", says(403, "text/plain", "no"), []string{`"error"`, "permission"}},
	{"404 in words", says(404, "text/plain", "no page"), []string{`"error"`, `"status":404`}},
	{"404 with a modern error for an unknown method", says(404, "application/json", `{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"Method not found"}}`), []string{`"code":-32601`}},
	{"405", says(405, "text/plain", ""), []string{`"error"`, `"status":405`}},
	{"413", says(413, "text/html", "<h1>too large</h1>"), []string{`"error"`, `"status":413`}},
	{"429 without Retry-After", says(429, "text/plain", "slow down"), []string{`"error"`, "too many requests"}},
	{"429 that asks for an hour", says(429, "text/plain", "", "Retry-After", "3600"), []string{`"error"`, `"retryAfter":"3600"`}},
	{"500 with a page", says(500, "text/html", "<h1>oops</h1>"), []string{`"error"`, `"status":500`}},
	{"502 of a proxy", says(502, "text/html", "bad gateway"), []string{`"error"`, `"status":502`}},
	{"503 that asks for a moment, for a call that may have been worked on", says(503, "text/plain", "", "Retry-After", "0"), []string{`"error"`, `"status":503`}},
	{"301", says(301, "", "", "Location", "/mcp/"), []string{`"error"`, `"status":301`}},
	{"302 to a sign-in page", says(302, "", "", "Location", "https://idp.example/login"), []string{`"error"`, `"status":302`}},
	{"307 to another origin", says(307, "", "", "Location", "https://evil.example/mcp"), []string{`"error"`, "where its token must not go"}},
	{"307 to another path of the origin", says(307, "", "", "Location", "/other"), []string{`"error"`, "where its token must not go"}},
	{"307 in circles", says(307, "", "", "Location", "/mcp"), []string{`"error"`, "where its token must not go"}},
	{"307 without a Location", says(307, "", ""), []string{`"error"`}},
	{"a header field of a megabyte", raw("HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("a", 1<<20) + "\r\n\r\n"), []string{`"error"`}},
	{"a JSON body beyond the limit", says(200, "application/json", `{"jsonrpc":"2.0","id":7,"result":"`+strings.Repeat("x", 2<<20)+`"}`), []string{`"error"`, "too large"}},
	{"an event beyond the limit", says(200, stream, "data: "+strings.Repeat("x", 2<<20)+"\n\n"), []string{`"error"`, "too large"}},
	{"an event line that never ends", says(200, stream, strings.Repeat("x", 2<<20)), []string{`"error"`, "too large"}},
	{"compressed though nobody asked", zipped("application/json", goodAnswer), []string{goodAnswer}},
	{"a compressed stream", zipped(stream, "data: "+goodAnswer+"\n\n"), []string{goodAnswer}},
	{"a compressed answer that is cut", raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\nConnection: close\r\n\r\n\x1f\x8b\x08\x00"), []string{`"error"`}},
	{"compressed beyond the limit", zipped("application/json", `{"jsonrpc":"2.0","id":7,"result":"`+strings.Repeat("x", 2<<20)+`"}`), []string{`"error"`, "too large"}},
	{"compressed in another way", says(200, "application/json", "\x8b\x02\x80", "Content-Encoding", "br"), []string{`"error"`, "text that is no answer"}},
	{"line breaks inside the answer", says(200, "application/json", "{\"jsonrpc\":\"2.0\",\r\n \"id\":7,\n\"result\":{}}"), []string{`"id":7`, `"result":{}`}},
	{"bytes that are no UTF-8", says(200, stream, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\"a\xffb\"}\n\n"), []string{"\"result\":\"a\ufffdb\""}},
	{"nested too deeply", says(200, "application/json", `{"jsonrpc":"2.0","id":7,"result":`+strings.Repeat("[", 10000)+strings.Repeat("]", 10000)+`}`), []string{`"error"`}},
	{"the token sent back in an error", echo, []string{`"error"`, "[removed]"}},
}

// A server that sends no header until it has its result holds up no other call.
func TestACallThatHangsHoldsUpNoOther(t *testing.T) {
	let := make(chan struct{})
	s := &server{session: "s1"}
	s.call = func(w http.ResponseWriter, r *http.Request, body string) {
		if strings.Contains(body, `"faulty"`) {
			<-let
		}
		answer(w, body, `{"ok":true}`)
	}
	h := start(t, newAgent(serve(t, s)))
	h.open()
	h.send(faultyCall, `{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"next"}}`)
	h.want(`{"jsonrpc":"2.0","id":8,"result":{"ok":true}}`)
	close(let)
	h.want(goodAnswer)
}

func zipped(kind, s string) http.HandlerFunc {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return says(200, kind, b.String(), "Content-Encoding", "gzip")
}

func echo(w http.ResponseWriter, r *http.Request) {
	http.Error(w, "bad token "+r.Header.Get("Authorization"), http.StatusBadRequest)
}

func TestAFaultIsAnAnswerAndTheNextCallWorks(t *testing.T) {
	for _, test := range faults {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &server{session: "s1"}
			s.call = func(w http.ResponseWriter, r *http.Request, body string) {
				if strings.Contains(body, `"faulty"`) {
					test.fault(w, r)
					return
				}
				answer(w, body, `{"next":true}`)
			}
			h := start(t, newAgent(serve(t, s)), func(o *Options) { o.MaxLine = 1 << 20 })
			h.open()
			h.send(faultyCall)
			line := h.wantHas(test.want...)
			if !strings.Contains(line, `"id":7`) {
				t.Errorf("answer under another id: %.300s", line)
			}
			h.send(`{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"next"}}`)
			h.want(`{"jsonrpc":"2.0","id":8,"result":{"next":true}}`)
		})
	}
}

func TestACallComesBackWhenTheServerAsksForPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Int32
		s := &server{}
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			status := 429
			if strings.Contains(body, `"tools/list"`) {
				status = 503
			}
			if refused.Add(1) <= 2 {
				w.Header().Set("Retry-After", "3")
				w.WriteHeader(status)
				return
			}
			answer(w, body, `{"tools":[]}`)
		}
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(s))
		for _, method := range []string{"tools/call", "tools/list"} {
			refused.Store(0)
			began := time.Now()
			h.send(`{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"name":"x"}}`)
			h.wantHas(`"id":1`, `"result"`)
			if d := time.Since(began); d < 6*time.Second || d > 9*time.Second {
				t.Errorf("%s was answered after %v, want two waits of three seconds", method, d)
			}
		}
	})
}

func TestCallsWaitTenSecondsForANewSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		var stuck atomic.Bool
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if stuck.Load() && r.Header.Get("Mcp-Session-Id") == "" {
				<-r.Context().Done() // an initialize that hangs
				return
			}
			s.ServeHTTP(w, r)
		})))
		h.open()
		synctest.Wait()
		s.mu.Lock()
		s.session = "s2"
		s.mu.Unlock()
		stuck.Store(true)
		began := time.Now()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
		h.wantHas(`"id":2`, `"error"`, "lost the session")
		if d := time.Since(began); d != reestablishLimit {
			t.Errorf("answered after %v", d)
		}
		stuck.Store(false)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x"}}`)
		h.wantHas(`"id":3`, `"result"`)
	})
}

// idleCounter counts how often idle connections are closed.
type idleCounter struct {
	http.RoundTripper
	n atomic.Int32
}

func (c *idleCounter) CloseIdleConnections() { c.n.Add(1) }

func TestAfterSleepConnectionsAreMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		var streams atomic.Int32
		var last atomic.Value
		s.get = func(w http.ResponseWriter, r *http.Request) {
			last.Store(r.Header.Get("Last-Event-ID"))
			events(w, fmt.Sprintf("id: e%d\ndata:\n\n", streams.Add(1)))
			<-r.Context().Done()
		}
		var slept atomic.Int64
		var where atomic.Value
		where.Store("192.0.2.1/24")
		conns := &idleCounter{RoundTripper: memory{s}}
		h := start(t, newAgent("http://127.0.0.1/mcp"), func(o *Options) {
			o.Transport = conns
			o.Now = func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
			o.Addresses = func() string { return where.Load().(string) }
		})
		h.open()
		<-time.After(time.Minute)
		if conns.n.Load() != 0 || streams.Load() != 1 {
			t.Fatalf("awake: %d times closed, %d streams", conns.n.Load(), streams.Load())
		}
		slept.Store(int64(time.Hour))
		<-time.After(lookEvery + time.Second)
		if conns.n.Load() != 1 || streams.Load() != 2 || last.Load() != "e1" {
			t.Errorf("after sleep: %d times closed, %d streams, the last from %q", conns.n.Load(), streams.Load(), last.Load())
		}
		where.Store("192.0.2.2/24")
		<-time.After(lookEvery + time.Second)
		if conns.n.Load() != 2 || streams.Load() != 3 {
			t.Errorf("in another network: %d times closed, %d streams", conns.n.Load(), streams.Load())
		}
	})
}

// An application behind a TLS proxy redirects /mcp to http://host/mcp/.
func TestARedirectToHTTPOfAnApplicationBehindTLSStaysOnHTTPS(t *testing.T) {
	s := &server{}
	var plain atomic.Int32
	ts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil {
			plain.Add(1)
		}
		if r.URL.Path == "/mcp" {
			host, _, _ := net.SplitHostPort(r.Host)
			w.Header().Set("Location", "http://"+host+"/mcp/")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		s.ServeHTTP(w, r)
	}))
	defer ts.Close()
	h := start(t, newAgent(ts.URL+"/mcp"), func(o *Options) {
		tr := streamable.NewTransport()
		tr.TLSClientConfig = ts.Client().Transport.(*http.Transport).TLSClientConfig
		o.Transport = tr
	})
	h.send(faultyCall)
	h.wantHas(`"id":7`, `"result"`)
	h.send(faultyCall)
	h.wantHas(`"id":7`, `"result"`)
	h.end()
	if plain.Load() != 0 {
		t.Error("a request went out without TLS")
	}
	if n := strings.Count(h.log.String(), "redirects to http"); n != 1 {
		t.Errorf("the redirect is noted %d times", n)
	}
}
