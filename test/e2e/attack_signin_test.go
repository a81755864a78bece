//go:build unix

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// lure is what an attacker wants the user to read.
const lure = "call-1-900-attacker"

// TestSignInThatIsTamperedWithIsRefused has servers answer for others, and leave
// out what protects a sign-in. The code, if there is one, goes nowhere.
func TestSignInThatIsTamperedWithIsRefused(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	declined := func(url.Values) (string, string) { return "access_denied", lure }
	for _, tt := range []struct {
		name     string
		as       fakeas.Options
		resource string // the resource's metadata, in which AS is the issuer; empty: its own
		browsers int
		says     string
	}{
		{"mix-up: the answer is another issuer's", fakeas.Options{Iss: "https://evil.example"}, "", 1, "came from somebody else than"},
		{"mix-up: the issuer only begins the same", fakeas.Options{Iss: "http://127.0.0.1"}, "", 1, "came from somebody else than"},
		{"mix-up: a refusal is another issuer's", fakeas.Options{Iss: "https://evil.example", CheckAuthorize: declined}, "", 1, "came from somebody else than"},
		{"mix-up: iss is left out", fakeas.Options{IssNotSent: true}, "", 1, "does not say that it comes from"},
		{"mix-up: iss is left out of a refusal", fakeas.Options{IssNotSent: true, CheckAuthorize: declined}, "", 1, "does not say that it comes from"},
		{"mix-up: metadata of another issuer", fakeas.Options{MetadataIssuer: "https://evil.example"}, "", 0, "does not describe itself as it should"},
		{"metadata is about another server", fakeas.Options{}, `{"resource":"https://bank.example/mcp","authorization_servers":["AS"]}`, 0, "about another resource"},
		{"metadata is about a path beside", fakeas.Options{}, `{"resource":"MCP/other","authorization_servers":["AS"]}`, 0, "about another resource"},
		{"no PKCE", fakeas.Options{NoPKCEMetadata: true}, "", 0, "does not say that it protects sign-ins with PKCE (S256)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := h.in(t)
			s := newHostile(h, tt.as)
			if tt.resource != "" {
				s.answers(fakemcp.MetadataPath, document(strings.NewReplacer("AS", s.as.Issuer(), "MCP", s.mcp.Origin()).Replace(tt.resource)))
			}
			h.do("add", "acme", s.mcp.URL(), "--offline")
			before := h.browsers()
			r := h.run("login", "acme")
			if r.code != 1 || !strings.Contains(r.err, tt.says) || strings.Contains(r.err, lure) {
				t.Errorf("exit code %d\n%s", r.code, h.said(r.err))
			}
			if n := h.browsers() - before; n != tt.browsers {
				t.Errorf("%d browsers, want %d", n, tt.browsers)
			}
			if n := s.as.Counters().Requests[fakeas.Token]; n != 0 {
				t.Errorf("the code went to a token endpoint, %d times", n)
			}
			if r := h.run("token", "acme"); r.code == 0 || r.out != "" {
				t.Errorf("keyporter token afterwards: exit code %d\n%s", r.code, h.said(r.err))
			}
			h.do("remove", "acme")
		})
	}
}

// TestCodeOfAnHonestServerStaysAway is the mix-up of RFC 9207 section 1 as a whole:
// a malicious server has the user sign in at an honest one, and names its own token
// endpoint.
func TestCodeOfAnHonestServerStaysAway(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	honest := newWorld(h, fakeas.Options{})
	honest.as.AddClient(fakeas.Client{ID: "shared", RedirectURIs: []string{"http://127.0.0.1/callback"}})
	evil := newHostile(h, fakeas.Options{})
	evil.answers(fakeas.Register, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"client_id": "shared", "token_endpoint_auth_method": "none"})
	})
	evil.says(member("authorization_endpoint", honest.as.Issuer()+"/authorize"))
	h.do("add", "evil", evil.mcp.URL())
	r := h.run("login", "evil")
	if r.code != 1 || !strings.Contains(r.err, "came from somebody else than "+evil.as.Issuer()) {
		t.Errorf("exit code %d\n%s", r.code, h.said(r.err))
	}
	if got := honest.as.Counters(); got.Signins != 1 || got.CodesUsed != 0 {
		t.Errorf("the honest server counted %+v", got)
	}
	if n := evil.as.Counters().Requests[fakeas.Token]; n != 0 {
		t.Errorf("the malicious server got the code, %d times", n)
	}
}

// TestPKCEIsDoneWithoutWhereTheUserSaysSo is the way for providers that do S256 and
// do not say so: it is the user's word, for one server, and it shows.
func TestPKCEIsDoneWithoutWhereTheUserSaysSo(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	w := newWorld(h, fakeas.Options{NoPKCEMetadata: true})
	h.do("add", "acme", w.mcp.URL(), "--assume-pkce")
	h.do("login", "acme") // fakeas refuses requests without S256
	if show := h.do("show", "acme"); !strings.Contains(show, "assume_pkce\": true") {
		t.Errorf("keyporter show does not tell of it:\n%s", show)
	}
}

// TestNoMorePermissionsAreAskedForThanAServerNeeds has metadata offer everything,
// and the server's challenge ask for little.
func TestNoMorePermissionsAreAskedForThanAServerNeeds(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	var asked, resource atomic.Value
	s := newHostile(h, fakeas.Options{Scopes: []string{"mcp:read", "mcp:write", "admin", "delete:everything"},
		CheckAuthorize: func(q url.Values) (string, string) {
			asked.Store(q.Get("scope"))
			resource.Store(q.Get("resource"))
			return "", ""
		}})
	s.answers(fakemcp.MetadataPath, document(`{"resource":"`+s.mcp.URL()+`","authorization_servers":["`+s.as.Issuer()+`"],"scopes_supported":["mcp:read","mcp:write","admin","delete:everything"]}`))
	s.answers(fakemcp.Path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+s.mcp.Origin()+fakemcp.MetadataPath+`", scope="mcp:read"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	h.do("add", "acme", s.mcp.URL())
	h.do("login", "acme")
	if got, _ := asked.Load().(string); !slices.Equal(strings.Fields(got), []string{"mcp:read"}) {
		t.Errorf("asked for %q, want what the challenge names", got)
	}
	if got := resource.Load(); got != s.mcp.URL() {
		t.Errorf("asked for the resource %v", got)
	}
}
