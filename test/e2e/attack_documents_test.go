//go:build unix

package e2e

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// A reading is a document that two readers could read differently.
type reading struct {
	name string
	edit func(good, evil string) string // good is the document as it should be, and an object
	fine bool                           // it has one meaning, and is that
}

// readings add a member to a document, so that one reader in two takes it for what evil
// says.
func readings(member string) []reading {
	with := func(more string) func(string, string) string {
		return func(good, evil string) string {
			return strings.TrimSuffix(good, "}") + strings.NewReplacer("MEMBER", member, "EVIL", quoted(evil)).Replace(more)
		}
	}
	escaped := `\u00` + map[byte]string{'t': "74", 'a': "61"}[member[0]] + member[1:]
	return []reading{
		{name: "the member twice", edit: with(`,"MEMBER":EVIL}`)},
		{name: "the member twice, once in escapes", edit: with(`,"` + escaped + `":EVIL}`)},
		{name: "twice further inside", edit: with(`,"x":{"MEMBER":1,"MEMBER":EVIL}}`)},
		{name: "a second object behind it", edit: with(`}{"MEMBER":EVIL}`)},
		{name: "a comment behind it", edit: with(`} // {"MEMBER":EVIL}`)},
		{name: "nested without an end", edit: with(`,"x":` + strings.Repeat("[", 30_000))},
		{name: "an array of it", edit: func(good, _ string) string { return "[" + good + "]" }},
		{name: "other letters", edit: with(`,"` + strings.ToUpper(member) + `":EVIL}`), fine: true},
		{name: "letters beyond ASCII that fold to them", edit: with(`,"` + strings.NewReplacer("s", "\u017f", "k", "\u212a").Replace(member) + `":EVIL}`), fine: true},
	}
}

// TestADocumentOfTwoMeaningsIsRefused has metadata and answers of a token endpoint say
// one thing to Keyporter and another one to whoever looked at them before: a gateway,
// or the person who runs the server.
func TestADocumentOfTwoMeaningsIsRefused(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=info")
	s := newHostile(h, fakeas.Options{})
	bird := newCanary(t)
	h.do("add", "acme", s.mcp.URL(), "--offline")
	metadata := `{"issuer":"` + s.as.Issuer() + `","authorization_endpoint":"` + s.as.URL() + `/authorize","token_endpoint":"` + s.as.URL() + `/token","registration_endpoint":"` + s.as.URL() +
		`/register","response_types_supported":["code"],"code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":true}`
	resource := `{"resource":"` + s.mcp.URL() + `","authorization_servers":["` + s.as.Issuer() + `"]}`
	for _, d := range []struct{ endpoint, member, good, evil string }{
		{fakeas.Metadata, "token_endpoint", metadata, bird.url + "/token"},
		{fakemcp.MetadataPath, "authorization_servers", resource, bird.url},
		{fakeas.Token, "access_token", `{"access_token":"` + word + `-good","token_type":"Bearer"}`, word + "-evil"},
	} {
		for _, r := range readings(d.member) {
			s.answers(d.endpoint, document(r.edit(d.good, d.evil)))
			what := d.endpoint + ": " + r.name
			got := h.run("login", "acme")
			if r.fine != (got.code == 0) || strings.Contains(got.err, bird.url) {
				t.Errorf("%s: exit code %d\n%s", what, got.code, h.said(got.err))
			}
			bird.wantSilence(t, what)
			if got.code == 0 {
				if token := h.do("token", "acme"); strings.Contains(token, "evil") {
					t.Errorf("%s: keyporter token gives %q", what, token)
				}
				h.do("logout", "acme")
			}
		}
		s.answers(d.endpoint, nil)
	}
	h.do("login", "acme")
}

