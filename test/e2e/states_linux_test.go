package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/vault/vaulttest"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
	"keyporter/internal/paths"
)

// States are homes as versions of Keyporter left them, one for each released format,
// in testdata/states. A format never changes once it is released: the next one is
//
//	go test -c -o /tmp/keyporter-e2e/e2e.test ./test/e2e && cd test/e2e &&
//	KEYPORTER_KEEP_STATE=2 /tmp/keyporter-e2e/e2e.test -test.run '^TestStatesOfReleasedFormatsOpen$'
//
// (a state names the programs that made it), and the ones before stay as they are. What tokens are bound to stands in a vault, and
// so the servers and the home have places of their own, which one test uses at a time.
const (
	statesHome = "/tmp/keyporter-states"
	statesAS   = "127.77.0.1:27811"
	statesMCP  = "127.77.0.1:27812"
	statesUser = "alice"
)

// A kept is what somebody has to know of a state besides its files: state.json in its
// folder.
type kept struct {
	RefreshToken string   `json:"refresh_token"` // of notes
	Scopes       []string `json:"scopes"`
}

const (
	fixedToken = "fixed-token-" + word
	rawHeader  = "Bearer sk-live-0123456789abcdef-" + word
	profile    = `{"version": 1, "name": "The team", "servers": {"wiki": {"url": "https://wiki.example.com/mcp"}}}`
)

// inStatesHome makes the home with the two servers, and gives it to nobody else
// meanwhile: who has the provider's port has the home, whichever user that is.
func inStatesHome(t *testing.T, state string) (*home, *world, *kept) {
	t.Helper()
	k, h := &kept{}, &home{}
	options := fakeas.Options{AutoApprove: true, User: statesUser, EditToken: func(answer map[string]any) {
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			v, _ := answer[name].(string)
			h.secret(v)
		}
		k.RefreshToken, _ = answer["refresh_token"].(string)
		scopes, _ := answer["scope"].(string)
		k.Scopes = strings.Fields(scopes)
	}}
	if state == "" {
		options.AccessLife = time.Second // so that a kept state has to renew
	}
	w := &world{}
	until(t, "the end of another test that is in the home of states", func() (ok bool) {
		var err error
		w.as, err = fakeas.Listen(statesAS, options)
		if !errors.Is(err, syscall.EADDRINUSE) {
			check(t, err)
		}
		return err == nil
	})
	t.Cleanup(w.as.Close) // the last of all
	check(t, os.RemoveAll(statesHome))
	check(t, os.Mkdir(statesHome, 0o700))
	t.Cleanup(func() { os.RemoveAll(statesHome) })
	h = bareHome(t)
	h.dir, h.env[0] = statesHome, "HOME="+statesHome
	if state != "" {
		check(t, os.CopyFS(statesHome, os.DirFS(filepath.Join(state, "home"))))
		tighten(t, statesHome)
	}
	h = keyporterIn(h)
	w.as.AddClient(fakeas.Client{ID: "states", RedirectURIs: []string{"http://127.0.0.1/callback", "http://127.0.0.1/"}})
	var err error
	w.mcp, err = fakemcp.Listen(statesMCP, fakemcp.Options{Issuer: w.as.Issuer()})
	check(t, err)
	t.Cleanup(w.mcp.Close)
	return h, w, k
}

// tighten gives files the modes that they had: git keeps none.
func tighten(t *testing.T, dir string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	}))
}

// keepState makes a state with something in each file that Keyporter writes.
func keepState(t *testing.T, state string) {
	t.Helper()
	h, w, k := inStatesHome(t, "")
	text, err := os.ReadFile(program)
	check(t, err)
	h.program = filepath.Join(h.dir, "keyporter")
	writeProgram(t, h.program, text, 0o700)
	kp := filepath.Join(h.dir, "kp")
	check(t, vaulttest.Make(paths.Paths{Config: kp, State: kp, Runtime: kp}, "passphrase-"+word))
	h.do("account", "add", "static", "fixed", "--token-file", h.file("token", fixedToken))
	check(t, os.Remove(filepath.Join(h.dir, "token")))
	h.do("add", "fixed", w.mcp.Origin()+"/fixed", "--account", "fixed", "--bind", "--offline")
	h.do("add", "notes", w.mcp.URL(), "--client-id", "states")
	h.do("login", "notes")
	c := h.launch("notes")
	c.initialize()
	c.wantTools(tools...)
	c.wantText(c.add(1, 2), "3")
	c.close()
	check(t, os.MkdirAll(filepath.Join(h.dir, ".config/Claude"), 0o700))
	check(t, os.MkdirAll(filepath.Join(h.dir, ".cursor"), 0o700))
	h.do("install", "claude-desktop", "notes")
	h.file(".cursor/mcp.json", `{"mcpServers": {"raw": {"url": "https://raw.example.com/mcp", "headers": {"Authorization": "`+rawHeader+`"}}}}`)
	h.do("scan", "--fix")
	h.do("join", h.file("team.keyporter.json", profile), "--yes")
	h.do("settings", "set", "approvals=first-use")
	if r := h.run("token", "fixed"); r.code != 4 {
		t.Fatalf("a program that has to ask: exit code %d\n%s", r.code, h.said(r.err))
	}
	h.allow(h.state().Approvals[0].ID)
	h.do("settings", "set", "approvals=off")
	h.do("stop")
	made := time.Now()
	until(t, "the end of the last token", func() bool { return time.Since(made) > 2*time.Second })
	check(t, os.RemoveAll(state))
	for _, dir := range []string{"kp", ".cursor", ".config"} {
		check(t, os.CopyFS(filepath.Join(state, "home", dir), os.DirFS(filepath.Join(h.dir, dir))))
	}
	for _, name := range []string{"agent.log", "agent.lock", "agent.starting", "stopped", "config.schema.json"} {
		_ = os.Remove(filepath.Join(state, "home/kp", name)) // not of the state
	}
	b, err := json.MarshalIndent(k, "", "  ")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(state, "state.json"), append(b, '\n'), 0o644))
}

