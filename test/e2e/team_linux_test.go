package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"keyporter/internal/fakegoogle"
	"keyporter/internal/fakemcp"
)

// A cloudRun is an MCP server on Cloud Run, behind IAM, with a log of whom each
// request's token was for and of.
type cloudRun struct {
	url  string
	mu   sync.Mutex
	seen []string // "audience email"
}

const serviceAccount = "etl@my-project.iam.gserviceaccount.com"

// newCloudRun starts one that lets the service account in. The tokens that it sees
// must show up nowhere.
func newCloudRun(t *testing.T, g *fakegoogle.Server, homes ...*home) *cloudRun {
	t.Helper()
	m, err := fakemcp.New(fakemcp.Options{Open: true})
	check(t, err)
	c := &cloudRun{}
	var gate http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			for _, h := range homes {
				h.secret(token)
			}
			c.note(token)
		}
		gate.ServeHTTP(w, r)
	}))
	gate = g.NewCloudRun(m, []string{srv.URL}, []string{serviceAccount})
	m.SetURL(srv.URL)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		m.Close()
		srv.Close()
	})
	c.url = srv.URL
	return c
}

func (c *cloudRun) note(token string) {
	var claims struct{ Aud, Email string }
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if b, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(b, &claims) // what is no token of ours is seen as empty
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, claims.Aud+" "+claims.Email)
}

// wantOnly checks that all requests carried an ID token of the service account for
// this server.
func (c *cloudRun) wantOnly(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	want := c.url + " " + serviceAccount
	if len(c.seen) == 0 || slices.ContainsFunc(c.seen, func(s string) bool { return s != want }) {
		t.Errorf("the server's log: %q, want %q alone", c.seen, want)
	}
	c.seen = nil
}

// A lead shares a server; a colleague joins, signs in and works. No key is in
// either home, and no secret in a file, an argument, an environment or a log: each
// home is searched for those of its vault when the test ends.
func TestTeamSharesAServerAndNoKey(t *testing.T) {
	g, err := fakegoogle.Start(fakegoogle.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, g.Close()) })
	ca := filepath.Join(t.TempDir(), "ca.pem")
	check(t, os.WriteFile(ca, g.CA(), 0o600))
	env := []string{"HTTPS_PROXY=" + g.ProxyURL(), "SSL_CERT_FILE=" + ca}
	lead, colleague := newHome(t, env...), newHome(t, env...)
	lead.unseen, colleague.unseen = true, true
	run := newCloudRun(t, g, lead, colleague)

	const client, public = "1234-abc.apps.googleusercontent.com", "GOCSPX-of-a-desktop-app"
	g.NewClient(client, public)
	g.NewServiceAccount(serviceAccount)
	g.Enable("1234")
	for _, who := range []string{"alice@example.com", "bob@example.com"} {
		g.Grant(serviceAccount, "user:"+who, "roles/iam.serviceAccountTokenCreator")
	}

	g.SetPerson("alice@example.com")
	file := filepath.Join(t.TempDir(), "client.txt")
	check(t, os.WriteFile(file, []byte(public), 0o600))
	lead.do("account", "add", "google", "me", "--client-id", client, "--client-secret-file", file)
	lead.do("account", "add", "google-impersonate", "etl", "--as", serviceAccount, "--through", "me", "--audience", run.url)
	lead.do("add", "sales", run.url+fakemcp.Path, "--account", "etl", "--offline")
	lead.do("login", "sales")
	lead.do("call", "sales", "get_time")
	run.wantOnly(t)
	profile := filepath.Join(t.TempDir(), "data-team.keyporter.json")
	lead.do("share", "-o", profile, "--public-app", "me")
	text, err := os.ReadFile(profile)
	check(t, err)

	if r := colleague.run("join", profile); r.code != 4 || !strings.Contains(r.out, "+ server sales") || !strings.Contains(r.out, serviceAccount) || !strings.Contains(r.out, run.url) {
		t.Errorf("join without anybody to ask: exit code %d\n%s%s", r.code, r.out, r.err)
	}
	if list := colleague.do("list", "--json"); strings.Contains(list, "sales") {
		t.Errorf("a review alone has joined: %s", list)
	}
	colleague.do("join", profile, "--yes", "--bind")
	g.SetPerson("bob@example.com")
	colleague.do("login", "sales")
	colleague.do("call", "sales", "get_time")
	run.wantOnly(t)
	if calls := g.Calls(); len(calls) == 0 || calls[len(calls)-1].Caller != "bob@example.com" || calls[len(calls)-1].On != serviceAccount {
		t.Errorf("Google's log: %+v, want bob acting as %s", calls, serviceAccount)
	}
	lead.wantBrowsers(1)
	colleague.wantBrowsers(1)

	// The desktop client's secret travels because the lead said so. The homes are
	// searched once more with their ends, for what is in their vaults too; the profile
	// lies in both.
	for _, h := range []*home{lead, colleague} {
		h.public = public
		h.file("data-team.keyporter.json", string(text))
	}
}
