package fakemcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/broker/secret"
)

// call calls a tool and returns its structured result.
func call(t *testing.T, c *mcp.ClientSession, tool string, args, result any) {
	t.Helper()
	res, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil || res.IsError {
		t.Fatalf("call %s: %v %+v", tool, err, res)
	}
	b, err := json.Marshal(res.StructuredContent)
	if err == nil {
		err = json.Unmarshal(b, result)
	}
	if err != nil {
		t.Fatalf("result of %s: %v", tool, err)
	}
}

func TestBothErasServeTheTools(t *testing.T) {
	is := newIssuer(t)
	fixed := time.Date(2026, 7, 28, 12, 0, 0, 0, time.UTC)
	s := Start(t, Options{Issuer: is.URL, Now: func() time.Time { return fixed }})
	for _, version := range []string{"2026-07-28", "2025-11-25", "2025-06-18"} {
		t.Run(version, func(t *testing.T) {
			c, err := connect(t, s.URL(), is.access(t, s, forgery{}), version)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.InitializeResult().ProtocolVersion; got != version {
				t.Errorf("protocol version %s, want %s", got, version)
			}
			list, err := c.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, tool := range list.Tools {
				names = append(names, tool.Name)
			}
			if got := strings.Join(names, " "); got != "add get_time greet whoami" {
				t.Errorf("tools %s", got)
			}
			var sum addOut
			if call(t, c, "add", addIn{2, 3.5}, &sum); sum.Sum != 5.5 {
				t.Errorf("add: %v, want 5.5", sum.Sum)
			}
			var hello greetOut
			if call(t, c, "greet", greetIn{"Bo"}, &hello); hello.Greeting != "Hello, Bo!" {
				t.Errorf("greet: %q", hello.Greeting)
			}
			var at timeOut
			if call(t, c, "get_time", timeIn{"Asia/Tokyo"}, &at); at.Time != "2026-07-28T21:00:00+09:00" {
				t.Errorf("get_time: %q", at.Time)
			}
			res, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "get_time", Arguments: timeIn{"Mars/Olympus"}})
			if err != nil || !res.IsError {
				t.Errorf("get_time of no time zone: %v %+v, want a tool error", err, res)
			}
		})
	}
}

func TestWhoamiTellsWhatTheTokenSaysAndNotTheToken(t *testing.T) {
	is := newIssuer(t)
	s := Start(t, Options{Issuer: is.URL, GoogleCerts: is.URL})
	access, id := is.access(t, s, forgery{}), sign(t, "JWT", is.goodID(s), forgery{})
	who := func(endpoint, token string) (Identity, string) {
		c, err := connect(t, endpoint, token, "")
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami", Arguments: map[string]any{}})
		if err != nil || res.IsError {
			t.Fatalf("whoami: %v %+v", err, res)
		}
		b, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "SECRETWORD") || token != "" && strings.Contains(string(b), token) {
			t.Error("the result of whoami holds a secret")
		}
		var who struct{ StructuredContent Identity }
		if err := json.Unmarshal(b, &who); err != nil {
			t.Fatal(err)
		}
		return who.StructuredContent, res.Content[0].(*mcp.TextContent).Text
	}
	i, sentence := who(s.URL(), access)
	if !i.Authenticated || i.Subject != "alice" || i.Issuer != is.URL || i.ClientID != "c1" || fmt.Sprint(i.Audience) != "["+s.Resource()+"]" || fmt.Sprint(i.Scopes) != "[mcp:read mcp:write]" || i.ExpiresAt.IsZero() {
		t.Errorf("by access token: %+v", i)
	}
	if want := "alice, known from " + is.URL + ", for " + s.Resource() + ", with mcp:read and mcp:write."; sentence != want {
		t.Errorf("got %q, want %q", sentence, want)
	}
	if i, _ := who(s.APIURL(), id); i.Email != "robot@p.example" || i.Issuer != "https://accounts.google.com" || fmt.Sprint(i.Audience) != "["+s.Origin()+"]" || i.Scopes != nil {
		t.Errorf("by ID token: %+v", i)
	}
	open := Start(t, Options{Open: true})
	if i, sentence := who(open.URL(), ""); i.Authenticated || !strings.HasPrefix(sentence, "Nobody is signed in") {
		t.Errorf("without a token: %+v %q", i, sentence)
	}
}

