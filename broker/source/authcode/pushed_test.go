package authcode

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keyporter/broker/oauth"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

func TestRequestIsPushedWhereTheServerWantsThat(t *testing.T) {
	for _, dpop := range []DPoP{DPoPAuto, DPoPAlways} {
		t.Run(string(dpop), func(t *testing.T) {
			w := newWorld(t, fakeas.Options{PushedOnly: true}, nil)
			f, g, err := w.signIn(t, Options{DPoP: dpop, AuthorizeParams: map[string]string{"login_hint": "alice@example.com"}}, "alice")
			if err != nil {
				t.Fatal(err)
			}
			if claims, err := w.as.Verify(g.AccessToken.Reveal(), w.server); err != nil || claims["sub"] != "alice" {
				t.Errorf("claims %v: %v", claims, err)
			}
			u, err := url.Parse(f.URL)
			if err != nil {
				t.Fatal(err)
			}
			if q := u.Query(); len(q) != 2 || q.Get("client_id") != g.ClientID || !strings.HasPrefix(q.Get("request_uri"), "urn:ietf:params:oauth:request_uri:") {
				t.Errorf("the browser gets %s", f.URL)
			}
		})
	}
}

func TestPushAfterTheProviderForgotTheClient(t *testing.T) {
	w := newWorld(t, fakeas.Options{PushedOnly: true}, nil)
	var stored *oauth.ClientRegistration
	keep := func(_ context.Context, r *oauth.ClientRegistration) error {
		stored = r
		return nil
	}
	first := w.start(t, Options{Registered: keep})
	first.Close()
	w.as.RemoveClient(stored.ClientID)
	f, g, err := w.signIn(t, Options{Registration: stored, Registered: keep}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if g.ClientID == first.Registration.ClientID || g.ClientID != stored.ClientID || !strings.Contains(f.URL, g.ClientID) {
		t.Errorf("signed in with the client %s", g.ClientID)
	}
}

func TestRefusedPushHasTheWordsOfARefusedSignIn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		o      fakeas.Options
		scopes []string
		code   hint.Code
		says   string
	}{
		{"scope", fakeas.Options{PushedOnly: true, Scopes: []string{"mcp:read"}, Clients: []fakeas.Client{{ID: "c", RedirectURIs: []string{"http://127.0.0.1/callback"}}}},
			[]string{"other"}, hint.Refused, "--scope"},
		{"resource", fakeas.Options{PushedOnly: true, Resources: []string{"https://other.example"}, Clients: []fakeas.Client{{ID: "c", RedirectURIs: []string{"http://127.0.0.1/callback"}}}},
			nil, hint.Refused, "--no-resource"},
		{"client", fakeas.Options{PushedOnly: true}, nil, hint.Refused, "does not accept this client"},
		{"no code", fakeas.Options{PushedOnly: true, Wrap: func(endpoint string, next http.Handler) http.Handler {
			if endpoint == fakeas.Pushed {
				return http.NotFoundHandler()
			}
			return next
		}}, nil, hint.Refused, "refused the sign-in. Ask"},
		{"nowhere to push", fakeas.Options{PushedOnly: true, EditMetadata: func(m map[string]any) { delete(m, "pushed_authorization_request_endpoint") }}, nil, hint.Refused, "PAR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.o, nil)
			_, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server, ClientID: "c", Scopes: tt.scopes})
			if text := hint.Of(err).Text(); hint.CodeOf(err) != tt.code || !strings.Contains(text, tt.says) {
				t.Errorf("got %v (%s)", err, text)
			}
		})
	}
}
