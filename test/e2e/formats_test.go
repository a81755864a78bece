//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"keyporter/broker/vault/vaulttest"
	"keyporter/internal/fakeas"
)

// newerVault returns a vault as a newer version would write it.
func newerVault(t *testing.T, dir string, old []byte) []byte {
	t.Helper()
	open := func(sealed []byte, with age.Identity) []byte {
		r, err := age.Decrypt(bytes.NewReader(sealed), with)
		check(t, err)
		text, err := io.ReadAll(r)
		check(t, err)
		return text
	}
	pass, err := age.NewScryptIdentity("passphrase-" + word)
	check(t, err)
	sealed, err := os.ReadFile(filepath.Join(dir, "identity.age"))
	check(t, err)
	id, err := age.ParseHybridIdentity(string(open(sealed, pass)))
	check(t, err)
	var document map[string]json.RawMessage
	check(t, json.Unmarshal(open(old, id), &document))
	document["version"], document["records"] = json.RawMessage("2"), json.RawMessage(`["another form"]`)
	text, err := json.Marshal(document)
	check(t, err)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, id.Recipient())
	check(t, err)
	_, err = w.Write(text)
	check(t, err)
	check(t, w.Close())
	return out.Bytes()
}

// TestFilesThatAreNewerOrDamagedAreNamedAndLeftAsTheyAre has each file that Keyporter
// writes or reads in a form that this version cannot know, or damaged.
func TestFilesThatAreNewerOrDamagedAreNamedAndLeftAsTheyAre(t *testing.T) {
	t.Parallel()
	version := func(n string) func(*home, []byte) []byte {
		return func(h *home, b []byte) []byte {
			var m map[string]json.RawMessage
			check(h.t, json.Unmarshal(b, &m))
			m["version"] = json.RawMessage(n)
			out, err := json.Marshal(m)
			check(h.t, err)
			return out
		}
	}
	newerAge := func(_ *home, b []byte) []byte {
		return slices.Concat([]byte("age-encryption.org/v2\n"), b[len(b)/2:])
	}
	cut := func(_ *home, b []byte) []byte { return b[:len(b)/2] }
	as := func(text string) func(*home, []byte) []byte {
		return func(*home, []byte) []byte { return []byte(text) }
	}
	const newer, add = "newer Keyporter", "add other https://other.example.com/mcp --offline"
	for _, tt := range []struct {
		name, file string
		edit       func(h *home, old []byte) []byte
		run        string // the commands that meet it; the last one's answer counts, and one before "|" goes before the edit
		code       int
		want       string // what it says
		after      string // where the file is then; empty: in its place
	}{
		{"config.json, newer", "kp/config.json", version("2"), add, 1, newer, ""},
		{"config.json, no version that was", "kp/config.json", version("0"), add, 1, "its version is 0", ""},
		{"config.json, damaged", "kp/config.json", cut, add, 1, "cannot be understood at line", ""},
		{"vault, newer", "kp/vault.age", func(h *home, b []byte) []byte { return newerVault(h.t, filepath.Join(h.dir, "kp"), b) }, "token fixed", 1, "kp/vault.age was written by a newer version of Keyporter", ""},
		{"vault, newer encryption", "kp/vault.age", newerAge, "token fixed;vault restore", 1, "kp/vault.age was written by a newer version of Keyporter", ""},
		{"identity.age, newer encryption", "kp/identity.age", newerAge, "token fixed;vault restore", 1, "kp/identity.age was written by a newer version of Keyporter", ""},
		{"vault, damaged", "kp/vault.age", cut, "token fixed", 1, "keyporter vault restore", ""},
		{"identity.age, damaged", "kp/identity.age", cut, "token fixed", 1, "identity.age", ""},
		{"state.json, newer", "kp/state.json", version("2"), "pause;status", 0, newer, "kp/state.json.newer"},
		{"state.json, damaged", "kp/state.json", cut, "pause;status", 0, "set aside", "kp/state.json.damaged"},
		{"state.json, newer, while paused", "kp/state.json", version("2"), "pause|token fixed", 4, "Keyporter is paused", "kp/state.json.newer"},
		{"state.json, damaged, while paused", "kp/state.json", cut, "pause|list;status", 0, "Keyporter is still paused", "kp/state.json.damaged"},
		{"audit.head, newer", "kp/audit.head", version("2"), "list", 1, "kp/audit.head was written by a newer Keyporter. Update Keyporter", ""},
		{"audit.head, newer, without an agent", "kp/audit.head", version("2"), "list;status", 0, "kp/audit.head was written by a newer Keyporter", ""},
		{"audit.head, damaged", "kp/audit.head", cut, "log --verify", 1, "audit.head was changed", "-"},
		{"audit.jsonl, newer", "kp/audit.jsonl", func(_ *home, b []byte) []byte { return append(b, `{"version":2,"event":"call"}`+"\n"...) }, "log --verify", 1, "kp/audit.jsonl was written by a newer Keyporter. Update Keyporter", ""},
		{"audit.jsonl, zeros", "kp/audit.jsonl", as(strings.Repeat("\x00", 300)), "list;status", 0, "end of the audit log was damaged", "kp/audit.jsonl.damaged-1"},
		{"audit.jsonl, cut", "kp/audit.jsonl", cut, "list;log --verify", 1, "missing", "kp/audit.jsonl.damaged-1"},
		{"team profile, newer", "team.keyporter.json", as(`{"version": 2, "name": "T", "servers": "another form"}`), "join team.keyporter.json --yes", 1, newer, ""},
		{"team profile, damaged", "team.keyporter.json", as(`{"version": 1, "name": "T", "serv`), "join team.keyporter.json --yes", 1, "cut off", ""},
		{"policy, newer", "policy.json", as(`{"version": 2, "rules": []}`), add, 1, newer, ""},
		{"policy, damaged", "policy.json", as(`{"version": 1,`), add, 1, "nothing is allowed", ""},
		{"a client's file, damaged", ".config/Claude/claude_desktop_config.json", as(`{"mcpServers": {`), "install claude-desktop fixed", 1, "claude_desktop_config.json", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := bareHome(t)
			h = keyporterIn(h, "KEYPORTER_POLICY="+h.file("policy.json", `{"version": 1}`))
			check(t, vaulttest.Make(h.paths(), "passphrase-"+word))
			h.do("account", "add", "static", "fixed", "--token-file", h.file("pass2", "fixed-token-"+word))
			check(t, os.Remove(filepath.Join(h.dir, "pass2")))
			h.do("add", "fixed", "https://fixed.example.com/mcp", "--account", "fixed", "--bind", "--offline")
			h.do("token", "fixed")
			before, run, found := strings.Cut(tt.run, "|")
			if found {
				h.do(before)
			} else {
				run = before
			}
			h.do("stop")
			path := filepath.Join(h.dir, tt.file)
			check(t, os.MkdirAll(filepath.Dir(path), 0o700))
			old, err := os.ReadFile(path)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			want := tt.edit(h, old)
			check(t, os.WriteFile(path, want, 0o600))

			var r result
			for command := range strings.SplitSeq(run, ";") {
				r = h.run(strings.Fields(command)...)
			}
			said := strings.Join(strings.Fields(r.out+h.said(r.err)), " ")
			if r.code != tt.code || !strings.Contains(said, tt.want) {
				t.Errorf("keyporter %s: exit code %d, want %d with %q:\n%s", tt.run, r.code, tt.code, tt.want, said)
			}
			h.run("list") // what else is done with the others
			h.run("stop")
			if tt.after == "-" {
				return
			}
			if tt.after != "" {
				path = filepath.Join(h.dir, tt.after)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not as it was: %v", path, err)
			}
		})
	}
}

