package authcode

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

func TestIdentityComesFromTheIDToken(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	_, g, err := w.signIn(t, Options{Scopes: []string{"openid", "email"}}, "bob")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Identity{Subject: "bob", Name: "bob", Email: "bob@example.com"}); g.Identity != want || g.Identity.String() != "bob@example.com" {
		t.Errorf("got %+v", g.Identity)
	}
}

func jwtOf(claims map[string]any) secret.Value {
	b, _ := json.Marshal(claims)
	return secret.New("e30." + base64.RawURLEncoding.EncodeToString(b) + ".SECRETWORD")
}

func TestIdentityRules(t *testing.T) {
	f := &Flow{Preset: &oauth.Preset{}, Issuer: "https://as.example", nonce: "n1", Registration: &oauth.ClientRegistration{ClientID: "c"}}
	good := map[string]any{"iss": "https://as.example", "aud": []string{"x", "c"}, "nonce": "n1", "sub": "1", "preferred_username": "al\u202eice\n"}
	with := func(k string, v any) map[string]any {
		m := map[string]any{}
		for name, value := range good {
			m[name] = value
		}
		m[k] = v
		return m
	}
	for _, tt := range []struct {
		name       string
		id, access secret.Value
		want       string
		fails      bool
	}{
		{"good, cleaned for display", jwtOf(good), secret.Value{}, "alice", false},
		{"audience as a string", jwtOf(with("aud", "c")), secret.Value{}, "alice", false},
		{"another issuer", jwtOf(with("iss", "https://evil.example")), secret.Value{}, "", false},
		{"another client", jwtOf(with("aud", "d")), secret.Value{}, "", false},
		{"another sign-in", jwtOf(with("nonce", "n2")), secret.Value{}, "", true},
		{"from the access token", secret.Value{}, jwtOf(map[string]any{"email": "a@example.com", "sub": "1"}), "a@example.com", false},
		{"opaque access token", secret.Value{}, secret.New("SECRETWORD"), "", false},
		{"encrypted access token", secret.Value{}, secret.New("a.b.c.d.e"), "", false},
		{"not base64", secret.New("a.%.c"), secret.New("a.b.c"), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := f.identity(&oauth.TokenResponse{IDToken: tt.id, AccessToken: tt.access})
			if (err != nil) != tt.fails || id.String() != tt.want {
				t.Errorf("got %q, %v; want %q", id, err, tt.want)
			}
			if err != nil && hint.CodeOf(err) != hint.Refused {
				t.Errorf("without words: %v", err)
			}
		})
	}
}

func TestGrantSurvivesTheVault(t *testing.T) {
	g := &Grant{Issuer: "https://as.example", ClientID: "c", RefreshToken: secret.Plain{Value: secret.New("SECRETWORD-r")},
		AccessToken: secret.Plain{Value: secret.New("SECRETWORD-a")}, Issued: time.Unix(1, 0).UTC(), Scope: "x y", Resource: "https://h/mcp", Identity: Identity{Email: "a@example.com"}}
	b, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	var back Grant
	if err := json.Unmarshal(b, &back); err != nil || back.RefreshToken.Reveal() != "SECRETWORD-r" || back.Identity != g.Identity || !back.Issued.Equal(g.Issued) {
		t.Errorf("got %s, %v", b, err)
	}
	tok := back.Token()
	if tok.HeaderValue() != "Bearer SECRETWORD-a" || tok.HeaderName() != "Authorization" || strings.Join(tok.Scopes, ",") != "x,y" {
		t.Errorf("got %+v", tok)
	}
}

// A computer whose clock was wrong when an ID token came takes it for neither over nor
// good for a year.
func TestAnIDTokenLivesItsLifeByAClockThatIsOff(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	id := secret.Plain{Value: jwtOf(map[string]any{"iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix()})}
	for name, tt := range map[string]struct {
		came time.Time
		want time.Time
	}{
		"right":          {noon, noon.Add(time.Hour)},
		"an hour ahead":  {noon.Add(time.Hour), noon.Add(2 * time.Hour)},
		"a year ahead":   {noon.AddDate(1, 0, 0), noon.AddDate(1, 0, 0).Add(time.Hour)},
		"an hour behind": {noon.Add(-time.Hour), noon},
		"a year behind":  {noon.AddDate(-1, 0, 0), noon.AddDate(-1, 0, 0).Add(time.Hour)},
		"of ten minutes": {noon.Add(10 * time.Minute), noon.Add(time.Hour)}, // it was made before it was asked for
		"not known":      {time.Time{}, noon.Add(time.Hour)},
	} {
		g := &Grant{IDToken: id, IDTokenCame: tt.came, UseIDToken: true}
		if got := g.Token().Expiry; !got.Equal(tt.want) {
			t.Errorf("%s: lives until %v, want %v", name, got.UTC(), tt.want)
		}
		if !tt.came.IsZero() {
			if _, err := g.as(token.AccessToken, tt.came); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
