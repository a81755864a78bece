package authcode

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	bearer "keyporter/broker/claims"
	"keyporter/broker/oauth"
	"keyporter/internal/hint"
	"keyporter/internal/peers"
)

// TestAgainstOIDCProvider runs the flows against an authorization server that is
// not ours: browser, browser with a pushed request, and device code, each with plain
// and with bound tokens, then renewal with rotation, and revocation.
func TestAgainstOIDCProvider(t *testing.T) {
	const server = "http://127.0.0.1/mcp"
	plain := peers.NewOIDCProvider(t, peers.OIDCOptions{Resources: []string{server}, TTL: time.Minute})
	pushed := peers.NewOIDCProvider(t, peers.OIDCOptions{Resources: []string{server}, TTL: time.Minute, PushedOnly: true})
	client, err := oauth.NewClient(oauth.Options{ServerURL: server})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdle)
	o := Options{Client: client, ServerURL: server, Resource: server, Scopes: []string{"openid", "offline_access", "mcp:read"}}
	for _, tt := range []struct {
		name   string
		op     *peers.OIDCProvider
		device bool
		dpop   DPoP
		scheme string
	}{
		{"browser", plain, false, DPoPAuto, "Bearer"}, {"browser, bound to a key", plain, false, DPoPAlways, "DPoP"},
		{"pushed request", pushed, false, DPoPAuto, "Bearer"}, {"pushed request, bound to a key", pushed, false, DPoPAlways, "DPoP"},
		{"device code", plain, true, DPoPAuto, "Bearer"}, {"device code, bound to a key", plain, true, DPoPAlways, "DPoP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			as, err := client.DiscoverAuthorizationServer(t.Context(), tt.op.Issuer)
			if err != nil {
				t.Fatal(err)
			}
			o := o
			o.Discovery, o.Device, o.DPoP = &oauth.Discovery{Server: as}, tt.device, tt.dpop
			f, err := Start(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			visit := make(chan error, 1)
			go func() {
				_, err := peers.User{Name: "bob"}.Open(t.Context(), f.URL)
				visit <- err
			}()
			g, err := f.Wait(t.Context())
			if err := <-visit; err != nil {
				t.Fatal(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			var said map[string]any
			if err := json.Unmarshal(bearer.Read(g.AccessToken.Value).Claims, &said); err != nil {
				t.Fatal(err)
			}
			if g.Token().Scheme != tt.scheme || said["aud"] != server || said["sub"] != "bob" || g.Identity.Subject != "bob" || g.RefreshToken.IsZero() {
				t.Errorf("scheme %s, claims %v, identity %v", g.Token().Scheme, said, g.Identity)
			}
			if _, bound := said["cnf"]; bound != (tt.scheme == "DPoP") {
				t.Errorf("claims %v", said)
			}
			w := &world{client: client}
			v := &vault{}
			s := w.source(t, f, g, v)
			for range 2 {
				if tok, err := s.Token(t.Context(), access); err != nil || tok.Scheme != tt.scheme {
					t.Fatalf("renewal: %v", err)
				}
			}
			if len(v.grants) != 2 || v.grants[1].RefreshToken.Equal(g.RefreshToken.Value) {
				t.Errorf("stored %d refresh tokens", len(v.grants))
			}
			auth := f.Registration.Auth()
			if err := Revoke(t.Context(), client, s.Grant(), auth); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Token(t.Context(), access); hint.CodeOf(err) != hint.SignInNeeded || !strings.Contains(hint.Of(err).Text(), "ended") {
				t.Errorf("after revocation: %v", err)
			}
		})
	}
}