func TestEndedSessionIsNotFound(t *testing.T) {
	is := newIssuer(t)
	s := Start(t, Options{Issuer: is.URL, Sessions: true})
	token := is.access(t, s, forgery{})
	c, err := connect(t, s.URL(), token, "2025-11-25")
	if err != nil {
		t.Fatal(err)
	}
	if c.ID() == "" {
		t.Fatal("the session has no id")
	}
	status, _, body := post(t, s.URL(), token, listTools, "Mcp-Session-Id", c.ID())
	if status != 200 {
		t.Fatalf("in the session: %d %s", status, body)
	}
	bob := is.access(t, s, forgery{claims: map[string]any{"sub": "bob"}})
	if status, _, _ := post(t, s.URL(), bob, listTools, "Mcp-Session-Id", c.ID()); status != 403 {
		t.Errorf("somebody else in the session: got %d, want 403", status)
	}
	if n := s.EndSessions(); n != 1 {
		t.Errorf("%d sessions ended, want 1", n)
	}
	if status, _, _ := post(t, s.URL(), token, listTools, "Mcp-Session-Id", c.ID()); status != 404 {
		t.Errorf("after its end: got %d, want 404", status)
	}
}

func TestLogNamesWhatArrivedAndNoSecret(t *testing.T) {
	is := newIssuer(t)
	var mu sync.Mutex
	var seen []Request
	s := Start(t, Options{Issuer: is.URL, Observe: func(r Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r)
	}})
	token := is.access(t, s, forgery{})
	hash := secret.New(token).Hash()
	post(t, s.URL(), token, strings.Replace(callAdd, `"a":2`, `"a":7654321`, 1))
	post(t, s.URL(), "", callAdd)

	log := s.Requests()
	if len(log) != 2 {
		t.Fatalf("%d requests in the log, want 2", len(log))
	}
	first, second := log[0], log[1]
	if first.Path != Path || first.Method != "POST" || fmt.Sprint(first.RPC, first.Tools) != "[tools/call] [add]" ||
		first.Bearer != hash || first.Status != 200 || first.ProtocolVersion != "2025-11-25" {
		t.Errorf("first: %+v", first)
	}
	if second.Bearer != "" || second.Status != 401 {
		t.Errorf("second: %+v", second)
	}
	mu.Lock()
	printed := fmt.Sprintf("%+v %+v %+v", log, s.Counters(), seen)
	mu.Unlock()
	if len(seen) != 2 || strings.Contains(printed, token) || strings.Contains(printed, "SECRETWORD") || strings.Contains(printed, "7654321") {
		t.Errorf("observed %d; the log holds a token or an argument: %s", len(seen), printed)
	}
	c := s.Counters()
	if c.Requests[Path] != 2 || c.Bearers[hash] != 1 || c.Calls["add"] != 1 || c.Statuses[401] != 1 {
		t.Errorf("counters: %+v", c)
	}
}

func TestFailuresComeOnlyAsOftenAsAskedFor(t *testing.T) {
	s := Start(t, Options{Open: true})
	s.Fail(Path, 2, http.StatusBadGateway)
	for i, want := range []int{502, 502, 200} {
		if status, _, _ := post(t, s.URL(), "", listTools); status != want {
			t.Errorf("request %d: got %d, want %d", i, status, want)
		}
	}
}

func TestLatencyDelaysAnAnswerUntilTheClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []Request
		s, err := New(Options{Open: true, Observe: func(r Request) { log = append(log, r) }})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.SetLatency(3 * time.Second)
		began := time.Now()
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/other", nil))
		if d := time.Since(began); d != 3*time.Second || len(log) != 1 || log[0].Status != 404 {
			t.Errorf("answered after %v: %+v, want 404 after 3 s", d, log)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/other", nil).WithContext(ctx))
		if d := time.Since(began); d != time.Second || len(log) != 2 || log[1].Status != 0 {
			t.Errorf("left after %v: %+v, want no answer after 1 s", d, log)
		}
	})
}

func TestCloseEndsOpenStreams(t *testing.T) {
	is := newIssuer(t)
	streams := make(chan Request, 100)
	s := Start(t, Options{Issuer: is.URL, Sessions: true, Observe: func(r Request) {
		if r.Method == http.MethodGet {
			streams <- r
		}
	}})
	if _, err := connect(t, s.URL(), is.access(t, s, forgery{}), "2025-11-25"); err != nil {
		t.Fatal(err)
	}
	if r := <-streams; r.Status != 200 || !r.Session {
		t.Fatalf("the client's stream: %+v", r)
	}
	s.Close()
	s.Close() // a second time does nothing
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, Path, nil)); w.Code != 503 {
		t.Errorf("after Close: got %d, want 503", w.Code)
	}
}

func TestOptionsAndAddressesAreChecked(t *testing.T) {
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "Issuer") {
		t.Errorf("New without an issuer: %v, want an error that names the field", err)
	}
	if s, err := Listen("0.0.0.0:0", Options{Open: true}); err == nil {
		s.Close()
		t.Error("it listens beyond loopback")
	}
}
