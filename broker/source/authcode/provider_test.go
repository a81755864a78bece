package authcode

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	bearer "keyporter/broker/claims"
	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

// internet reaches the provider and the MCP server by their real names, and
// loopback as it is.
type internet struct {
	hosts map[string]http.Handler
	real  *http.Transport
}

func (i *internet) RoundTrip(r *http.Request) (*http.Response, error) {
	h := i.hosts[r.URL.Host]
	if h == nil {
		return i.real.RoundTrip(r)
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, in)
	res := w.Result()
	res.Request = r
	return res, nil
}

// newProvider makes a world with a provider at its real host.
func newProvider(t *testing.T, p fakeas.Provider, scopes ...string) *world {
	t.Helper()
	w := &world{as: fakeas.New(p.Options), server: "https://mcp.acme.example/mcp"}
	w.as.SetURL("https://" + p.Host)
	w.net = &internet{real: &http.Transport{DisableKeepAlives: true}, hosts: map[string]http.Handler{
		p.Host: w.as,
		"mcp.acme.example": http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/.well-known/oauth-protected-resource/mcp" {
				http.NotFound(rw, r)
				return
			}
			m := map[string]any{"resource": w.server, "authorization_servers": []string{w.as.Issuer()}}
			if scopes != nil {
				m["scopes_supported"] = scopes
			}
			_ = json.NewEncoder(rw).Encode(m)
		}),
	}}
	w.newClient(t, oauth.Options{ServerURL: w.server, Transport: w.net})
	return w
}

// provider signs in and checks the preset that was used.
func (w *world) provider(t *testing.T, p fakeas.Provider, o Options) (*Flow, *Grant) {
	t.Helper()
	f, g, err := w.signIn(t, o, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if f.Preset.Name != p.Name || !strings.Contains(f.Preset.Why, p.Host) {
		t.Errorf("preset %q, because %q", f.Preset.Name, f.Preset.Why)
	}
	return f, g
}

// refused starts or finishes a sign-in that has to fail, and returns its words.
func (w *world) refused(t *testing.T, o Options) string {
	t.Helper()
	o.Client, o.ServerURL = w.client, w.server
	f, err := Start(t.Context(), o)
	if err == nil {
		defer f.Close()
		_, _, err = finish(t, w, f, "alice")
	}
	if err == nil {
		t.Fatal("it went through")
	}
	text := hint.Of(err).Text() + " [" + err.Error() + "]"
	noSecret(t, "error", text)
	return text
}

func (w *world) renew(t *testing.T, f *Flow, g *Grant, change ...func(*SourceOptions)) (*token.Token, *vault, error) {
	t.Helper()
	v := &vault{}
	tok, err := w.source(t, f, g, v, change...).Token(t.Context(), access)
	return tok, v, err
}

func wantText(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%q does not say %q", got, w)
		}
	}
}

func TestGoogle(t *testing.T) {
	p := fakeas.Google()
	rapt := false
	p.Options.CheckToken = func(form url.Values) (code, description string) {
		if rapt && form.Get("grant_type") == "refresh_token" {
			return "invalid_grant", "reauth related error (invalid_rapt)"
		}
		return "", ""
	}
	w := newProvider(t, p, "openid", "email", "https://www.googleapis.com/auth/calendar")
	wantText(t, w.refused(t, Options{}), "Desktop app", "--client-id", "http://127.0.0.1/callback (any port)", "openid email https://www.googleapis.com/auth/calendar")
	f, g := w.provider(t, p, Options{ClientID: "client"})
	if g.RefreshToken.IsZero() || slices.Contains(f.Scopes, "offline_access") {
		t.Errorf("no refresh token, or asked for %q", f.Scopes)
	}
	if _, again := w.provider(t, p, Options{ClientID: "client"}); again.RefreshToken.IsZero() {
		t.Error("no refresh token at the second sign-in")
	}
	if missing := f.Preset.Missing(f.Scopes, strings.Fields(g.Scope)); len(missing) > 0 {
		t.Errorf("%q of %q count as missing", missing, g.Scope)
	}
	if _, _, err := w.renew(t, f, g); err != nil {
		t.Errorf("refresh: %v", err)
	}
	rapt = true
	v := &vault{}
	s := w.source(t, f, g, v)
	before := w.as.Counters().Requests[fakeas.Token]
	for range 3 {
		if _, err := s.Token(t.Context(), access); hint.CodeOf(err) != hint.SignInNeeded {
			t.Errorf("invalid_rapt: %v", err)
		}
	}
	if n := w.as.Counters().Requests[fakeas.Token] - before; n != 1 {
		t.Errorf("%d requests after invalid_rapt, want 1", n)
	}
	t.Run("without the preset", func(t *testing.T) {
		_, g, err := w.signIn(t, Options{ClientID: "client", Preset: &oauth.Preset{}, Scopes: []string{"openid"}}, "alice")
		if err != nil || !g.RefreshToken.IsZero() {
			t.Errorf("%v; the fake gives a refresh token unasked", err)
		}
	})
	t.Run("an app in testing ends after seven days", func(t *testing.T) {
		later := func() time.Time { return g.SignedIn.Add(7*24*time.Hour + time.Hour) }
		rapt = false
		w.as.EndGrants()
		_, _, err := w.renew(t, f, g, func(o *SourceOptions) { o.Now = later })
		wantText(t, hint.Of(err).Text(), "after 7 days", "Testing")
	})
}

