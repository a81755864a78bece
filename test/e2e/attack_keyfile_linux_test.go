package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A key file that somebody else made, to have assertions sent to him, to run a
// program, or to hold Keyporter up.
func TestHostileKeyFilesAreRefused(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.keyed() // so that there is a vault
	bird := newCanary(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	h.secret(strings.Split(text, "\n")[1])
	with := func(more map[string]any) string {
		m := map[string]any{"type": "service_account", "project_id": "p", "private_key_id": "k", "private_key": text,
			"client_email": "etl@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token"}
		for k, v := range more {
			m[k] = v
		}
		b, err := json.Marshal(m)
		check(t, err)
		return string(b)
	}
	ran := filepath.Join(h.dir, "ran")
	file := filepath.Join(h.dir, "key")
	add := func(content string) result {
		h.t.Helper()
		check(t, os.WriteFile(file, []byte(content), 0o600))
		defer func() { check(t, os.Remove(file)) }()
		return h.run("account", "add", "google-key", "etl", "--key-file", file, "--audience", "https://a.example.com")
	}
	if r := add(with(nil)); r.code != 0 {
		t.Fatalf("a good key: exit code %d\n%s", r.code, h.said(r.err))
	}
	h.do("account", "remove", "etl")
	for name, c := range map[string]struct{ content, says string }{
		"token_uri elsewhere":      {with(map[string]any{"token_uri": bird.url + "/token"}), "gets its tokens from " + bird.url + ", which is not Google"},
		"token_uri that looks it":  {with(map[string]any{"token_uri": "https://oauth2.googleapis.com.evil.example/token"}), "gets its tokens from https://oauth2.googleapis.com.evil.example, which is not Google"},
		"token_uri of a bucket":    {with(map[string]any{"token_uri": "https://storage.googleapis.com/evil/token"}), "gets its tokens from https://storage.googleapis.com, where Google gives out no tokens"},
		"universe of the attacker": {with(map[string]any{"universe_domain": "evil.example", "token_uri": ""}), "gets its tokens from https://oauth2.evil.example, which is not Google"},
		"universe that is a path":  {with(map[string]any{"universe_domain": "evil.example/x.googleapis.com", "token_uri": ""}), "The universe_domain in the key file is not a domain name."},
		"a program": {`{"type":"external_account","audience":"//iam.googleapis.com/x","subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"https://sts.googleapis.com/v1/token",` +
			`"credential_source":{"executable":{"command":"/bin/sh -c 'touch ` + ran + `'"}}}`, "describes workload identity federation"},
		"too large": {with(map[string]any{"filler": strings.Repeat("x", 2<<20)}), "is too large for a key"},
		"empty":     {"", "is empty"},
		"no JSON":   {"SECRETWORD is no key", "it is not JSON"},
	} {
		r := add(c.content)
		if r.code == 0 {
			t.Errorf("%s: the key was taken: %s", name, h.said(r.err))
			h.run("token", "etl")
			h.do("account", "remove", "etl")
		} else if !strings.Contains(r.err, c.says) {
			t.Errorf("%s: want %q, got exit code %d\n%s", name, c.says, r.code, h.said(r.err))
		}
	}
	for name, file := range map[string]string{"a folder": h.dir, "a device without an end": "/dev/zero", "nothing": filepath.Join(h.dir, "none")} {
		if r := h.run("account", "add", "google-key", "etl", "--key-file", file, "--audience", "https://a.example.com"); r.code == 0 || !strings.Contains(r.err, file) {
			t.Errorf("%s: exit code %d\n%s", name, r.code, r.err)
		}
	}
	bird.wantSilence(t, "key files")
	if _, err := os.Stat(ran); err == nil {
		t.Error("the program of a key file ran")
	}
}

// Systems put credentials where root owns them, and behind links (systemd, Kubernetes,
// Docker). So a file that the user names is read with the user's rights, wherever it
// leads and whoever owns it; what it holds decides.
func TestNamedFilesAreReadWithTheUsersRightsAlone(t *testing.T) {
	t.Parallel()
	h := plainHome(t)
	add := func(name, file string) result { return h.run("account", "add", "static", name, "--token-file", file) }

	file := h.file("token", "token-behind-a-link-"+word)
	link := filepath.Join(h.dir, "link")
	check(t, os.Symlink(file, link))
	if r := add("linked", link); r.code != 0 {
		t.Errorf("a link to the user's own file: exit code %d\n%s", r.code, h.said(r.err))
	}
	check(t, os.Remove(file))
	if r := add("dangling", link); r.code != 1 || !strings.Contains(r.err, link) {
		t.Errorf("a link to nothing: exit code %d\n%s", r.code, h.said(r.err))
	}
	check(t, os.Remove(link))
	if h.user == nil {
		return // only root can have files of two users
	}
	roots := filepath.Join(h.dir, "roots")
	check(t, os.WriteFile(roots, []byte("token-of-root-"+word), 0o644))
	if r := add("given", roots); r.code != 0 {
		t.Errorf("a file of root that everybody may read: exit code %d\n%s", r.code, h.said(r.err))
	}
	check(t, os.Chmod(roots, 0o600))
	check(t, os.Symlink(roots, link))
	for _, path := range []string{roots, link} {
		if r := add("stolen", path); r.code != 1 || !strings.Contains(r.err, "cannot be read") {
			t.Errorf("a file of root alone: exit code %d\n%s", r.code, h.said(r.err))
		}
	}
	check(t, os.Remove(roots))
}
