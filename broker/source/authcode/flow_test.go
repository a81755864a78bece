package authcode

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"keyporter/assets"
	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is an authorization server, a protected server beside it, and a client
// whose log is watched for secrets.
type world struct {
	as     *fakeas.Server
	rs     *httptest.Server
	server string // the MCP server's address
	client *oauth.Client
	log    *bytes.Buffer
	net    *internet // nil: the machine's own
}

// newWorld makes one; edit changes the server's resource metadata, nil in it
// means none.
func newWorld(t *testing.T, o fakeas.Options, edit func(m map[string]any) map[string]any) *world {
	t.Helper()
	w := &world{}
	w.as = fakeas.Start(t, o)
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/oauth-protected-resource/mcp", func(rw http.ResponseWriter, r *http.Request) {
		m := map[string]any{"resource": w.server, "authorization_servers": []string{w.as.Issuer()}, "scopes_supported": []string{"mcp:read"}}
		if edit != nil {
			m = edit(m)
		}
		if m == nil {
			http.NotFound(rw, r)
			return
		}
		_ = json.NewEncoder(rw).Encode(m)
	})
	w.rs = httptest.NewServer(mux)
	t.Cleanup(w.rs.Close)
	w.server = w.rs.URL + "/mcp"
	w.newClient(t, oauth.Options{ServerURL: w.server})
	return w
}

// newClient makes the client, whose log is watched.
func (w *world) newClient(t *testing.T, o oauth.Options) {
	t.Helper()
	w.log = &bytes.Buffer{}
	o.Log = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	w.client, err = oauth.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.client.CloseIdle()
		noSecret(t, "log", w.log.String())
	})
}

func noSecret(t *testing.T, what, text string) {
	t.Helper()
	if strings.Contains(text, "SECRETWORD") {
		t.Errorf("%s shows a secret: %s", what, text)
	}
}

func (w *world) start(t *testing.T, o Options) *Flow {
	t.Helper()
	o.Client, o.ServerURL = w.client, w.server
	f, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// signIn runs a whole sign-in with fakeas.Browse in place of the browser.
func (w *world) signIn(t *testing.T, o Options, user string) (*Flow, *Grant, error) {
	t.Helper()
	f := w.start(t, o)
	g, page, err := finish(t, w, f, user)
	if (err == nil) != strings.Contains(page, "You are signed in") {
		t.Errorf("the browser showed %q, the sign-in ended with %v", page, err)
	}
	if err != nil {
		noSecret(t, "error", err.Error()+hint.Of(err).Text())
	}
	return f, g, err
}

// finish plays the browser while the flow waits.
func finish(t *testing.T, w *world, f *Flow, user string) (*Grant, string, error) {
	t.Helper()
	type browsed struct {
		page string
		err  error
	}
	done := make(chan browsed, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		page, err := w.browse(ctx, f.URL, user)
		if err != nil {
			cancel()
		}
		done <- browsed{page, err}
	}()
	g, err := f.Wait(ctx)
	b := <-done
	cancel()
	if b.err != nil {
		t.Fatalf("browser: %v", b.err)
	}
	return g, b.page, err
}

func (w *world) browse(ctx context.Context, address, user string) (string, error) {
	if w.net == nil {
		return fakeas.Browse(ctx, address, user)
	}
	return fakeas.BrowseWith(ctx, &http.Client{Transport: w.net}, address, user)
}

func query(t *testing.T, f *Flow) url.Values {
	t.Helper()
	u, err := url.Parse(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestWholeSignIn(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    fakeas.Options
	}{
		{"modern", fakeas.Options{}},
		{"without the page", fakeas.Options{AutoApprove: true}},
		{"issuer with a path", fakeas.Options{IssuerPath: "/tenant1", Shape: fakeas.OAuthOnly}},
		{"OpenID Connect, path inserted", fakeas.Options{IssuerPath: "/tenant1", Shape: fakeas.OIDCInserted}},
		{"OpenID Connect, path in front", fakeas.Options{IssuerPath: "/tenant1", Shape: fakeas.OIDCAppended}},
		{"registered with a secret, basic", fakeas.Options{RegisterMethod: oauth.AuthSecretBasic}},
		{"registered with a secret, post", fakeas.Options{RegisterMethod: oauth.AuthSecretPost}},
		{"exact redirect URIs", fakeas.Options{ExactRedirect: true}},
		{"no refresh tokens", fakeas.Options{NoRefresh: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.o, nil)
			var stored []*oauth.ClientRegistration
			f, g, err := w.signIn(t, Options{Registered: func(_ context.Context, r *oauth.ClientRegistration) error {
				stored = append(stored, r)
				return nil
			}}, "alice")
			if err != nil {
				t.Fatal(err)
			}
			claims, err := w.as.Verify(g.AccessToken.Reveal(), w.server)
			if err != nil || claims["sub"] != "alice" {
				t.Errorf("the token is not good for the server: %v, %v", claims, err)
			}
			if g.Issuer != w.as.Issuer() || g.Resource != w.server || g.ClientID != f.Registration.ClientID || g.Expiry.Before(g.Issued.Add(50*time.Minute)) ||
				g.TokenEndpoint != w.as.Issuer()+"/token" || g.RefreshToken.IsZero() != tt.o.NoRefresh || g.AuthMethod != f.Registration.AuthMethod {
				t.Errorf("got %+v", g)
			}
			if g.Identity.String() != "alice" {
				t.Errorf("identity %q", g.Identity)
			}
			if len(stored) != 1 || stored[0] != f.Registration || stored[0].Issuer != w.as.Issuer() {
				t.Errorf("stored registrations: %+v", stored)
			}
			if c := w.as.Counters(); c.Requests[fakeas.Token] != 1 || c.Requests[fakeas.Register] != 1 || c.Signins != 1 {
				t.Errorf("counters %+v", c)
			}
			noSecret(t, "the printed grant", fmt.Sprintf("%v %+v %#v", g, g, f.Registration))
		})
	}
}

func TestServersOf2025March(t *testing.T) {
	for name, shape := range map[string]fakeas.Shape{"metadata at the origin": fakeas.OAuthOnly, "default endpoints": fakeas.NoMetadata} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakeas.Options{Shape: shape}, nil)
			w.server = w.as.URL() + "/mcp" // the server is its own authorization server
			f, g, err := w.signIn(t, Options{}, "alice")
			if err != nil {
				t.Fatal(err)
			}
			if g.Issuer != w.as.URL() || g.Resource != w.server || f.Discovery.Guessed != (shape == fakeas.NoMetadata) || f.Scopes != nil {
				t.Errorf("got %+v", g)
			}
		})
	}
}