func TestEntraID(t *testing.T) {
	p := fakeas.Entra()
	const app = "api://11111111-2222-3333-4444-555555555555/"
	w := newProvider(t, p, app+"read", "write")
	f, g := w.provider(t, p, Options{ClientID: "client"})
	q := query(t, f)
	if q.Has("resource") || q.Has("prompt") || q.Get("scope") != app+"read "+app+"write offline_access" {
		t.Errorf("authorization request %v", q)
	}
	if g.RefreshToken.IsZero() || g.Scope != app+"read "+app+"write" || g.Issuer != "https://login.microsoftonline.com/organizations/v2.0" {
		t.Errorf("got %+v", g)
	}
	tok, v, err := w.renew(t, f, g)
	if err != nil || len(v.grants) != 1 || v.grants[0].RefreshToken.IsZero() || tok.Value.IsZero() {
		t.Errorf("refresh: %v, stored %d", err, len(v.grants))
	}
	t.Run("the person's tenant says who signed in", func(t *testing.T) {
		_, g := w.provider(t, p, Options{ClientID: "client", Scopes: []string{app + "read", "openid", "offline_access"}})
		if g.Identity.String() != "alice@example.com" {
			t.Errorf("got %+v", g.Identity)
		}
	})
	t.Run("resource is refused in words", func(t *testing.T) {
		wantText(t, w.refused(t, Options{ClientID: "client", Resource: w.server}), "does not know this server", "api://APP/read", "AADSTS9010010")
	})
	t.Run("refresh without scope", func(t *testing.T) {
		_, _, err := w.renew(t, f, v.grants[0], func(o *SourceOptions) { o.Preset = &oauth.Preset{} })
		if err == nil || !strings.Contains(err.Error(), "AADSTS90009") || hint.CodeOf(err) != hint.Refused {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a scope of nobody's", func(t *testing.T) {
		wantText(t, w.refused(t, Options{ClientID: "client", Scopes: []string{"read"}}), "AADSTS650053")
	})
	t.Run("named by the audience", func(t *testing.T) {
		f, _ := w.provider(t, p, Options{ClientID: "client", Scopes: []string{"read", "offline_access"}, Audience: strings.TrimSuffix(app, "/")})
		if want := []string{app + "read", "offline_access"}; !slices.Equal(f.Scopes, want) {
			t.Errorf("got %q", f.Scopes)
		}
	})
	t.Run("without the preset PKCE is missed", func(t *testing.T) {
		wantText(t, w.refused(t, Options{ClientID: "client", Preset: &oauth.Preset{}}), "--assume-pkce")
	})
}

func TestAuth0(t *testing.T) {
	p := fakeas.Auth0()
	w := newProvider(t, p, "mcp:read")
	f, g := w.provider(t, p, Options{})
	if q := query(t, f); q.Get("audience") != w.server || q.Get("resource") != w.server || q.Has("prompt") {
		t.Errorf("authorization request %v", q)
	}
	if _, err := w.as.Verify(g.AccessToken.Reveal(), w.server); err != nil || bearer.Read(g.AccessToken.Value).Form != bearer.JWT {
		t.Errorf("the server cannot use the token: %v", err)
	}
	if _, _, err := w.renew(t, f, g); err != nil {
		t.Errorf("refresh: %v", err)
	}
	_, bare, err := w.signIn(t, Options{Preset: &oauth.Preset{}}, "alice")
	if err != nil || bearer.Read(bare.AccessToken.Value).Form != bearer.JWE {
		t.Errorf("without audience: %v", err)
	}
	if f := w.start(t, Options{SelectAccount: true}); query(t, f).Get("prompt") != "login" {
		t.Errorf("another person: prompt %q", query(t, f).Get("prompt"))
	}
}

func TestOkta(t *testing.T) {
	p := fakeas.Okta()
	w := newProvider(t, p, "mcp:read")
	f, g := w.provider(t, p, Options{ClientID: "client"})
	if g.Issuer != "https://company.okta.com/oauth2/default" || g.RefreshToken.IsZero() || query(t, f).Has("prompt") {
		t.Errorf("got %+v", g)
	}
	if org, err := oauth.FindPreset("https://company.okta.com", nil); err != nil || org.Name != "Okta organisation" || !strings.Contains(org.Note, "custom one") {
		t.Errorf("the organisation's own server: %+v, %v", org, err)
	}
}

func TestKeycloak(t *testing.T) {
	p := fakeas.Keycloak("https://other.example/mcp")
	w := newProvider(t, p, "mcp:read")
	wantText(t, w.refused(t, Options{}), "refused to register Keyporter", "Trusted Hosts", "the scopes mcp:read", "http://127.0.0.1/callback (any port)")
	wantText(t, w.refused(t, Options{ClientID: "client"}), "does not know this server", "audience mapper", "--no-resource", "invalid_target")

	p = fakeas.Keycloak("https://mcp.acme.example/mcp")
	w = newProvider(t, p, "mcp:read")
	f, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server, ClientID: "client"})
	if err != nil {
		t.Fatal(err)
	}
	if f.Preset.Name != "Keycloak" || f.Resource != w.server {
		t.Errorf("preset %q, resource %q", f.Preset.Name, f.Resource)
	}
	g, _, err := finish(t, w, f, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.renew(t, f, g); err != nil {
		t.Errorf("refresh with the same resource: %v", err)
	}
}

