package authcode

import (
	"net/http"
	"strings"
	"testing"

	"keyporter/broker/oauth"
	"keyporter/broker/token"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

// bound signs in with a key and checks that the server of the resource would
// take the token with a proof, and with none without.
func (w *world) checkBound(t *testing.T, g *Grant, tok *token.Token) {
	t.Helper()
	key, err := oauth.ParseDPoPKey(g.DPoPKey.Value)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := key.Sign(oauth.Proof{Method: "POST", URL: w.server, AccessToken: tok.Value, Now: g.Issued})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.as.VerifyDPoP(tok.Value.Reveal(), w.server, "POST", w.server, proof); err != nil || tok.Scheme != "DPoP" {
		t.Errorf("scheme %s: %v", tok.Scheme, err)
	}
}

func TestSignInWithTokensBoundToAKey(t *testing.T) {
	nonce := "n0"
	for name, o := range map[string]fakeas.Options{
		"no nonce": {RequireDPoP: true},
		"nonce":    {RequireDPoP: true, DPoPNonce: func() string { return nonce }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, o, func(m map[string]any) map[string]any {
				m["dpop_bound_access_tokens_required"] = true
				return m
			})
			f, g, err := w.signIn(t, Options{}, "alice")
			if err != nil {
				t.Fatal(err)
			}
			if query(t, f).Get("dpop_jkt") == "" || g.TokenType != "DPoP" {
				t.Errorf("dpop_jkt %q, type %q", query(t, f).Get("dpop_jkt"), g.TokenType)
			}
			w.checkBound(t, g, g.Token())
			var v vault
			s := w.source(t, f, g, &v)
			for range 2 {
				nonce += "x" // it changes between requests, as it does at providers
				tok, err := s.Token(t.Context(), access)
				if err != nil {
					t.Fatal(err)
				}
				w.checkBound(t, s.Grant(), tok)
			}
			if v.grants[1].DPoPKey.IsZero() || !v.grants[1].DPoPKey.Equal(g.DPoPKey.Value) {
				t.Error("the key did not stay with the grant")
			}
		})
	}
}

func TestWhenTokensAreBound(t *testing.T) {
	dpop := &oauth.Challenge{Scheme: "DPoP"}
	for _, tt := range []struct {
		name  string
		o     Options
		bound bool
	}{
		{"nobody asks", Options{}, false},
		{"nobody asks, auto", Options{DPoP: DPoPAuto}, false},
		{"the challenge", Options{Challenge: dpop}, true},
		{"the user", Options{DPoP: DPoPAlways}, true},
		{"the user says never", Options{DPoP: DPoPNever, Challenge: dpop}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, fakeas.Options{}, nil)
			f, g, err := w.signIn(t, tt.o, "alice")
			if err != nil {
				t.Fatal(err)
			}
			if (g.TokenType == "DPoP") != tt.bound || g.DPoPKey.IsZero() == tt.bound || query(t, f).Has("dpop_jkt") != tt.bound {
				t.Errorf("type %q, dpop_jkt %q", g.TokenType, query(t, f).Get("dpop_jkt"))
			}
		})
	}
}

func TestServersThatCannotBind(t *testing.T) {
	plain := func(m map[string]any) { m["token_type"] = "Bearer" }
	w := newWorld(t, fakeas.Options{EditToken: plain}, nil)
	if _, g, err := w.signIn(t, Options{Challenge: &oauth.Challenge{Scheme: "DPoP"}}, "alice"); err != nil || g.TokenType != "" || !g.DPoPKey.IsZero() || g.Token().Scheme != "Bearer" {
		t.Errorf("auto: %+v, %v", g, err)
	}
	if _, _, err := w.signIn(t, Options{DPoP: DPoPAlways}, "alice"); hint.CodeOf(err) != hint.Refused || !strings.Contains(hint.Of(err).Text(), "--dpop auto") {
		t.Errorf("always: %v", err)
	}
	w = newWorld(t, fakeas.Options{EditMetadata: func(m map[string]any) { m["dpop_signing_alg_values_supported"] = []string{"RS256"} }}, nil)
	if _, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server, DPoP: DPoPAlways}); hint.CodeOf(err) != hint.Refused {
		t.Errorf("another algorithm: %v", err)
	}
}

func TestIDTokenInPlaceOfTheAccessToken(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	f, g, err := w.signIn(t, Options{UseIDToken: true}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(query(t, f).Get("scope"), "openid ") {
		t.Errorf("scope %q", query(t, f).Get("scope"))
	}
	tok := g.Token()
	c, ok := parseClaims(tok.Value)
	if !ok || !c.isFor(g.ClientID) || tok.Expiry.IsZero() || tok.Scheme != "Bearer" {
		t.Errorf("not the ID token: %+v", tok)
	}
	var v vault
	if renewed, err := w.source(t, f, g, &v).Token(t.Context(), access); err != nil || renewed.Value.Equal(g.AccessToken.Value) || renewed.Expiry.IsZero() {
		t.Errorf("renewed: %+v, %v", renewed, err)
	}
	// An access-token grant gives its ID token too, to whom asks for that kind.
	_, g2, err := w.signIn(t, Options{Scopes: []string{"openid"}}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	s := w.source(t, &Flow{Registration: &oauth.ClientRegistration{ClientID: g2.ClientID, AuthMethod: g2.AuthMethod}}, g2, &v)
	id, err := s.Token(t.Context(), token.Request{Account: "work", Kind: token.IDToken})
	if err != nil || !id.Value.Equal(s.Grant().IDToken.Value) {
		t.Errorf("got %v, %v", id, err)
	}

	w = newWorld(t, fakeas.Options{EditToken: func(m map[string]any) { delete(m, "id_token") }}, nil)
	if _, _, err := w.signIn(t, Options{UseIDToken: true}, "alice"); hint.CodeOf(err) != hint.Refused {
		t.Errorf("no ID token: %v", err)
	}
}

func TestRevocationEndsTheGrant(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	f, g, err := w.signIn(t, Options{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := Revoke(t.Context(), w.client, g, f.Registration.Auth()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.as.Verify(g.AccessToken.Reveal(), w.server); err == nil {
		t.Error("the access token is still good")
	}
	var v vault
	if _, err := w.source(t, f, g, &v).Token(t.Context(), access); hint.CodeOf(err) != hint.SignInNeeded {
		t.Errorf("refresh afterwards: %v", err)
	}
	w.as.Fail(fakeas.Revoke, 2, http.StatusServiceUnavailable)
	if err := Revoke(t.Context(), w.client, g, f.Registration.Auth()); err == nil || !strings.Contains(hint.Of(err).Text(), "did not confirm") {
		t.Errorf("got %v", err)
	} else {
		noSecret(t, "error", err.Error())
	}
	g.RevocationEndpoint = ""
	if err := Revoke(t.Context(), w.client, g, f.Registration.Auth()); hint.CodeOf(err) != hint.Refused {
		t.Errorf("got %v", err)
	}
}
