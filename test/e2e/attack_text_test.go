//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"keyporter/internal/fakeas"
)

// graffiti is what a hostile server, profile or file has for a name: a new title of
// the window, an empty screen, colours (also with the one-byte introducer of C1),
// text that reads backwards, characters without width, a line that looks like one of
// Keyporter's, marks of formats, menus and notifications.
const graffiti = "Ni\x1b]0;owned\a\x1b[2J\u009b31mce\u202egnp.exe\u2066\u200b\ufeff\U000E0041\u2028 &amp;_<b>%s%n\x7f\r\nFORGED  ready\tyes"

// wantPlain reports what a terminal would obey, or a person not see, and lines that
// begin as a server wants it.
func (h *home) wantPlain(what, text string) {
	h.t.Helper()
	for _, r := range text {
		if r != '\n' && r != ' ' && unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) {
			h.t.Errorf("%s holds %U:\n%q", what, r, text)
			return
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "FORGED") {
			h.t.Errorf("%s has a line of the server's own:\n%s", what, text)
		}
	}
}

// wantPlainOf runs a command and checks all that it writes. It returns the answer.
func (h *home) wantPlainOf(args ...string) result {
	h.t.Helper()
	r := h.run(args...)
	what := "keyporter " + strings.Join(args, " ")
	h.wantPlain(what, r.out)
	h.wantPlain(what, r.err)
	return r
}

// vandal is an MCP server whose every text is graffiti. The tool fails is an error
// of the protocol.
func vandal(h *home) string {
	h.t.Helper()
	return byHand(h, graffiti, func(w http.ResponseWriter, _ *http.Request, m heard, answer map[string]any) bool {
		text := []any{map[string]any{"type": "text", "text": strings.ReplaceAll(graffiti, "\n", " ")}, map[string]any{"type": "image", "data": "AA==", "mimeType": graffiti}}
		switch {
		case m.Method == "initialize":
			answer["result"] = map[string]any{
				"protocolVersion": "2025-11-25", "capabilities": map[string]any{"tools": map[string]any{}}, "instructions": graffiti,
				"serverInfo": map[string]any{"name": graffiti, "title": graffiti, "version": graffiti},
			}
		case m.Method == "tools/list":
			answer["result"] = map[string]any{"tools": []any{map[string]any{
				"name": graffiti, "title": graffiti, "description": graffiti, "inputSchema": map[string]any{"type": "object"},
			}}}
		case m.Method == "tools/call" && m.Params.Name == "fails":
			answer["error"] = map[string]any{"code": -32000, "message": graffiti, "data": graffiti}
		case m.Method == "tools/call":
			answer["result"] = map[string]any{"content": text, "isError": m.Params.Name == "sorry"}
		default:
			answer["error"] = map[string]any{"code": -32601, "message": graffiti}
		}
		return true
	})
}

// A heard is what a server by hand is sent.
type heard struct {
	ID     json.RawMessage
	Method string
	Params struct{ Name string }
}

// byHand is an MCP server that is written for one test. Each request is answered with
// what say adds to answer, or by say itself, which returns false then; what is no
// message is refused with words.
func byHand(h *home, words string, say func(w http.ResponseWriter, r *http.Request, m heard, answer map[string]any) bool) string {
	h.t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m heard
		if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&m) != nil {
			http.Error(w, words, http.StatusMethodNotAllowed)
			return
		}
		if m.ID == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		answer := map[string]any{"jsonrpc": "2.0", "id": m.ID}
		if say(w, r, m, answer) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(answer) // the client may have gone
		}
	}))
	h.t.Cleanup(s.Close)
	return s.URL + "/mcp"
}