func TestRegistrationOrder(t *testing.T) {
	const document = "https://keyporter.example/client.json"
	loopback := []string{"http://127.0.0.1/callback"}
	clients := []fakeas.Client{
		{ID: "public", RedirectURIs: loopback}, {ID: "confidential", Secret: "SECRETWORD/+ é", RedirectURIs: loopback},
		{ID: "post", Secret: "SECRETWORD", AuthMethod: "client_secret_post", RedirectURIs: loopback}, {ID: document, RedirectURIs: loopback},
	}
	tests := []struct {
		name   string
		as     fakeas.Options
		o      Options
		kind   string
		id     string // empty: any
		method string
	}{
		{"pre-registered before all else", fakeas.Options{CIMD: true}, Options{ClientID: "public", ClientMetadataURL: document}, oauth.Preregistered, "public", oauth.AuthNone},
		{"pre-registered with a secret", fakeas.Options{NoRegistration: true}, Options{ClientID: "confidential", ClientSecret: secret.New("SECRETWORD/+ é")}, oauth.Preregistered, "confidential", oauth.AuthSecretBasic},
		{"method of the metadata", fakeas.Options{AuthMethods: []string{"client_secret_post"}}, Options{ClientID: "post", ClientSecret: secret.New("SECRETWORD")}, oauth.Preregistered, "post", oauth.AuthSecretPost},
		{"method that the user chose", fakeas.Options{}, Options{ClientID: "post", ClientSecret: secret.New("SECRETWORD"), AuthMethod: oauth.AuthSecretPost}, oauth.Preregistered, "post", oauth.AuthSecretPost},
		{"metadata document", fakeas.Options{CIMD: true}, Options{ClientMetadataURL: document}, oauth.MetadataDocument, document, oauth.AuthNone},
		{"dynamic where documents are not read", fakeas.Options{}, Options{ClientMetadataURL: document}, oauth.Dynamic, "", oauth.AuthNone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.as.Clients = clients
			w := newWorld(t, tt.as, nil)
			f, g, err := w.signIn(t, tt.o, "alice")
			if err != nil {
				t.Fatal(err)
			}
			if f.Registration.Kind != tt.kind || tt.id != "" && g.ClientID != tt.id || g.AuthMethod != tt.method {
				t.Errorf("got %s %s %s", f.Registration.Kind, g.ClientID, g.AuthMethod)
			}
			if n := w.as.Counters().Requests[fakeas.Register]; (n == 1) != (tt.kind == oauth.Dynamic) {
				t.Errorf("%d registrations", n)
			}
		})
	}
}

