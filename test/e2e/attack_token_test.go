//go:build unix

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// TestTokensOfTwoServersOfOneIssuerAreKeptApart has two servers share an
// authorization server, and then one of them try for the other's token.
func TestTokensOfTwoServersOfOneIssuerAreKeptApart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	mail := newHostile(h, fakeas.Options{})
	games := behind(h, fakemcp.Options{Issuer: mail.as.Issuer(), Leeway: -1}, func(next http.Handler) http.Handler {
		return mail.before(func(r *http.Request) string { return "games " + r.URL.Path }, next)
	})
	h.do("add", "mail", mail.mcp.URL())
	h.do("login", "mail")
	h.do("add", "games", games.URL())
	h.do("login", "games")
	for _, name := range []string{"mail", "games"} {
		c := h.launch(name)
		c.initialize()
		c.wantText(c.add(1, 2), "3") // fakemcp takes tokens for itself only
		c.close()
	}
	if a, b := bearers(mail.mcp), bearers(games); a == "" || b == "" || strings.Contains(a, b) || strings.Contains(b, a) {
		t.Errorf("mail got the tokens %s and games %s", a, b)
	}

	// The games now say that they are the mail: by their metadata, and by naming the mail's.
	h.do("logout", "games")
	before := bearers(games)
	mail.answers("games "+fakemcp.MetadataPath, document(`{"resource":"`+mail.mcp.URL()+`","authorization_servers":["`+mail.as.Issuer()+`"]}`))
	h.wantNoToken("games", "about another resource")
	mail.answers("games "+fakemcp.MetadataPath, http.NotFound)
	mail.answers("games "+fakemcp.Path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+mail.mcp.Origin()+fakemcp.MetadataPath+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	h.kill() // which remembers the challenge from before
	h.wantNoToken("games", "about another resource")
	if after := bearers(games); after != before {
		t.Errorf("the games got the tokens %s", after)
	}
}

// bearers are the hashes of the tokens that a server got.
func bearers(m *fakemcp.Server) string {
	seen := map[string]bool{}
	var all []string
	for _, r := range m.Requests() {
		if r.Bearer != "" && !seen[r.Bearer] {
			seen[r.Bearer] = true
			all = append(all, r.Bearer)
		}
	}
	return strings.Join(all, " ")
}

// wantNoToken checks that a sign-in is refused, with words.
func (h *home) wantNoToken(server, says string) {
	h.t.Helper()
	if r := h.run("login", server); r.code != 1 || !strings.Contains(r.err, says) {
		h.t.Errorf("keyporter login %s: exit code %d\n%s", server, r.code, h.said(r.err))
	}
	if r := h.run("token", server); r.code == 0 || r.out != "" {
		h.t.Errorf("keyporter token %s gives one", server)
	}
}

// TestRedirectsCarryNoToken has a server answer calls with redirects to somebody
// else, to another part of its own address, and in circles.
func TestRedirectsCarryNoToken(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := newHostile(h, fakeas.Options{})
	s.signedIn(h)
	away := newCanary(t)
	host := strings.TrimPrefix(away.url, "http://")
	c := h.launch("acme")
	c.initialize()
	c.wantText(c.add(1, 2), "3")
	var other sync.Map // paths beside the server's own
	s.answers("/elsewhere", func(_ http.ResponseWriter, r *http.Request) { other.Store(r.URL.Path, true) })
	s.answers("/mcp/../elsewhere", func(_ http.ResponseWriter, r *http.Request) { other.Store(r.URL.Path, true) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{
			away.url + "/mcp", "//" + host + "/mcp", "http://localhost:" + portOf(away.url) + "/mcp", "http://127.0.0.1@" + host + "/mcp", `\\` + host + `\mcp`,
			s.mcp.Origin() + "@" + host + "/mcp", "/elsewhere", "/mcp/%2e%2e/elsewhere", "/mcp", "gopher://" + host + "/", "",
		} {
			s.answers(fakemcp.Path, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", to)
				w.WriteHeader(status)
			})
			what := fmt.Sprintf("%d to %q", status, to)
			if m := c.take(what, c.add(1, 2)); m.Error == nil && !strings.Contains(string(m.Result), `"isError":true`) {
				t.Errorf("%s: the call succeeded: %v", what, m)
			}
			away.wantSilence(t, what)
		}
		if r := h.run("call", "acme", "add", `{"a":1,"b":2}`); r.code == 0 {
			t.Errorf("%d: keyporter call succeeded: %s", status, r.out)
		}
	}
	other.Range(func(path, _ any) bool {
		t.Errorf("a token went to %v", path)
		return true
	})
	s.answers(fakemcp.Path, nil)
	c.wantText(c.add(3, 4), "7")
	c.close()
}

func portOf(address string) string {
	u, _ := url.Parse(address) // a test server's
	return u.Port()
}