// TestDamagedAnswersAreNoneUntilTheyComeAgain has what is kept of a server's answers
// damaged: a bridge that needs them has the tool to sign in with and no other, and the
// next that reaches the server keeps them anew.
func TestDamagedAnswersAreNoneUntilTheyComeAgain(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	newWorld(h, fakeas.Options{}).signedIn(h)
	known := func() []string {
		c := h.launch("acme")
		defer c.close()
		c.initialize()
		return c.tools()
	}
	if got := known(); !slices.Equal(got, tools) {
		t.Fatalf("tools %q", got)
	}
	h.do("pause")
	if got := known(); !slices.Equal(got, tools) {
		t.Fatalf("tools %q are known while it is paused", got)
	}
	h.do("stop")
	kept, err := filepath.Glob(filepath.Join(h.dir, "kp/answers/*.json"))
	check(t, err)
	if len(kept) != 1 {
		t.Fatalf("answers are kept in %q", kept)
	}
	b, err := os.ReadFile(kept[0])
	check(t, err)
	damaged := b[:len(b)/2]
	check(t, os.WriteFile(kept[0], damaged, 0o600))

	h.do("start")
	if got := known(); !slices.Equal(got, []string{"sign_in"}) {
		t.Errorf("tools %q are known of damaged answers", got)
	}
	if b, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(b, damaged) {
		t.Errorf("damaged answers are not left as they were: %v", err)
	}
	h.do("resume")
	if got := known(); !slices.Equal(got, tools) {
		t.Errorf("tools %q after resume", got)
	}
	if again, err := os.ReadFile(kept[0]); err != nil || !json.Valid(again) {
		t.Errorf("the answers are not kept anew: %v", err)
	}
}