func TestPortsThatAreTriedFirst(t *testing.T) {
	listed := assets.RedirectPorts
	document := &oauth.ClientRegistration{Kind: oauth.MetadataDocument}
	dynamic := &oauth.ClientRegistration{Kind: oauth.Dynamic, RedirectURIs: []string{"http://127.0.0.1:5001/callback"}}
	for _, tt := range []struct {
		name   string
		kept   *oauth.ClientRegistration
		exact  bool
		before int
		want   []int
	}{
		{"nothing known", nil, false, 5000, []int{5000}},
		{"registered with a port", dynamic, false, 5000, []int{5001, 5000}},
		{"document, after another way of registering", document, false, 5000, listed},
		{"document, the port of last time", document, false, listed[1], append([]int{listed[1]}, listed...)},
		{"the port counts too", nil, true, 5000, listed},
	} {
		f := &Flow{o: Options{Port: tt.before}, Preset: &oauth.Preset{ExactRedirect: tt.exact}}
		if got := f.ports(tt.kept); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestKeptRegistrationIsUsedAgainAtItsPortAndIssuerOnly(t *testing.T) {
	w := newWorld(t, fakeas.Options{ExactRedirect: true}, nil)
	first, _, err := w.signIn(t, Options{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := w.signIn(t, Options{Registration: first.Registration}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if second.Registration.ClientID != first.Registration.ClientID || second.RedirectURI != first.RedirectURI {
		t.Errorf("registered again: %+v", second.Registration)
	}
	t.Run("its port is taken", func(t *testing.T) {
		blocker := w.start(t, Options{Registration: first.Registration}) // holds the port
		third, _, err := w.signIn(t, Options{Registration: first.Registration}, "alice")
		if err != nil {
			t.Fatal(err)
		}
		if third.Registration.ClientID == blocker.Registration.ClientID || third.RedirectURI == blocker.RedirectURI {
			t.Error("the old registration was used with another redirect URI")
		}
	})
	t.Run("more scopes than it was made for", func(t *testing.T) {
		f, g, err := w.signIn(t, Options{Registration: first.Registration, Scopes: []string{"mcp:write"}}, "alice")
		if err != nil {
			t.Fatal(err)
		}
		if f.Registration.ClientID == first.Registration.ClientID || g.Scope != "mcp:write" || !f.Registration.Covers(f.RedirectURI, []string{"mcp:read", "mcp:write"}) {
			t.Errorf("got %+v", f.Registration)
		}
	})
	t.Run("another issuer", func(t *testing.T) {
		other := newWorld(t, fakeas.Options{}, nil)
		f, _, err := other.signIn(t, Options{Registration: first.Registration}, "alice")
		if err != nil {
			t.Fatal(err)
		}
		if f.Registration.ClientID == first.Registration.ClientID {
			t.Error("a client of one issuer was used at another")
		}
	})
	t.Run("a pre-registered client of another issuer", func(t *testing.T) {
		_, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server, ClientID: "c", ClientIssuer: "https://old.example"})
		if hint.CodeOf(err) != hint.Refused || !strings.Contains(err.Error(), "https://old.example") {
			t.Errorf("got %v", err)
		}
	})
}

func TestWithoutRegistrationTheErrorSaysWhatToAskFor(t *testing.T) {
	for name, as := range map[string]fakeas.Options{
		"no endpoint": {NoRegistration: true},
		"refused":     {AuthMethods: []string{"private_key_jwt"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, as, nil)
			_, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server})
			do := hint.Of(err).Do
			if hint.CodeOf(err) != hint.Refused || !strings.Contains(do, "http://127.0.0.1/callback (any port)") || !strings.Contains(do, "--client-id") {
				t.Errorf("got %v: %s", err, do)
			}
			_, err = Start(t.Context(), Options{Client: w.client, ServerURL: w.server, RedirectURI: "http://localhost:39871/cb"})
			if do := hint.Of(err).Do; !strings.Contains(do, "http://localhost:39871/cb,") {
				t.Errorf("got %v: %s", err, do)
			}
		})
	}
}

