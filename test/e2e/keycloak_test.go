//go:build interop && unix

package e2e

import (
	"os/exec"
	"testing"

	"keyporter/internal/fakemcp"
	"keyporter/internal/peers"
)

// TestKeycloak drives the programs against Keycloak's own distribution: make
// interop. The realm knows one resource; its tokens are for no other.
func TestKeycloak(t *testing.T) {
	h := newHome(t)
	h.unseen = true
	door := newDoorway(t, h)
	k := peers.NewKeycloak(t, door.url+fakemcp.Path)
	s, err := fakemcp.New(fakemcp.Options{Issuer: k.Issuer, JWKS: k.Issuer + "/protocol/openid-connect/certs", Scopes: []string{}, ToolScopes: map[string][]string{}})
	check(t, err)
	t.Cleanup(s.Close)
	s.SetURL(door.url)
	door.serve(s)

	// A realm registers nobody whom its policy does not know.
	h.do("add", "acme", s.URL())
	if r := h.run("login", "acme"); r.code != 1 || !containsAll(r.err, "refused to register Keyporter", "Trusted Hosts", "--client-id", "http://127.0.0.1/callback (any port)") {
		t.Errorf("without a client id: exit code %d\n%s", r.code, h.said(r.err))
	}
	h.wantBrowsers(0)

	h.do("set", "acme", "client-id="+peers.KeycloakClient)
	h.do("login", "acme")
	h.wantBrowsers(1)
	if who := h.do("call", "acme", "whoami"); !containsAll(who, k.Issuer, s.Resource()) {
		t.Errorf("the server knows the caller as %q", who)
	}
	if st := h.do("status"); !containsAll(st, "alice@example.com") {
		t.Errorf("status: %s", st)
	}

	// Renewal with the same resource, rotating: by a token that is refused.
	for _, r := range s.Requests() {
		s.Refuse(r.Bearer)
	}
	before := h.do("token", "acme")
	if got := h.do("call", "acme", "add", `{"a": 1, "b": 2}`); got != "3\n" {
		t.Errorf("after a renewal: %q", got)
	}
	if after := h.do("token", "acme"); after == before {
		t.Error("the token was not renewed")
	}
	h.wantBrowsers(1)

	// Another resource than those that the realm has: it says invalid_target, or
	// leaves the audience out.
	door2 := newDoorway(t, h)
	s2, err := fakemcp.New(fakemcp.Options{Issuer: k.Issuer, JWKS: k.Issuer + "/protocol/openid-connect/certs", Scopes: []string{}, ToolScopes: map[string][]string{}})
	check(t, err)
	t.Cleanup(s2.Close)
	s2.SetURL(door2.url)
	door2.serve(s2)
	h.do("add", "other", s2.URL(), "--client-id", peers.KeycloakClient)
	if r := h.run("login", "other"); r.code != 1 || !containsAll(r.err, "does not know this server", "audience mapper", "--no-resource") {
		t.Errorf("a resource that the realm does not know: exit code %d\n%s", r.code, h.said(r.err))
	}

	// Revocation ends the session at the realm.
	if n := k.Sessions(t, "alice"); n == 0 {
		t.Error("no session before the sign-out")
	}
	h.do("logout", "acme", "--revoke")
	if r := h.run("token", "acme"); r.code != 4 {
		t.Errorf("after the sign-out: exit code %d", r.code)
	}

	// A code typed on another device.
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
		t.Fatalf("keyporter login --device: exit code %d\n%s", r.code, h.said(r.err))
	}
	if who := h.do("call", "acme", "whoami"); !containsAll(who, k.Issuer) {
		t.Errorf("the server knows the caller as %q", who)
	}
}