// TestNoMessageGetsAroundAHiddenTool has an MCP client send what a server could take for
// a call of a tool that the user hid from it, though a bridge might not.
func TestNoMessageGetsAroundAHiddenTool(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=info")
	var mu sync.Mutex
	var bodies []string
	m := behind(h, fakemcp.Options{Open: true}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // one that broke off is no call
			mu.Lock()
			bodies = append(bodies, string(body))
			mu.Unlock()
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			next.ServeHTTP(w, r)
		})
	})
	h.do("add", "acme", m.URL(), "--deny-tool", "greet")
	c := h.launch("acme")
	c.initialize()
	c.wantTools("add", "get_time", "whoami")
	for _, line := range []string{
		`"method":"tools/call","params":{"name":"greet","arguments":{}}`,
		`"method":"tools/call","params":{"name":"gr\u0065et","arguments":{}}`,
		`"method":"tools/call","params":{"name":"GREET"}`,
		`"method":"tools/call","params":{"name":"greet","name":"add"}`,
		`"method":"tools/call","params":{"name":"add","name":"greet"}`,
		`"method":"tools/call","params":{"name":"add","Name":"greet"}`,
		`"method":"tools/call","params":{"name":["greet"]}`,
		`"method":"tools/call","params":["greet"]`,
		`"method":"tools/call","params":{"name":"add"},"params":{"name":"greet"}`,
		`"method":"tools/call","params":{"name":"add"},"Params":{"name":"greet"}`,
		`"method":"tools/call","params":{"name":"add"},"p\u0061rams":{"name":"greet"}`,
		`"method":"ping","method":"tools/call","params":{"name":"greet"}`,
		`"method":"ping","Method":"tools/call","params":{"name":"greet"}`,
		`"method":"Tools/Call ","params":{"name":"greet"}`,
	} {
		if m := c.raw(`{"jsonrpc":"2.0","id":ID,` + line + `}`); m.Error == nil || !strings.Contains(m.Error.Message, "Keyporter") {
			t.Errorf("%s: %v", line, m)
		}
	}
	// What has no id that an answer could name gets none.
	c.write(`{"jsonrpc":"2.0","method":"tools/call","params":{"name":"greet"}}`)
	c.write(`{"jsonrpc":"2.0","Id":9,"method":"tools/call","params":{"name":"greet"}}`)
	c.wantText(c.add(1, 2), "3")
	c.close()

	// A client of 2025-03-26 may send several messages at once.
	c = h.launch("acme")
	c.ask("initialize", map[string]any{"protocolVersion": "2025-03-26", "capabilities": map[string]any{}, "clientInfo": map[string]string{"name": "t", "version": "1"}})
	c.notify("notifications/initialized")
	one, two := c.expect("one"), c.expect("two")
	c.write(`[{"jsonrpc":"2.0","id":"one","method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2}}},{"jsonrpc":"2.0","id":"two","method":"tools/call","params":{"name":"greet"}}]`)
	c.wantText(one, "3")
	if m := c.take("the answer to the second of a batch", two); m.Error == nil {
		t.Errorf("the second of a batch: %v", m)
	}
	c.close()
	if got := m.Counters().Calls; got["greet"] != 0 || got["add"] != 2 {
		t.Errorf("the server counted %v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, body := range bodies {
		if strings.Contains(strings.ToLower(strings.ReplaceAll(body, `\u0065`, "e")), "greet") {
			t.Errorf("the server got %s", body)
		}
	}
}

// expect returns the channel on which the answer to an id, a text, will come.
func (c *host) expect(id string) <-chan message {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := make(chan message, 1) // takes the one answer
	c.waiting[quoted(id)] = answer
	return answer
}

// write sends a line as it is.
func (c *host) write(line string) {
	c.h.t.Helper()
	_, err := io.WriteString(c.in, line+"\n")
	check(c.h.t, err)
}

// raw sends a line with an id in place of ID, and returns the answer.
func (c *host) raw(line string) message {
	c.h.t.Helper()
	answer := c.expect(line)
	c.write(strings.Replace(line, "ID", quoted(line), 1))
	return c.take("the answer to "+line, answer)
}