// TestStatesOfReleasedFormatsOpen opens each with the present program: servers,
// accounts, tokens, log, approvals, answers, what clients have, what a fix keeps.
func TestStatesOfReleasedFormatsOpen(t *testing.T) {
	if n := os.Getenv("KEYPORTER_KEEP_STATE"); n != "" {
		t.Run("keep", func(t *testing.T) { keepState(t, filepath.Join("testdata/states", n)) })
	}
	states, err := filepath.Glob("testdata/states/*")
	check(t, err)
	if len(states) == 0 {
		t.Fatal("there is no state")
	}
	for _, state := range states {
		t.Run(filepath.Base(state), func(t *testing.T) { opens(t, state) })
	}
}

func opens(t *testing.T, state string) {
	h, w, _ := inStatesHome(t, state)
	b, err := os.ReadFile(filepath.Join(state, "state.json"))
	check(t, err)
	var k kept
	check(t, json.Unmarshal(b, &k))
	h.secret(k.RefreshToken)
	w.as.AddRefreshToken(k.RefreshToken, "states", statesUser, w.mcp.URL(), k.Scopes...)

	// While it is paused, what was known of the server is answered.
	h.do("pause")
	c := h.launch("notes")
	c.initialize()
	c.wantTools(tools...)
	h.do("resume")
	c.wantText(c.add(3, 4), "7") // with the account of then
	c.close()
	h.wantBrowsers(0)
	if got := w.as.Counters(); got.Refreshed != 1 || got.InvalidGrant != 0 {
		t.Errorf("the provider counted %+v", got)
	}
	if got := strings.TrimSpace(h.do("token", "fixed")); got != fixedToken {
		t.Error("keyporter token fixed is another token than was put in")
	}

	st := h.state()
	var servers, accounts []string
	for _, s := range st.Servers {
		servers = append(servers, s.Name)
	}
	for _, a := range st.Accounts {
		accounts = append(accounts, a.Name)
	}
	if !slices.Equal(servers, []string{"fixed", "notes", "raw", "wiki"}) || !slices.Contains(accounts, "fixed") || !slices.Contains(accounts, "notes") || st.Problem != nil {
		t.Errorf("servers %q, accounts %q, problem %v", servers, accounts, st.Problem)
	}
	if len(st.Profiles) != 1 || st.Profiles[0].Name != "The team" {
		t.Errorf("profiles %+v", st.Profiles)
	}
	if !slices.ContainsFunc(st.Approvals, func(a local.Approval) bool { return a.Account == "fixed" && a.State == local.ApprovalAllowed }) {
		t.Errorf("approvals %+v", st.Approvals)
	}
	if out := h.do("clients"); !strings.Contains(out, "notes") {
		t.Errorf("keyporter clients does not know what was installed:\n%s", out)
	}
	var log local.VerifiedLog
	check(t, json.Unmarshal([]byte(h.do("log", "--verify", "--json")), &log))
	if len(log.Broken) > 0 || log.Records < 8 {
		t.Errorf("the log: %+v", log)
	}
	h.do("scan", "--undo")
	if b, err := os.ReadFile(filepath.Join(h.dir, ".cursor/mcp.json")); err != nil || !strings.Contains(string(b), rawHeader) {
		t.Errorf("scan --undo did not put back what was there: %v", err)
	}
	check(t, os.Remove(filepath.Join(h.dir, ".cursor/mcp.json"))) // which holds a secret again, as it did

	// The generation before opens too.
	h.do("stop")
	check(t, os.Truncate(filepath.Join(h.dir, "kp/vault.age"), 100))
	if r := h.run("token", "fixed"); r.code == 0 || !strings.Contains(r.err, "keyporter vault restore") {
		t.Errorf("a damaged vault: exit code %d\n%s", r.code, h.said(r.err))
	}
	h.do("vault", "restore")
	if got := strings.TrimSpace(h.do("token", "fixed")); got != fixedToken {
		t.Error("after vault restore keyporter token fixed is another token")
	}
}
