//go:build unix

package e2e

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/internal/fakemcp"
)

// Credential files of the machine that somebody else made, to have a program run, or a
// token of this machine and what is exchanged for it sent to him.
func TestHostileCredentialFilesAreRefused(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	bird := newCanary(t)
	ran := filepath.Join(h.dir, "ran")
	subject := h.file("subject", "subject-token-"+word)
	external := func(member string, value any) string {
		m := map[string]any{
			"type": "external_account", "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
			"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
			"credential_source": map[string]any{"file": subject},
		}
		m[member] = value
		b, err := json.Marshal(m)
		check(t, err)
		return string(b)
	}
	source := func(m map[string]any) string { return external("credential_source", m) }
	file := filepath.Join(h.dir, "credentials.json")
	add := func(name, content string, flags ...string) result {
		h.t.Helper()
		check(t, os.WriteFile(file, []byte(content), 0o600))
		return h.run(append([]string{"account", "add", "google-adc", name, "--scope", "https://www.googleapis.com/auth/devstorage.read_only"}, flags...)...)
	}
	if r := add("good", external("type", "external_account"), "--credentials-file", file); r.code != 0 {
		t.Fatalf("honest credentials: exit code %d\n%s", r.code, h.said(r.err))
	}
	for name, c := range map[string]struct{ content, says string }{
		"a program":              {source(map[string]any{"executable": map[string]any{"command": "/bin/sh -c 'touch " + ran + "'", "timeout_millis": 5000}}), "Keyporter runs none"},
		"the exchange elsewhere": {external("token_url", bird.url+"/token"), "exchanges tokens at " + bird.url},
		"an exchange that looks": {external("token_url", "https://sts.googleapis.com.evil.example/v1/token"), "exchanges tokens at https://sts.googleapis.com.evil.example"},
		"an impersonation":       {external("service_account_impersonation_url", bird.url+"/v1/projects/-/serviceAccounts/a@b.c:generateAccessToken"), "impersonates at " + bird.url},
		"a source over http":     {source(map[string]any{"url": "http://tokens.example.com/"}), "without encryption"},
		"another cloud's source": {source(map[string]any{"environment_id": "aws1", "region_url": bird.url, "url": bird.url}), "another cloud's machine"},
		"another universe":       {`{"type":"authorized_user","client_id":"a","client_secret":"b-` + word + `","refresh_token":"c-` + word + `","universe_domain":"evil.example"}`, "another cloud (evil.example)"},
		"one inside another": {`{"type":"impersonated_service_account","service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.c:generateAccessToken",` +
			`"source_credentials":` + external("token_url", bird.url+"/token") + `}`, "exchanges tokens at " + bird.url},
	} {
		// Named by the user, and by the environment.
		if r := add("bad", c.content, "--credentials-file", file); r.code == 0 || !strings.Contains(r.err, c.says) {
			t.Errorf("%s: exit code %d, want %q\n%s", name, r.code, c.says, h.said(r.err))
		}
		// In the place of honest ones.
		if r := h.run("token", "good"); r.code == 0 || r.out != "" {
			t.Errorf("%s, in the place of honest ones: exit code %d\n%s", name, r.code, h.said(r.err))
		}
		if r := h.run("account", "rotate", "good", "--key-file", file); r.code == 0 || !strings.Contains(r.err, c.says) {
			t.Errorf("%s, agreed to: exit code %d, want %q\n%s", name, r.code, c.says, h.said(r.err))
		}
		bird.wantSilence(t, name)
		if _, err := os.Lstat(ran); err == nil {
			t.Fatalf("%s: it ran", name)
		}
	}
	if got := h.do("account", "list"); strings.Contains(got, "bad") {
		t.Errorf("accounts:\n%s", got)
	}
	check(t, os.Remove(file))
	check(t, os.Remove(subject)) // they hold secrets, which the search would find
}