func TestScopeSelection(t *testing.T) {
	challenge := func(scope string) *oauth.Challenge {
		return &oauth.Challenge{Params: map[string]string{"scope": scope}}
	}
	offline := []string{"mcp:read", "mcp:write", "offline_access"}
	tests := []struct {
		name      string
		challenge *oauth.Challenge
		supported any // of the resource's metadata; nil: absent
		as        []string
		user      []string
		want      string
		has       bool
	}{
		{"the challenge's", challenge("mcp:write"), []string{"mcp:read"}, nil, nil, "mcp:write", true},
		{"all of the resource", nil, []string{"mcp:read", "mcp:write"}, nil, nil, "mcp:read mcp:write", true},
		{"an empty challenge says nothing", challenge(""), []string{"mcp:read"}, nil, nil, "mcp:read", true},
		{"neither: no parameter", nil, nil, offline, nil, "", false},
		{"an empty list means none", nil, []string{}, offline, nil, "", false},
		{"offline_access where the issuer has it", nil, []string{"mcp:read"}, offline, nil, "mcp:read offline_access", true},
		{"offline_access once", challenge("mcp:read offline_access"), nil, offline, nil, "mcp:read offline_access", true},
		{"no escape sequences of the challenge", challenge("mcp:\x1b[31mwrite mcp:write \x1b\r\n\"x\\ é"), nil, nil, nil, "mcp:write", true},
		{"a challenge of nothing else", challenge("\x1b[31m é"), []string{"mcp:read"}, nil, nil, "mcp:read", true},
		{"nor of the resource", nil, []string{"mcp:read", "mcp:\x1b[31mwrite", "x\"", "mcp:write"}, nil, nil, "mcp:read mcp:write", true},
		{"what stands for a secret", challenge("mcp:read [removed]"), nil, nil, nil, "mcp:read", true},
		{"the user's", challenge("mcp:write"), []string{"mcp:read"}, offline, []string{"mcp:read"}, "mcp:read", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.as == nil {
				tt.as = []string{"mcp:read", "mcp:write"}
			}
			w := newWorld(t, fakeas.Options{Scopes: tt.as}, func(m map[string]any) map[string]any {
				delete(m, "scopes_supported")
				if tt.supported != nil {
					m["scopes_supported"] = tt.supported
				}
				return m
			})
			f, _, err := w.signIn(t, Options{Challenge: tt.challenge, Scopes: tt.user}, "alice")
			if err != nil {
				t.Fatal(err)
			}
			q := query(t, f)
			if q.Get("scope") != tt.want || q.Has("scope") != tt.has {
				t.Errorf("asked for %q, want %q", q["scope"], tt.want)
			}
			if (q.Get("prompt") == "consent") != strings.Contains(tt.want, "offline_access") {
				t.Errorf("prompt %q", q["prompt"])
			}
		})
	}
}

func TestResourceIsSentAsPublishedOrAsTheUserSays(t *testing.T) {
	tests := []struct {
		name, published string // BASE is the server's origin
		o               Options
		want            string
	}{
		{"as published", "BASE/mcp", Options{}, "BASE/mcp"},
		{"with its slash", "BASE/mcp/", Options{}, "BASE/mcp/"},
		{"of the origin, no slash added", "BASE", Options{}, "BASE"},
		{"the user's", "BASE/mcp", Options{Resource: "https://api.example/x"}, "https://api.example/x"},
		{"none", "BASE/mcp", Options{NoResource: true}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var base string
			w := newWorld(t, fakeas.Options{NoResource: tt.o.NoResource}, func(m map[string]any) map[string]any {
				m["resource"] = strings.Replace(tt.published, "BASE", base, 1)
				return m
			})
			base = w.rs.URL
			f, g, err := w.signIn(t, tt.o, "alice")
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(tt.want, "BASE", base, 1)
			if q := query(t, f); q.Get("resource") != want || q.Has("resource") != (want != "") || g.Resource != want {
				t.Errorf("sent %q, granted %q, want %q", q["resource"], g.Resource, want)
			}
		})
	}
}