// TestAuthorizationServerForwardsNothing has each endpoint that is sent a secret
// answer with a redirect that keeps method and body.
func TestAuthorizationServerForwardsNothing(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := newHostile(h, fakeas.Options{AccessLife: time.Second})
	away := newCanary(t)
	forward := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, away.url+r.URL.Path, http.StatusPermanentRedirect)
	}
	h.do("add", "acme", s.mcp.URL(), "--offline")
	for _, endpoint := range []string{fakeas.Register, fakeas.Token} {
		s.answers(endpoint, forward)
		if r := h.run("login", "acme"); r.code != 1 {
			t.Errorf("%s: exit code %d\n%s", endpoint, r.code, h.said(r.err))
		}
		s.answers(endpoint, nil)
		away.wantSilence(t, endpoint)
	}
	h.do("login", "acme")
	s.answers(fakeas.Token, forward)
	until(t, "the token's end", func() bool { return h.run("token", "acme").code != 0 })
	away.wantSilence(t, "renewal")
	s.answers(fakeas.Revoke, forward)
	h.run("logout", "acme", "--revoke")
	away.wantSilence(t, "revocation")
	if n := s.as.Counters().Requests[fakeas.Revoke]; n == 0 {
		t.Error("there was no revocation to forward")
	}
}

// TestEventStreamThatNamesAnEndpointElsewhereGetsNothing is the transport of
// 2024-11-05, in which a server says where to send messages, and with them the token.
func TestEventStreamThatNamesAnEndpointElsewhereGetsNothing(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := newHostile(h, fakeas.Options{})
	s.signedIn(h)
	h.do("set", "acme", "transport=sse")
	away := newCanary(t)
	host := strings.TrimPrefix(away.url, "http://")
	var other sync.Map
	s.answers("/elsewhere", func(_ http.ResponseWriter, r *http.Request) { other.Store(r.URL.Path, true) })
	for _, endpoint := range []string{
		away.url + "/messages", "//" + host + "/messages", "http://localhost:" + portOf(away.url) + "/", s.mcp.Origin() + "@" + host + "/", `\\` + host + `\messages`,
		"https://" + strings.TrimPrefix(s.mcp.URL(), "http://"), "file:///etc/passwd", "javascript:alert(1)", "", "http://[::1", "/messages\nevent: endpoint\ndata: " + away.url,
	} {
		s.answers(fakemcp.Path, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "event: endpoint\ndata: %s\n\n", endpoint)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		c := h.launch("acme")
		if m := c.ask("initialize", initializeParams); m.Error == nil {
			var r struct{ ServerInfo struct{ Name string } }
			if json.Unmarshal(m.Result, &r) != nil || r.ServerInfo.Name != "acme" { // the answer from what is known
				t.Errorf("%q: initialize: %v", endpoint, m)
			}
			c.notify("notifications/initialized")
			if m := c.take("a call", c.add(1, 2)); m.Error == nil && !strings.Contains(string(m.Result), `"isError":true`) {
				t.Errorf("%q: the call succeeded: %v", endpoint, m)
			}
		}
		c.close()
		away.wantSilence(t, endpoint)
	}
	other.Range(func(path, _ any) bool {
		t.Errorf("a token went to %v", path)
		return true
	})
}

// parrot is an MCP server that says in each error what it was sent, in the spellings
// that there are: as JSON-RPC, and with a status.
func parrot(h *home) string {
	h.t.Helper()
	return byHand(h, "", func(w http.ResponseWriter, r *http.Request, m heard, answer map[string]any) bool {
		said := r.Header.Get("Authorization")
		token := strings.TrimPrefix(said, "Bearer ")
		words := fmt.Sprintf("parrot heard %s, %s, %s", said, url.QueryEscape(token), base64.StdEncoding.EncodeToString([]byte(token)))
		switch {
		case m.Method == "initialize":
			answer["result"] = map[string]any{"protocolVersion": "2025-11-25", "capabilities": map[string]any{"tools": map[string]any{}}, "serverInfo": map[string]any{"name": "parrot", "version": "1"}}
		case strings.HasPrefix(m.Params.Name, "spelled "):
			http.Error(w, fmt.Sprintf("parrot heard <%s>", spellings(said)[strings.TrimPrefix(m.Params.Name, "spelled ")]), http.StatusTeapot)
			return false
		case m.Params.Name == "status":
			http.Error(w, words, http.StatusTeapot)
			return false
		case m.Params.Name == "disguised": // as what a bridge itself would say
			answer["error"] = map[string]any{"code": -32603, "message": words, "data": map[string]any{"keyporter": "failed", "what": words, "do": words, "detail": words}}
		default:
			answer["error"] = map[string]any{"code": -32000, "message": words, "data": words}
		}
		return true
	})
}

