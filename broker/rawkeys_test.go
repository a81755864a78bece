package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"keyporter/broker/local"
	"keyporter/broker/scan"
	"keyporter/internal/hint"
)

// unpackCorpus writes the corpus of broker/scan below the clinic's home.
func (c *clinic) unpackCorpus() {
	c.t.Helper()
	a, err := txtar.ParseFile("scan/testdata/corpus.txtar")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range a.Files {
		if f.Name != "want" {
			writeText(c.t, filepath.Join(c.home, filepath.FromSlash(f.Name)), strings.ReplaceAll(string(f.Data), "HOME/", filepath.ToSlash(c.home)+"/"))
		}
	}
}

// tree returns all files of the home folder.
func (c *clinic) tree() map[string]string {
	c.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(c.home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		out[path] = string(b)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c *clinic) scan(action local.ScanAction, folders ...string) *local.Scanned {
	c.t.Helper()
	out, err := c.Scan(c.t.Context(), local.ScanRequest{Action: action, Folders: folders})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, p := range out.Problems {
		c.noSecretIn("a problem", p.Text()+p.Error())
	}
	return out
}

// After a fix none of the corpus' secrets is in any file, copies included, and an
// undo gives every byte back.
func TestRawKeysMoveIntoTheVaultAndBack(t *testing.T) {
	c := newClinic(t, nil)
	c.unpackCorpus()
	work := filepath.Join(c.home, "work")
	before := c.tree()

	found := c.scan(local.ScanLook, work)
	if len(found.Found) < 45 || !found.CanUndo.IsZero() || !maps.Equal(c.tree(), before) {
		t.Fatalf("%d found, undo %v", len(found.Found), found.CanUndo)
	}
	fixed := c.scan(local.ScanFix, work)
	for _, p := range fixed.Problems {
		t.Errorf("problem: %v", p)
	}
	if len(fixed.Left) != 0 || fixed.CanUndo.IsZero() {
		t.Errorf("left: %+v, undo %v", fixed.Left, fixed.CanUndo)
	}
	for path, text := range c.tree() {
		c.noSecretIn(path, text+path[len(c.home):])
	}
	servers := c.config().Servers
	for name, want := range map[string]string{"notion-remote": "https://mcp.notion.example/mcp", "exa": "https://mcp.exa.example/mcp?tools=search", "oauth-remote": "https://mcp.oauth.example/mcp"} {
		if s := servers[name]; s == nil || s.URL != want {
			t.Errorf("the server %s is %+v", name, s)
		}
	}
	s := servers["static-client"]
	if s == nil || s.ClientID != "desktop-7" || s.Resource != "https://tenant1.static.example/" || !slices.Equal(s.Scopes, []string{"read", "write"}) || !slices.Equal(s.DenyTools, []string{"delete*"}) {
		t.Errorf("mcp-remote's entry became %+v", s)
	}
	p, err := c.Program(t.Context(), local.Name{Name: "github"})
	if err != nil || p.Command != "docker" || len(p.Args) != 6 || p.Env["GITHUB_PERSONAL_ACCESS_TOKEN"].Reveal() != "ghp_SECRETWORD1a2b3c4d5e6f7g8h9i0j1k2l" {
		t.Errorf("the program github is %+v, %v", p, err)
	}
	text := c.tree()[filepath.Join(c.home, ".config/Claude/claude_desktop_config.json")]
	for _, want := range []string{"// Written by hand over the years.", `["run", "github"]`, `["bridge", "notion-remote"]`, `"MAX_TOKENS": "4096"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if again := c.scan(local.ScanFix, work); len(again.Found) != 0 || len(again.Moved) != 0 || !again.CanUndo.Equal(fixed.CanUndo) {
		t.Errorf("a second fix moved %+v", again.Moved)
	}

	undone := c.scan(local.ScanUndo)
	for _, p := range undone.Problems {
		t.Errorf("problem: %v", p)
	}
	after := c.tree()
	for path, text := range before {
		if after[path] != text {
			t.Errorf("%s is not what it was: %q", path, after[path])
		}
		delete(after, path)
	}
	for path := range after {
		t.Errorf("%s was left", path)
	}
	if len(c.config().Servers) != 0 {
		t.Errorf("servers were left: %q", c.config().ServerNames())
	}
	_, err = c.Scan(t.Context(), local.ScanRequest{Action: local.ScanUndo})
	wantCode(t, err, hint.NotFound)
	_, err = c.Program(t.Context(), local.Name{Name: "github"})
	wantCode(t, err, hint.NotFound)
}

// A client that rewrote its file since loses nothing: the entries are put back one
// by one.
func TestUndoInAFileThatWasChangedSince(t *testing.T) {
	c := newClinic(t, nil)
	path := filepath.Join(c.home, ".config/Claude/claude_desktop_config.json")
	const entry = `{ "command": "npx", "args": ["server"], "env": { "API_KEY": "abc-SECRETWORD-123" } }`
	writeText(t, path, `{ "mcpServers": { "a": `+entry+` } }`)
	if out := c.scan(local.ScanFix); len(out.Moved) != 1 || out.Moved[0].Run != "a" {
		t.Fatalf("moved %+v, %v", out.Moved, out.Problems)
	}
	now := c.tree()[path]
	writeText(t, path, strings.Replace(now, "{ ", `{ "theme": 1, `, 1))
	if out := c.scan(local.ScanUndo); len(out.Problems) > 0 || len(out.Restored) != 1 {
		t.Fatalf("undo: %+v", out)
	}
	if got, want := c.tree()[path], `{ "theme": 1, "mcpServers": { "a": `+entry+` } }`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A key that stood in a query goes to its server again.
func TestAKeyOfAQueryStillReachesItsServer(t *testing.T) {
	c := newClinic(t, nil)
	url := opened(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); q.Get("apiKey") != "q-SECRETWORD-+1" || q.Get("x") != "1" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	path := filepath.Join(c.home, ".cursor/mcp.json")
	writeText(t, path, `{"mcpServers": {"a": {"url": "`+url+`?apiKey=q-SECRETWORD-%2B1&x=1"}}}`)
	if out := c.scan(local.ScanFix); len(out.Left) != 0 || len(out.Moved) != 1 {
		t.Fatalf("fix: %+v", out)
	}
	var st *local.BridgeState
	err := c.Bridge(t.Context(), local.BridgeRequest{Server: "a"}, func(s *local.BridgeState) error {
		st = s
		return fs.ErrClosed
	})
	if st == nil || st.SecretQuery["apiKey"].Reveal() != "q-SECRETWORD-+1" || strings.Contains(st.URL, word) {
		t.Errorf("the bridge gets %+v (%v)", st, err)
	}
	if tried, err := c.session(t.Context(), "a"); err != nil || tried.Tools == 0 {
		t.Errorf("a session: %+v, %v", tried, err)
	}
}

// What a fix put in is noticed when the client loses it, as what an install put in;
// an undo also takes the server out of where it was installed since.
func TestWhatAFixPutInIsWatched(t *testing.T) {
	c := newClinic(t, nil)
	claude, cursor := filepath.Join(c.home, ".config/Claude/claude_desktop_config.json"), filepath.Join(c.home, ".cursor/mcp.json")
	const before = `{"mcpServers": {"a": {"url": "https://mcp.example.com/mcp", "headers": {"X-API-Key": "abc-SECRETWORD-123"}}}}`
	writeText(t, claude, before)
	writeText(t, cursor, "{}")
	c.scan(local.ScanFix)
	fixed := c.tree()[claude]
	writeText(t, claude, "{}")
	lost := func() []string {
		all, err := c.Clients(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all.Clients {
			if m.ID == "claude-desktop" {
				return m.Lost
			}
		}
		return nil
	}
	if got := lost(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("lost: %q", got)
	}
	writeText(t, claude, fixed)
	if _, err := c.InstallClient(t.Context(), local.InstallRequest{Client: "cursor", Servers: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	if out := c.scan(local.ScanUndo); len(out.Problems) > 0 {
		t.Fatalf("undo: %v", out.Problems)
	}
	if got := c.tree(); got[claude] != before || got[cursor] != "{}" {
		t.Errorf("after the undo: %s and %s", got[claude], got[cursor])
	}
	if got := lost(); len(got) > 0 {
		t.Errorf("lost after the undo: %q", got)
	}
}

// A fix that was cut off in the middle can be undone: what it changed so far gets its
// old bytes, and neither servers, programs nor half-written files stay.
func TestUndoOfAFixThatWasCutOff(t *testing.T) {
	c := newClinic(t, nil)
	path := filepath.Join(c.home, ".cursor/mcp.json")
	writeText(t, path, `{"mcpServers": {
		"a": {"url": "https://mcp.example.com/mcp?key=abc-SECRETWORD-123"},
		"b": {"command": "b-mcp", "env": {"B_KEY": "abc-SECRETWORD-456"}},
		"c": {"url": "https://mcp.example.com/mcp?key=abc-SECRETWORD-789"}}}`)
	before := c.tree()
	found := scan.Files(c.getenv, nil)
	m := &move{b: c.Broker, out: &local.Scanned{}, undo: &undoRecord{At: c.opt.Now()}, made: map[string]string{}}
	if err := errors.Join(m.keep(found.Entries, found), c.putUndo(t.Context(), m.undo)); err != nil {
		t.Fatal(err)
	}
	if err := m.file(t.Context(), found.Entries[:2]); err != nil || len(m.out.Problems) > 0 || len(m.out.Moved) != 2 {
		t.Fatalf("%v, %+v", err, m.out)
	}
	if p, err := c.Program(t.Context(), local.Name{Name: "b"}); err != nil || p.Env["B_KEY"].IsZero() || c.config().Servers["a"] == nil {
		t.Fatalf("before the crash: %+v, %v, servers %q", p, err, c.config().ServerNames())
	}
	writeText(t, filepath.Join(c.home, ".cursor/.mcp.json.123.tmp"), "half of abc-SECRETWORD-789")
	if out := c.scan(local.ScanUndo); len(out.Problems) > 0 || !maps.Equal(c.tree(), before) {
		t.Errorf("undo: %+v, %q", out, c.tree())
	}
	_, err := c.Program(t.Context(), local.Name{Name: "b"})
	wantCode(t, err, hint.NotFound)
	if left := c.config().ServerNames(); len(left) > 0 {
		t.Errorf("servers were left: %q", left)
	}
}

// What only the client can fill in would be lost in the vault, so such an entry stays
// as it is; and a key file that a program reads is said to stay.
func TestAFixSaysWhatItLeaves(t *testing.T) {
	c := newClinic(t, nil)
	key := filepath.Join(c.home, "sa.json")
	writeText(t, key, "{}")
	path := filepath.Join(c.home, ".cursor/mcp.json")
	writeText(t, path, fmt.Sprintf(`{"mcpServers": {
		"filled": {"command": "x", "args": ["${workspaceFolder}"], "env": {"X_KEY": "abc-SECRETWORD-1"}},
		"file": {"command": "x", "envFile": ".env", "env": {"X_KEY": "abc-SECRETWORD-2"}},
		"bq": {"command": "bq", "env": {"GOOGLE_APPLICATION_CREDENTIALS": %q}}}}`, key))
	out := c.scan(local.ScanFix)
	if len(out.Moved) != 1 || len(out.Left) != 2 || len(out.Problems) != 3 {
		t.Fatalf("moved %+v, left %+v, problems %v", out.Moved, out.Left, out.Problems)
	}
	for i, want := range []string{"filled", "file", key} {
		if got := out.Problems[i].What; !strings.Contains(got, want) {
			t.Errorf("problem %d is %q, want one of %s", i, got, want)
		}
	}
	if text := c.tree()[path]; !strings.Contains(text, "abc-SECRETWORD-1") || !strings.Contains(text, "abc-SECRETWORD-2") {
		t.Errorf("the file became %s", text)
	}
}