func TestCognito(t *testing.T) {
	const redirect = "http://localhost:47811/callback"
	p := fakeas.Cognito(redirect)
	w := newProvider(t, p, "mcp/read")
	f, g := w.provider(t, p, Options{ClientID: "client", RedirectURI: redirect, UseIDToken: true})
	if f.RedirectURI != redirect || slices.Contains(f.Scopes, "offline_access") || !strings.Contains(string(bearer.Read(g.Token().Value).Claims), `"email":"alice@example.com"`) {
		t.Errorf("redirect %s, scopes %q, token of %v", f.RedirectURI, f.Scopes, bearer.Read(g.Token().Value).Claims)
	}
	text := w.refused(t, Options{})
	wantText(t, text, "user pool", "--client-id and --redirect-uri")
	if strings.Contains(text, "any port") {
		t.Errorf("the port counts there: %s", text)
	}
}

func TestGitHub(t *testing.T) {
	p := fakeas.GitHub()
	w := newProvider(t, p, "repo", "read:org")
	o := Options{ClientID: "client", ClientSecret: secret.New("SECRETWORD-github")}
	f, g := w.provider(t, p, o)
	if g.Scope != "repo read:org" || !g.Expiry.IsZero() || !g.RefreshToken.IsZero() {
		t.Errorf("got %+v", g)
	}
	if tok, _, err := w.renew(t, f, g); err != nil || !tok.Value.Equal(g.AccessToken.Value) {
		t.Errorf("a token that does not expire: %v", err)
	}
	o.ClientSecret = secret.New("SECRETWORD-wrong")
	wantText(t, w.refused(t, o), "does not accept this client")
}

