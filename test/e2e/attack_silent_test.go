//go:build unix

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// A silence takes requests and answers none.
type silence struct {
	asked, gone chan struct{} // a value for each request, as it comes and as its client leaves
}

func newSilence() *silence {
	return &silence{make(chan struct{}, 16), make(chan struct{}, 16)}
}

func (s *silence) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // else nobody hears that the client has gone
	s.asked <- struct{}{}
	<-r.Context().Done()
	s.gone <- struct{}{}
}

// TestASignInThatIsNeverAnsweredHoldsUpNobody has each endpoint of a sign-in take the
// request and say nothing, while others use the agent and a bridge. The person can
// leave, and begin anew.
func TestASignInThatIsNeverAnsweredHoldsUpNobody(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=info")
	newWorld(h, fakeas.Options{}).signedIn(h)
	c := h.launch("acme")
	c.initialize()
	silent, mute := newHostile(h, fakeas.Options{}), newSilence()
	silent.answers(fakemcp.Path, mute.ServeHTTP)
	_, _, added := h.start("add", "silent", silent.mcp.URL()) // which takes three seconds
	s := newHostile(h, fakeas.Options{})
	h.do("add", "mute", s.mcp.URL(), "--offline")
	for _, endpoint := range []string{fakemcp.MetadataPath, fakeas.Metadata, fakeas.Register, fakeas.Token} {
		mute := newSilence()
		s.answers(endpoint, mute.ServeHTTP)
		login, _, ended := h.start("login", "mute")
		wants(t, "a request to "+endpoint, mute.asked)
		h.do("token", "acme")
		h.do("list")
		c.wantText(c.add(1, 2), "3")
		select {
		case r := <-ended:
			t.Errorf("%s: the sign-in was over before anybody gave up: exit code %d\n%s", endpoint, r.code, h.said(r.err))
		default:
			check(t, login.Process.Signal(os.Interrupt))
			if r := wants(t, "the end of an interrupted sign-in", ended); r.code != 130 {
				t.Errorf("%s: exit code %d\n%s", endpoint, r.code, h.said(r.err))
			}
		}
		wants(t, "the end of the request to "+endpoint, mute.gone)
		s.answers(endpoint, nil)
	}
	h.do("login", "mute")
	c.close()
	if r := wants(t, "the end of an add that is not answered", added); r.code != 0 || h.said(r.err) == "" || !strings.Contains(h.do("list"), "silent") {
		t.Errorf("add: exit code %d\n%s", r.code, h.said(r.err))
	}
}

// oddIDs are what no header field can carry as visible ASCII, or none of a decent size.
var oddIDs = map[string]string{
	"escape sequences": "a\x1b[31mb", "a C1 control": "a\u009b31m", "a tabulator": "a\tb", "ten thousand characters": strings.Repeat("a", 10_000),
}

// TestNoOddIDOfAServerIsRepeated has a server name sessions and events so that whoever
// repeats the name writes what a terminal, a log or the next server would obey.
func TestNoOddIDOfAServerIsRepeated(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=debug")
	t.Run("of a session", func(t *testing.T) { oddSessions(t, h.in(t)) })
	t.Run("of an event", func(t *testing.T) { oddEvents(t, h.in(t)) })
}

// oddSessions has each answer to initialize name such a session.
func oddSessions(t *testing.T, h *home) {
	ids := map[string]string{"letters beyond ASCII": "sesión", "bytes that are no text": "a\xff\xfeb", "a NUL": "a\x00b", "an end of line": "a\rX-Evil: 1", "a megabyte": strings.Repeat("a", 1<<20)}
	for name, id := range oddIDs {
		ids[name] = id
	}
	var mu sync.Mutex
	var session string // of the next answers
	m := behind(h, fakemcp.Options{Open: true, Sessions: true}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			id := session
			mu.Unlock()
			if id == "" {
				next.ServeHTTP(w, r)
				return
			}
			if got := r.Header.Get("Mcp-Session-Id"); got != "" || r.Header.Get("X-Evil") != "" {
				t.Errorf("the session id came back: %.100q", got)
			}
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			const body = `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"odd","version":"1"}}}`
			fmt.Fprintf(rw, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\nMcp-Session-Id: %s\r\n\r\n%s", len(body), id, body)
			_ = rw.Flush() // the client may have gone
		})
	})
	h.do("add", "sessions", m.URL(), "--offline")
	for name, id := range ids {
		mu.Lock()
		session = id
		mu.Unlock()
		c := h.launch("sessions")
		m := c.ask("initialize", initializeParams)
		if m.Error == nil || len(m.Error.Message) > 2000 {
			t.Errorf("%s: %.300v", name, m)
		} else {
			h.wantPlain(name, m.Error.Message)
		}
		mu.Lock()
		session = ""
		mu.Unlock()
		if m := c.ask("initialize", initializeParams); m.Error != nil {
			t.Errorf("%s: an honest session afterwards: %v", name, m)
		}
		c.close()
		h.wantPlain("what the bridge wrote", c.err.String())
	}
}

// oddEvents has each stream break off behind such an id.
func oddEvents(t *testing.T, h *home) {
	resumed := make(chan string, 16)
	var mu sync.Mutex
	var event string // of the next answer
	m := behind(h, fakemcp.Options{Open: true, Sessions: true}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			id := event
			mu.Unlock()
			last, again := r.Header["Last-Event-Id"]
			switch {
			case again:
				resumed <- last[0]
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%q,\"result\":{}}\n\n", id)
			case id != "" && r.Method == http.MethodPost:
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprintf(w, "id: %s\nretry: 1\ndata:\n\n", id)
			default:
				next.ServeHTTP(w, r)
			}
		})
	})
	h.do("add", "streams", m.URL(), "--offline")
	c := h.launch("streams")
	c.initialize()
	for name, id := range oddIDs {
		mu.Lock()
		event = id
		mu.Unlock()
		if m := c.raw(`{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{"name":"` + name + `"}}`); m.Error == nil && !strings.Contains(string(m.Result), "isError") {
			t.Errorf("%s: %v", name, m)
		}
		mu.Lock()
		event = ""
		mu.Unlock()
	}
	select {
	case id := <-resumed:
		t.Errorf("a stream was resumed at %.100q", id)
	default:
	}
	mu.Lock()
	event = "plain"
	mu.Unlock()
	answer := c.expect("plain")
	c.write(`{"jsonrpc":"2.0","id":"plain","method":"tools/call","params":{"name":"x"}}`)
	if m := c.take("the answer on a stream that is resumed", answer); m.Error != nil {
		t.Errorf("an honest stream that broke off: %v", m)
	}
	if id := wants(t, "a request for the rest", resumed); id != "plain" {
		t.Errorf("an honest stream was resumed at %q", id)
	}
	mu.Lock()
	event = ""
	mu.Unlock()
	c.close()
	h.wantPlain("what the bridge wrote", c.err.String())
}