func TestIssuerOfTheAnswer(t *testing.T) {
	tests := []struct {
		name string
		as   fakeas.Options
		iss  string // with BASE: sent in place of the issuer
		ok   bool
	}{
		{"advertised and right", fakeas.Options{}, "", true},
		{"neither advertised nor sent", fakeas.Options{NoIss: true}, "", true},
		{"right though not advertised", fakeas.Options{NoIssMetadata: true}, "", true},
		{"advertised and missing", fakeas.Options{IssNotSent: true}, "", false},
		{"wrong", fakeas.Options{}, "https://evil.example", false},
		{"wrong and not advertised", fakeas.Options{NoIssMetadata: true}, "https://evil.example", false},
		{"differs by a slash", fakeas.Options{}, "BASE/", false},
		{"differs by case", fakeas.Options{IssuerPath: "/t1"}, "BASE/T1", false},
	}
	for _, tt := range tests {
		for _, user := range []string{"alice", ""} { // no user: the answer is an error
			t.Run(fmt.Sprintf("%s, user %q", tt.name, user), func(t *testing.T) {
				// The fake's address is known only once it runs: Wrap rewrites the answer.
				var w *world
				tt.as.Wrap = func(endpoint string, next http.Handler) http.Handler {
					return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
						if endpoint != fakeas.Authorize || tt.iss == "" {
							next.ServeHTTP(rw, r)
							return
						}
						rec := httptest.NewRecorder()
						next.ServeHTTP(rec, r)
						if at, err := url.Parse(rec.Header().Get("Location")); err == nil && at.Host != "" {
							q := at.Query()
							q.Set("iss", strings.Replace(tt.iss, "BASE", w.as.URL(), 1))
							at.RawQuery = q.Encode()
							rec.Header().Set("Location", at.String())
						}
						for k, v := range rec.Header() {
							rw.Header()[k] = v
						}
						rw.WriteHeader(rec.Code)
						_, _ = rw.Write(rec.Body.Bytes())
					})
				}
				w = newWorld(t, tt.as, nil)
				_, _, err := w.signIn(t, Options{}, user)
				if tt.ok && user != "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if hint.CodeOf(err) != hint.Refused {
					t.Errorf("got %v", err)
				}
				if n := w.as.Counters().Requests[fakeas.Token]; n != 0 {
					t.Errorf("%d token requests after the refusal", n)
				}
				if shown := strings.Contains(err.Error(), "access_denied"); shown != tt.ok {
					t.Errorf("error shown: %v, want %v: %v", shown, tt.ok, err)
				}
			})
		}
	}
}

func TestPKCEHasToBeAdvertised(t *testing.T) {
	w := newWorld(t, fakeas.Options{NoPKCEMetadata: true}, nil)
	_, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server})
	if hint.CodeOf(err) != hint.Refused || !strings.Contains(hint.Of(err).Do, "--assume-pkce") {
		t.Errorf("got %v", err)
	}
	if n := w.as.Counters().Requests[fakeas.Register]; n != 0 {
		t.Errorf("registered %d times all the same", n)
	}
	if _, _, err := w.signIn(t, Options{AssumePKCE: true}, "alice"); err != nil {
		t.Errorf("with the user's word: %v", err)
	}
}

func TestAuthorizationURL(t *testing.T) {
	w := newWorld(t, fakeas.Options{EditMetadata: func(m map[string]any) {
		m["authorization_endpoint"] = m["authorization_endpoint"].(string) + "?p=a%2Fb+c&flag&client_id=evil&response_mode=fragment"
	}}, nil)
	f := w.start(t, Options{Audience: "https://api.example", Scopes: []string{"openid", "offline_access"},
		AuthorizeParams: map[string]string{"access_type": "offline", "prompt": ""}})
	if !strings.HasPrefix(f.URL, w.as.Issuer()+"/authorize?p=a%2Fb+c&flag&") {
		t.Errorf("the endpoint's own query changed: %s", f.URL)
	}
	q := query(t, f)
	for name, want := range map[string]string{"audience": "https://api.example", "access_type": "offline", "response_type": "code",
		"code_challenge_method": "S256", "redirect_uri": f.RedirectURI, "client_id": f.Registration.ClientID, "scope": "openid offline_access"} {
		if !slices.Equal(q[name], []string{want}) {
			t.Errorf("%s: got %q, want %q", name, q[name], want)
		}
	}
	if q.Has("prompt") || q.Has("response_mode") || len(q.Get("state")) < 20 || len(q.Get("code_challenge")) != 43 || q.Get("nonce") == "" {
		t.Errorf("got %v", q)
	}
	if strings.Contains(f.URL, f.verifier.Reveal()) {
		t.Error("the verifier is in the address")
	}
	other := w.start(t, Options{SelectAccount: true, Scopes: []string{"offline_access"}})
	if o := query(t, other); o.Get("prompt") != "select_account consent" {
		t.Errorf("prompt %q", o["prompt"])
	}
	if o := query(t, other); o.Get("state") == q.Get("state") || o.Get("code_challenge") == q.Get("code_challenge") {
		t.Error("two sign-ins share state or verifier")
	}
	for _, name := range []string{"state", "redirect_uri", "code_challenge", "client_id", "request_uri"} {
		_, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server, AuthorizeParams: map[string]string{name: "x"}})
		if hint.CodeOf(err) != hint.Usage {
			t.Errorf("--authorize-param %s: got %v", name, err)
		}
	}
}