func TestAtlassianRotatesAndNeverLoops(t *testing.T) {
	p := fakeas.Atlassian()
	w := newProvider(t, p, "mcp:read")
	f, g := w.provider(t, p, Options{})
	if _, _, err := w.renew(t, f, g); err != nil {
		t.Fatal(err)
	}
	s := w.source(t, f, g, &vault{}) // a copy of the vault from before
	before := w.as.Counters().Requests[fakeas.Token]
	for range 3 {
		if _, err := s.Token(t.Context(), access); hint.CodeOf(err) != hint.SignInNeeded {
			t.Errorf("got %v", err)
		}
	}
	if c := w.as.Counters(); c.Reused != 1 || c.Requests[fakeas.Token]-before != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestSlack(t *testing.T) {
	p := fakeas.Slack()
	w := newProvider(t, p, "channels:read", "chat:write")
	f, g := w.provider(t, p, Options{ClientID: "client"})
	if f.RedirectURI != "http://localhost:3118/callback" || query(t, f).Get("user_scope") != "channels:read chat:write" || query(t, f).Has("scope") {
		t.Errorf("redirect %s, request %v", f.RedirectURI, query(t, f))
	}
	if g.Scope != "channels:read chat:write" {
		t.Errorf("scope %q", g.Scope)
	}
	_, v, err := w.renew(t, f, g)
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	w.as.EndGrants()
	if _, _, err := w.renew(t, f, v.grants[0]); hint.CodeOf(err) != hint.SignInNeeded {
		t.Errorf("ended: %v", err)
	}
	t.Run("no scope", func(t *testing.T) {
		wantText(t, newProvider(t, p).refused(t, Options{ClientID: "client"}), "wants to know which permissions", "--scope")
	})
	t.Run("the port is taken", func(t *testing.T) {
		w.start(t, Options{ClientID: "client"})
		wantText(t, w.refused(t, Options{ClientID: "client"}), "3118", "another sign-in of Keyporter")
	})
}

func TestAnotherPersonIsAskedForInTheProvidersWay(t *testing.T) {
	for _, tt := range []struct {
		p    fakeas.Provider
		want string
	}{
		{fakeas.Okta(), "login"}, {fakeas.Keycloak("https://mcp.acme.example/mcp"), "login"}, {fakeas.Cognito("http://127.0.0.1/callback"), "login"},
		{fakeas.Entra(), "select_account"}, {fakeas.Google(), "select_account consent"},
	} {
		t.Run(tt.p.Name, func(t *testing.T) {
			f := newProvider(t, tt.p, "openid").start(t, Options{ClientID: "client", SelectAccount: true})
			if got := query(t, f).Get("prompt"); got != tt.want {
				t.Errorf("prompt %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCloudflareForgetsClients(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	p := fakeas.Cloudflare(clock)
	w := newProvider(t, p, "mcp:read")
	var kept *oauth.ClientRegistration
	o := Options{Now: clock, Registered: func(_ context.Context, r *oauth.ClientRegistration) error {
		kept = r
		return nil
	}}
	_, g := w.provider(t, p, o)
	o.Registration = kept
	now = now.AddDate(0, 0, 80)
	if f, _ := w.provider(t, p, o); f.Registration.ClientID != g.ClientID {
		t.Error("registered anew too early")
	}
	now = now.AddDate(0, 0, 8)
	f, fresh := w.provider(t, p, o)
	if fresh.ClientID == g.ClientID {
		t.Error("a client that will soon be forgotten was used")
	}
	// The previous refresh token is good until the next one is used.
	if _, _, err := w.renew(t, f, fresh); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.renew(t, f, fresh); err != nil {
		t.Errorf("after a refresh whose answer was lost: %v", err)
	}
	now = now.AddDate(0, 0, 91)
	_, _, err := w.renew(t, f, fresh)
	if hint.CodeOf(err) != hint.SignInNeeded {
		t.Errorf("a forgotten client: %v", err)
	}
}

func TestFastMCPAndDatadogAreOrdinary(t *testing.T) {
	p := fakeas.FastMCP()
	f, g := newProvider(t, p, "mcp:read").provider(t, p, Options{})
	if g.AuthMethod != oauth.AuthSecretPost || f.Preset.Note == "" {
		t.Errorf("method %s, note %q", g.AuthMethod, f.Preset.Note)
	}
	p = fakeas.Datadog()
	f, g = newProvider(t, p, []string{}...).provider(t, p, Options{})
	if query(t, f).Has("scope") || g.AuthMethod != oauth.AuthNone {
		t.Errorf("scope %q, method %s", query(t, f).Get("scope"), g.AuthMethod)
	}
}