// spellings are ways to write a secret down.
func spellings(s string) map[string]string {
	every := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
	return map[string]string{
		"as it is": s, "JSON": strings.ReplaceAll(s, "/", `\/`), "JSON's numbers": every(`\u%04x`), "percent": every("%%%02X"), "small percent": every("%%%02x"),
		"percent twice": url.QueryEscape(every("%%%02X")), "slash twice": strings.ReplaceAll(s, "/", "%252F"), "HTML": every("&#%d;"), "hexadecimal": every("%02x"), "large hexadecimal": every("%02X"),
		"base64": base64.StdEncoding.EncodeToString([]byte(s)), "base64 behind one": base64.URLEncoding.EncodeToString([]byte(":" + s)), "base64 behind two": base64.StdEncoding.EncodeToString([]byte("::" + s)),
	}
}

// What a server says is wrong does not bring the token to the terminal, or into a log:
// the home is searched for it, in each spelling, at the end.
func TestAServerThatRepeatsItsTokenInErrorsIsQuotedWithoutIt(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	token := "parrot+/=" + word
	h.secret(url.QueryEscape(token), base64.StdEncoding.EncodeToString([]byte(token)))
	file := h.file("token", token)
	h.do("account", "add", "static", "key", "--token-file", file)
	check(t, os.Remove(file))
	h.do("add", "parrot", parrot(h), "--account", "key", "--bind", "--offline")
	c := h.launch("parrot")
	c.initialize()
	for name, spelled := range spellings("Bearer " + token) {
		h.secret(spelled) // the bridge's standard output and error are searched
		m := c.ask("tools/call", map[string]any{"name": "spelled " + name})
		var data struct{ Excerpt string }
		if m.Error == nil || json.Unmarshal(m.Error.Data, &data) != nil || !strings.HasPrefix(data.Excerpt, "parrot heard <") || !strings.HasSuffix(data.Excerpt, "[removed]>") {
			t.Errorf("%s: the bridge answers %v", name, m)
		}
	}
	c.close()
	for _, args := range [][]string{{"tools", "parrot"}, {"call", "parrot", "plain"}, {"call", "parrot", "status"}, {"call", "parrot", "disguised"}, {"doctor", "parrot"}} {
		r := h.run(args...)
		text := r.out + r.err
		if r.code == 0 {
			t.Errorf("keyporter %s works", strings.Join(args, " "))
		}
		if args[len(args)-1] != "status" && !strings.Contains(text, "parrot heard Bearer [removed], [removed]") {
			t.Errorf("keyporter %s does not say what the server said:\n%s", strings.Join(args, " "), h.said(text))
		}
		for _, s := range []string{word, url.QueryEscape(token), base64.RawStdEncoding.EncodeToString([]byte(token))} {
			if strings.Contains(text, s) {
				t.Errorf("keyporter %s prints the token: %s", strings.Join(args, " "), s)
			}
		}
	}
}

// A server that names itself after the token has it neither in what doctor shows nor
// in what is known of the server, which stands in a plain file.
func TestAServerThatNamesItselfAfterItsTokenIsShownAndKeptWithoutIt(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	token := "narcissus-" + word
	file := h.file("token", token)
	h.do("account", "add", "static", "key", "--token-file", file)
	check(t, os.Remove(file))
	h.do("add", "pool", byHand(h, "", func(_ http.ResponseWriter, r *http.Request, m heard, answer map[string]any) bool {
		name := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if m.Method == "initialize" {
			answer["result"] = map[string]any{"protocolVersion": "2025-11-25", "capabilities": map[string]any{"tools": map[string]any{}}, "serverInfo": map[string]any{"name": name, "version": "1"}}
		} else {
			answer["result"] = map[string]any{"tools": []any{}}
		}
		return true
	}), "--account", "key", "--bind", "--offline")
	h.do("tools", "pool")
	if r := h.run("doctor", "pool"); !strings.Contains(r.out, "[removed]") || strings.Contains(r.out+r.err, word) {
		t.Errorf("keyporter doctor:\n%s", h.said(r.out+r.err))
	}
}

// Nor does what a token endpoint says bring the client's secret to the terminal or into
// the agent's log.
func TestATokenEndpointThatRepeatsTheClientsSecretIsQuotedWithoutIt(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	secret := "client-" + word + "-x/y+1"
	var spelled atomic.Value
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_client", "error_description": fmt.Sprintf("parrot heard <%s>", spelled.Load())})
	}))
	t.Cleanup(endpoint.Close)
	file := h.file("secret", secret)
	spelled.Store("")
	h.run("account", "add", "client-credentials", "ci", "--client-id", "ci", "--client-secret-file", file, "--token-endpoint", endpoint.URL+"/token")
	check(t, os.Remove(file))
	for name, s := range spellings(secret) {
		h.secret(s)
		spelled.Store(s)
		if r := h.run("token", "ci"); r.code == 0 || !strings.Contains(r.err, "parrot heard <[removed]>") {
			t.Errorf("%s: keyporter token: exit code %d\n%s", name, r.code, r.err)
		}
	}
}