// TestWhatIsWrittenForClientsStartsKeyporterAlone has programs lie in wait under
// Keyporter's name, entries of others stand where its own go, and the folder that it is
// installed in say what a shell would obey.
func TestWhatIsWrittenForClientsStartsKeyporterAlone(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	mark := filepath.Join(h.dir, "mark")
	evil := filepath.Join(h.dir, "evil")
	check(t, os.Mkdir(evil, 0o700))
	for _, place := range []string{filepath.Join(evil, "keyporter"), filepath.Join(h.dir, "keyporter")} {
		writeProgram(t, place, []byte("#!/bin/sh\ntouch '"+mark+"'\n"), 0o700)
	}
	h.env = append(h.env, "PATH="+evil+":"+h.dir+":"+os.Getenv("PATH"))
	odd := filepath.Join(h.dir, `it's "$(touch mark)" %PATH% ${HOME}`)
	check(t, os.Mkdir(odd, 0o700))
	h.program = filepath.Join(odd, "keyporter")
	check(t, os.Link(program, h.program))

	h.do("add", "wiki", fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
	h.do("add", "notes", "https://notes.example.com/mcp", "--offline")
	dir := filepath.Join(h.dir, ".config", "Claude")
	check(t, os.MkdirAll(dir, 0o700))
	file := filepath.Join(dir, "claude_desktop_config.json")
	foreign := `{"mcpServers": {"wiki": {"command": "` + mark + `-maker", "args": ["bridge", "wiki"]}}}` + "\n"
	check(t, os.WriteFile(file, []byte(foreign), 0o600))
	if r := h.run("install", "claude-desktop", "wiki"); r.code != 1 || !strings.Contains(r.err, "wiki") {
		t.Errorf("an entry of somebody else's: exit code %d\n%s", r.code, h.said(r.err))
	}
	b, err := os.ReadFile(file)
	check(t, err)
	if string(b) != foreign {
		t.Errorf("an entry of somebody else's was changed: %s", b)
	}
	check(t, os.WriteFile(file, []byte(`{}`), 0o600))
	h.do("install", "claude-desktop")
	type entry struct {
		Command string
		Args    []string
		Env     map[string]string
	}
	var config struct{ MCPServers map[string]entry }
	b, err = os.ReadFile(file)
	check(t, err)
	check(t, json.Unmarshal(b, &config))
	for _, name := range []string{"wiki", "notes"} {
		if e := config.MCPServers[name]; e.Command != h.program || strings.Join(e.Args, "\x00") != "bridge\x00"+name || len(e.Env) > 0 {
			t.Errorf("written for %s: %+v", name, e)
		}
	}

	h.do("bundle", "wiki", "-o", filepath.Join(h.dir, "wiki.mcpb"))
	unpacked := filepath.Join(h.dir, "unpacked")
	z, err := zip.OpenReader(filepath.Join(h.dir, "wiki.mcpb"))
	check(t, err)
	defer z.Close()
	check(t, os.CopyFS(unpacked, z))
	var manifest struct {
		Server struct {
			Entry  string `json:"entry_point"`
			Config entry  `json:"mcp_config"`
		}
	}
	b, err = os.ReadFile(filepath.Join(unpacked, "manifest.json"))
	check(t, err)
	check(t, json.Unmarshal(b, &manifest))
	if e := manifest.Server.Config; e.Command != h.program || strings.Join(e.Args, "\x00") != "bridge\x00wiki" || len(e.Env) > 0 {
		t.Errorf("the bundle starts %+v", e)
	}
	// What is written is Keyporter's bridge, its launcher too, which a shell reads.
	e := config.MCPServers["wiki"]
	for what, argv := range map[string][]string{"the entry": append([]string{e.Command}, e.Args...), "the bundle's launcher": {filepath.Join(unpacked, manifest.Server.Entry)}} {
		cmd, stderr := h.command(nil, nil)
		cmd.Path, cmd.Args = argv[0], argv
		cmd.Dir = unpacked
		c := h.attach(cmd, stderr)
		if name, _ := c.initialize(); name != "fakemcp" {
			t.Errorf("%s starts %q", what, name)
		}
		c.close()
	}
	for _, place := range []string{mark, filepath.Join(unpacked, "mark"), filepath.Join(dir, "mark")} {
		if _, err := os.Lstat(place); err == nil {
			t.Errorf("something else ran: it made %s", place)
		}
	}
}