func TestUnsafeAuthorizationEndpointsAreNotOpened(t *testing.T) {
	for _, endpoint := range []string{"file:///bin/sh", "http://as.example/a", "javascript:alert(1)", "https://as.example/$(id)\u0000", "--help", "https://as.example/a#b",
		`https://as.example/a"&calc&"`, "https://as.example/a`id`", "https://u:p@as.example/", "data:text/html,x", "JaVaScRiPt:alert(1)", "https://-x.example/",
		"https://10.1.2.3/authorize", "https://router/reboot", "http://localhost:1/admin", "https://169.254.169.254/latest"} {
		w := newWorld(t, fakeas.Options{EditMetadata: func(m map[string]any) { m["authorization_endpoint"] = endpoint }}, nil)
		f, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server})
		if err == nil {
			f.Close()
		}
		if hint.CodeOf(err) != hint.Refused {
			t.Errorf("%q: got %v", endpoint, err)
		}
	}
}

func TestRefusedSignIn(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	_, _, err := w.signIn(t, Options{}, "")
	if hint.CodeOf(err) != hint.Refused || oauth.CodeOf(err) != "access_denied" || !strings.Contains(hint.Of(err).What, "declined") {
		t.Errorf("got %v", err)
	}
}

func TestResourceMismatchStopsBeforeTheAuthorizationServer(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, func(m map[string]any) map[string]any { m["resource"] = "https://evil.example/mcp"; return m })
	if _, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server}); hint.CodeOf(err) != hint.Refused {
		t.Errorf("got %v", err)
	}
	if c := w.as.Counters(); len(c.Requests) != 0 {
		t.Errorf("the authorization server was asked: %v", c.Requests)
	}
}

func TestPastedRedirect(t *testing.T) {
	w := newWorld(t, fakeas.Options{AutoApprove: true, Clients: []fakeas.Client{{ID: "c", RedirectURIs: []string{"https://app.example/done"}}}}, nil)
	f := w.start(t, Options{ClientID: "c", RedirectURI: "https://app.example/done"})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(f.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	ended := res.Header.Get("Location")
	for _, bad := range []string{"", "https://app.example/done", strings.Replace(ended, "state=", "state=x", 1)} {
		if err := f.Paste(bad); hint.CodeOf(err) != hint.Usage {
			t.Errorf("%q: got %v", bad, err)
		} else {
			noSecret(t, "error", err.Error())
		}
	}
	if err := f.Paste(" " + ended + "\n"); err != nil {
		t.Fatal(err)
	}
	if g, err := f.Wait(t.Context()); err != nil || g.AccessToken.IsZero() {
		t.Errorf("got %v", err)
	}
}

func TestSignInEndsWithItsContext(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	f := w.start(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestTokenEndpointErrorsHaveWords(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	f := w.start(t, Options{})
	w.as.Fail(fakeas.Token, 1, http.StatusServiceUnavailable)
	if _, page, err := finish(t, w, f, "alice"); hint.CodeOf(err) != hint.Unreachable || !strings.Contains(page, "not signed in") {
		t.Errorf("got %v; %s", err, page)
	}
	f = w.start(t, Options{})
	w.as.RemoveClient(f.Registration.ClientID)
	w.as.AddClient(fakeas.Client{ID: f.Registration.ClientID, Secret: "SECRETWORD", RedirectURIs: []string{f.RedirectURI}})
	if _, _, err := finish(t, w, f, "alice"); !errors.Is(err, ErrClientRefused) || oauth.CodeOf(err) != oauth.InvalidClient {
		t.Errorf("got %v", err)
	}
}

func TestRegistrationThatCannotBeStoredEndsTheSignIn(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	full := errors.New("disk full")
	_, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server, Registered: func(context.Context, *oauth.ClientRegistration) error { return full }})
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}