func TestNoTextOfAServerMovesTheTerminal(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.wantPlainOf("add", "acme", vandal(h))
	if r := h.wantPlainOf("tools", "acme"); !strings.Contains(r.out, "Ni") {
		t.Errorf("keyporter tools: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	for _, tool := range []string{"fine", "sorry", "fails", graffiti} {
		if r := h.run("call", "acme", tool); tool != graffiti { // whose name cannot be an argument's text without a line end
			h.wantPlain("keyporter call "+tool, r.out)
			h.wantPlain("keyporter call "+tool, r.err)
		}
		h.wantPlainOf("call", "acme", tool, "--json")
	}
	for _, command := range []string{
		"tools acme --json", "list", "list --json", "show acme", "show acme --json", "status", "status --json", "doctor", "doctor acme --json",
		"log", "log --json", "log --verify", "approvals", "approvals --json", "account list", "bundle acme -o acme.mcpb", "share acme -o -", "bridge " + "other",
	} {
		h.wantPlainOf(strings.Fields(command)...)
	}
	report := filepath.Join(h.dir, "report")
	h.wantPlainOf("doctor", "--report", report)
	for _, file := range []string{report, h.paths().AgentLog(), h.paths().Audit()} {
		b, err := os.ReadFile(file)
		check(t, err)
		h.wantPlain(file, string(b))
	}
}

func TestNoTextOfASignInMovesTheTerminal(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := newHostile(h, fakeas.Options{User: graffiti, Scopes: []string{"mcp:read", "mcp:write", "openid", "profile", "email", graffiti}})
	h.wantPlainOf("add", "acme", s.mcp.URL())
	refusal, err := json.Marshal(map[string]string{"error": graffiti, "error_description": graffiti, "error_uri": graffiti})
	check(t, err)
	refuse := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(refusal)
	}
	for _, endpoint := range []string{fakeas.Register, fakeas.Token} {
		s.answers(endpoint, refuse)
		if r := h.wantPlainOf("login", "acme"); r.code == 0 {
			t.Errorf("signed in though %s refuses", endpoint)
		}
		s.answers(endpoint, nil)
	}
	s.says(member("token_endpoint", "https://"+graffiti))
	h.wantPlainOf("login", "acme")
	s.says(nil)
	if r := h.wantPlainOf("login", "acme"); r.code != 0 {
		t.Errorf("an honest sign-in of somebody with that name: exit code %d\n%s", r.code, h.said(r.err))
	}
	for _, command := range []string{"list", "list --json", "show acme", "status", "account list", "account list --json", "account show acme", "token acme --claims", "doctor", "log", "approvals"} {
		h.wantPlainOf(strings.Fields(command)...)
	}
}

func TestNoTextOfAFileMovesTheTerminal(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	// An MCP client's file.
	entry, err := json.Marshal(map[string]any{"mcpServers": map[string]any{graffiti: map[string]any{
		"command": graffiti, "args": []string{graffiti}, "env": map[string]string{"API_KEY": "sk-" + word + "-0123456789abcdef0123456789", graffiti: "ghp_" + word + strings.Repeat("a1B2", 8)},
	}}})
	check(t, err)
	dir := filepath.Join(h.dir, ".config", "Claude")
	check(t, os.MkdirAll(dir, 0o700))
	file := filepath.Join(dir, "claude_desktop_config.json")
	check(t, os.WriteFile(file, entry, 0o600))
	if r := h.wantPlainOf("scan"); !strings.Contains(r.out, "FORGED") {
		t.Errorf("keyporter scan found nothing: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	h.wantPlainOf("scan", "--json")
	h.wantPlainOf("scan", "--fix")
	h.wantPlainOf("clients")
	h.wantPlainOf("clients", "--json")
	h.wantPlainOf("doctor")
	check(t, os.Remove(file)) // it holds the keys, which the search for secrets would find
	check(t, os.RemoveAll(dir))

	// A profile.
	for i, p := range []map[string]any{
		{"name": graffiti, "description": graffiti, "servers": map[string]any{"acme": map[string]any{"url": "https://mcp.example.com/mcp"}}},
		{"name": "team", "servers": map[string]any{graffiti: map[string]any{"url": "https://mcp.example.com/mcp"}}},
		{"name": "team", "servers": map[string]any{"acme": map[string]any{"url": "https://mcp.example.com/" + graffiti}}},
		{"name": "team", "servers": map[string]any{"acme": map[string]any{"url": "https://mcp.example.com/mcp", "scopes": []string{graffiti}}}},
		{"name": "team", "servers": map[string]any{"acme": map[string]any{"url": "https://mcp.example.com/mcp", "headers": map[string]string{"X-A": graffiti}}}},
		{"name": "team", graffiti: true},
	} {
		p["version"] = 1
		b, err := json.Marshal(p)
		check(t, err)
		h.wantPlainOf("join", h.file(fmt.Sprintf("%d.keyporter.json", i), string(b)), "--yes")
	}
	h.wantPlainOf("join", "--list")
	h.wantPlainOf("list")

	// A key, a policy's words, an address.
	h.wantPlainOf("account", "add", "google-key", "etl", "--key-file", h.file("key.json", `{"type":"service_account","client_email":`+quoted(graffiti)+`,"token_uri":`+quoted("https://"+graffiti)+`}`), "--audience", "https://a.example.com")
	for _, url := range []string{"https://" + graffiti, "https://mcp.example.com/\u009b31m\u202e\u200b", "http://exa\u202emple.com/mcp"} {
		h.wantPlainOf("add", "odd", url, "--offline")
		h.wantPlainOf("list")
		h.wantPlainOf("remove", "odd")
	}
	h.wantPlainOf("login", graffiti)
	h.wantPlainOf("rename", graffiti, graffiti)
	h.wantPlainOf(graffiti)
	h.wantPlainOf("add", "--"+graffiti)
}

func quoted(s string) string { b, _ := json.Marshal(s); return string(b) }
