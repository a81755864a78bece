//go:build unix

package e2e

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"testing"

	"keyporter/internal/fakemcp"
	"keyporter/internal/peers"
)

// certified is an MCP server behind oidc-provider.
func certified(h *home) (*peers.OIDCProvider, *fakemcp.Server) {
	h.t.Helper()
	h.unseen = true
	door := newDoorway(h.t, h)
	p := peers.NewOIDCProvider(h.t, peers.OIDCOptions{Resources: []string{door.url + fakemcp.Path}})
	s, err := fakemcp.New(fakemcp.Options{Issuer: p.Issuer, JWKS: p.Issuer + "/jwks", Leeway: -1})
	check(h.t, err)
	h.t.Cleanup(s.Close)
	s.SetURL(door.url)
	door.serve(s)
	return p, s
}

var verification = regexp.MustCompile(`type the code (\S+) to sign in at \S+:\s+(\S+)`)

// TestCodeOnAnotherDeviceSignsIn signs in with --device at oidc-provider: the code
// is typed in a browser that this computer knows nothing of.
func TestCodeOnAnotherDeviceSignsIn(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	p, s := certified(h)
	h.do("add", "acme", s.URL(), "--client-id", peers.Device.ID)
	_, said, ended := h.start("login", "acme", "--device")
	var address string
	said.await(t, func(text string) bool {
		m := verification.FindStringSubmatch(text)
		if m != nil {
			address = m[2]
		}
		return m != nil
	})
	if out, err := exec.Command(peers.Browser(t), address).CombinedOutput(); err != nil {
		t.Fatalf("type the code: %v\n%s", err, out)
	}
	if r := <-ended; r.code != 0 {
		t.Fatalf("keyporter login: exit code %d\n%s", r.code, h.said(r.err))
	}
	h.wantBrowsers(0)
	if who := h.do("call", "acme", "whoami"); !containsAll(who, "alice", p.Issuer, s.Resource()) {
		t.Errorf("the server knows the caller as %q", who)
	}
}

// TestSignOutIsToldToTheProvider ends a sign-in at oidc-provider with --revoke.
func TestSignOutIsToldToTheProvider(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	p, s := certified(h)
	h.do("add", "acme", s.URL())
	h.do("login", "acme")
	var claims struct {
		Kind   string
		Claims struct{ Sub, Aud string }
	}
	check(t, json.Unmarshal([]byte(h.do("token", "acme", "--claims")), &claims))
	if claims.Kind != "jwt" || claims.Claims.Sub != "alice" || claims.Claims.Aud != s.Resource() {
		t.Errorf("claims = %+v", claims)
	}
	h.do("logout", "acme", "--revoke")
	if n := p.Count(t, "grant.revoked", ""); n == 0 {
		t.Error("the provider was not told")
	}
	if r := h.run("token", "acme"); r.code != 4 {
		t.Errorf("keyporter token after the sign-out: exit code %d, want 4\n%s", r.code, h.said(r.err))
	}
}
