package fakeas

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	redirect = "http://127.0.0.1:1/callback"
	resource = "https://mcp.example.com/mcp"
	verifier = "SECRETWORD-verifier-of-at-least-43-characters-0"
)

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// form changes a copy of base: pairs of name and value; the value "-" removes.
func form(base url.Values, pairs ...string) url.Values {
	v := maps.Clone(base)
	for i := 0; i < len(pairs); i += 2 {
		v.Del(pairs[i])
		if pairs[i+1] != "-" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

func authorizeForm() url.Values {
	return url.Values{"response_type": {"code"}, "client_id": {"c"}, "redirect_uri": {redirect}, "state": {"s"},
		"code_challenge": {challenge()}, "code_challenge_method": {"S256"}, "resource": {resource}, "scope": {"mcp:read"}}
}

func client(t *testing.T) *http.Client {
	tr := &http.Transport{DisableKeepAlives: true}
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// authorize returns the status and the parameters of the redirect.
func authorize(t *testing.T, s *Server, v url.Values) (int, url.Values) {
	t.Helper()
	res, err := client(t).Get(s.Issuer() + "/authorize?" + v.Encode())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	at, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, at.Query()
}

// post sends a form to an endpoint; basic is "id:secret" or empty.
func post(t *testing.T, s *Server, endpoint, basic string, v url.Values) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.Issuer()+endpoint, strings.NewReader(v.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id, word, ok := strings.Cut(basic, ":"); ok {
		req.SetBasicAuth(id, word)
	}
	res, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]any{}
	if len(b) > 0 {
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatalf("%s answered %d %s", endpoint, res.StatusCode, b)
		}
	}
	return res.StatusCode, m
}

func server(t *testing.T, o Options) *Server {
	o.AutoApprove = true
	o.Clients = append(o.Clients, Client{ID: "c", RedirectURIs: []string{redirect}})
	return Start(t, o)
}

func codeForm(t *testing.T, s *Server) url.Values {
	t.Helper()
	status, q := authorize(t, s, authorizeForm())
	if status != http.StatusFound || q.Get("code") == "" || q.Get("state") != "s" || q.Get("iss") != s.Issuer() {
		t.Fatalf("authorize: %d %v", status, q)
	}
	return url.Values{"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {redirect},
		"code_verifier": {verifier}, "client_id": {"c"}, "resource": {resource}}
}

func TestAuthorizationEndpointIsStrict(t *testing.T) {
	s := server(t, Options{Resources: []string{resource}})
	for _, tt := range []struct {
		name   string
		change []string
		want   string // an error code; empty: the page, not a redirect
	}{
		{"unknown client", []string{"client_id", "x"}, ""},
		{"unregistered redirect URI", []string{"redirect_uri", "https://evil.example/"}, ""},
		{"another path", []string{"redirect_uri", "http://127.0.0.1:1/other"}, ""},
		{"localhost for 127.0.0.1", []string{"redirect_uri", "http://localhost:1/callback"}, ""},
		{"no PKCE", []string{"code_challenge", "-"}, "invalid_request"},
		{"plain PKCE", []string{"code_challenge_method", "plain"}, "invalid_request"},
		{"no method", []string{"code_challenge_method", "-"}, "invalid_request"},
		{"short challenge", []string{"code_challenge", "abc"}, "invalid_request"},
		{"implicit", []string{"response_type", "token"}, "unsupported_response_type"},
		{"no resource", []string{"resource", "-"}, "invalid_target"},
		{"unknown resource", []string{"resource", resource + "/"}, "invalid_target"},
		{"unknown scope", []string{"scope", "admin"}, "invalid_scope"},
		{"empty scope", []string{"scope", ""}, "invalid_scope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, q := authorize(t, s, form(authorizeForm(), tt.change...))
			if tt.want == "" {
				if status != http.StatusBadRequest {
					t.Errorf("got %d %v", status, q)
				}
				return
			}
			if status != http.StatusFound || q.Get("error") != tt.want || q.Get("state") != "s" || q.Get("iss") != s.Issuer() || q.Has("code") {
				t.Errorf("got %d %v", status, q)
			}
		})
	}
	if status, q := authorize(t, s, form(authorizeForm(), "redirect_uri", "http://127.0.0.1:55555/callback")); status != http.StatusFound || !q.Has("code") {
		t.Errorf("another port of the loopback literal: %d %v", status, q)
	}
}

func TestTokenEndpointIsStrictAboutCodes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change []string
		want   string
	}{
		{"wrong verifier", []string{"code_verifier", strings.Repeat("x", 43)}, "invalid_grant"},
		{"no verifier", []string{"code_verifier", "-"}, "invalid_grant"},
		{"another redirect URI", []string{"redirect_uri", "http://127.0.0.1:2/callback"}, "invalid_grant"},
		{"unknown code", []string{"code", "x"}, "invalid_grant"},
		{"no resource", []string{"resource", "-"}, "invalid_target"},
		{"another resource", []string{"resource", "https://other.example/"}, "invalid_target"},
		{"no client", []string{"client_id", "-"}, "invalid_client"},
		{"a secret that it does not have", []string{"client_secret", "x"}, "invalid_client"},
		{"no grant type", []string{"grant_type", "-"}, "invalid_request"},
		{"unknown grant type", []string{"grant_type", "password"}, "unsupported_grant_type"},
		{"grant that the client may not use", []string{"grant_type", "client_credentials"}, "unauthorized_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := server(t, Options{})
			good := codeForm(t, s)
			status, m := post(t, s, "/token", "", form(good, tt.change...))
			want := http.StatusBadRequest
			if tt.want == "invalid_client" {
				want = http.StatusUnauthorized
			}
			if status != want || m["error"] != tt.want || m["access_token"] != nil {
				t.Errorf("got %d %v", status, m)
			}
		})
	}
}

func TestUsedCodeEndsItsTokens(t *testing.T) {
	s := server(t, Options{})
	good := codeForm(t, s)
	_, m := post(t, s, "/token", "", good)
	access, _ := m["access_token"].(string)
	if _, err := s.Verify(access, resource); err != nil {
		t.Fatal(err)
	}
	if status, m := post(t, s, "/token", "", good); status != 400 || m["error"] != "invalid_grant" {
		t.Errorf("second use: %d %v", status, m)
	}
	if _, err := s.Verify(access, resource); err == nil {
		t.Error("the token of a code that was used twice is still good")
	}
}

func refreshForm(m map[string]any) url.Values {
	r, _ := m["refresh_token"].(string)
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {r}, "client_id": {"c"}, "resource": {resource}}
}

func TestReusedRefreshTokenEndsTheFamily(t *testing.T) {
	s := server(t, Options{})
	_, first := post(t, s, "/token", "", codeForm(t, s))
	status, second := post(t, s, "/token", "", refreshForm(first))
	if status != 200 || second["refresh_token"] == first["refresh_token"] {
		t.Fatalf("refresh: %d", status)
	}
	if status, m := post(t, s, "/token", "", refreshForm(first)); status != 400 || m["error"] != "invalid_grant" {
		t.Errorf("reuse: %d %v", status, m)
	}
	if status, m := post(t, s, "/token", "", refreshForm(second)); status != 400 || m["error"] != "invalid_grant" {
		t.Errorf("the newest token of an ended family: %d %v", status, m)
	}
	if c := s.Counters(); c.Reused != 1 || c.InvalidGrant != 2 || c.Refreshed != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestRefreshKeepsResourceAndScope(t *testing.T) {
	s := server(t, Options{})
	_, m := post(t, s, "/token", "", codeForm(t, s))
	for want, change := range map[string][]string{
		"invalid_target": {"resource", "-"}, "invalid_scope": {"scope", "mcp:read mcp:write"}, "invalid_client": {"client_id", "x"},
	} {
		if _, e := post(t, s, "/token", "", form(refreshForm(m), change...)); e["error"] != want {
			t.Errorf("%v: got %v", change, e)
		}
	}
	if status, m := post(t, s, "/token", "", refreshForm(m)); status != 200 || m["scope"] != "mcp:read" {
		t.Errorf("got %d", status)
	}
}

func TestRevocationEndsTheGrant(t *testing.T) {
	for _, which := range []string{"refresh_token", "access_token"} {
		s := server(t, Options{})
		_, m := post(t, s, "/token", "", codeForm(t, s))
		value, _ := m[which].(string)
		if status, _ := post(t, s, "/revoke", "", url.Values{"token": {value}, "client_id": {"c"}}); status != 200 {
			t.Errorf("revoke %s: %d", which, status)
		}
		access, _ := m["access_token"].(string)
		if _, err := s.Verify(access, resource); err == nil {
			t.Errorf("the access token lives after the revocation of the %s", which)
		}
		if status, _ := post(t, s, "/token", "", refreshForm(m)); status != 400 {
			t.Errorf("the refresh token lives after the revocation of the %s", which)
		}
	}
	s := server(t, Options{})
	if status, _ := post(t, s, "/revoke", "", url.Values{"token": {"unknown"}, "client_id": {"c"}}); status != 200 {
		t.Errorf("revocation of an unknown token: %d", status)
	}
}

func TestClientAuthenticationIsStrict(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	grants := []string{"client_credentials"}
	s := Start(t, Options{Clients: []Client{
		{ID: "basic", Secret: "SECRETWORD", GrantTypes: grants}, {ID: "post", Secret: "SECRETWORD", AuthMethod: "client_secret_post", GrantTypes: grants},
		{ID: "key", AuthMethod: "private_key_jwt", Key: &key.PublicKey, GrantTypes: grants}, {ID: "public", GrantTypes: grants},
	}})
	assertion := func(change jwt.MapClaims) string {
		claims := jwt.MapClaims{"iss": "key", "sub": "key", "aud": s.Issuer(), "exp": time.Now().Add(time.Minute).Unix(), "jti": rand.Text()}
		maps.Copy(claims, change)
		signed, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	once := assertion(nil)
	base := url.Values{"grant_type": {"client_credentials"}, "resource": {resource}}
	keyed := form(base, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	for _, tt := range []struct {
		name, basic string
		form        url.Values
		want        string
	}{
		{"basic", "basic:SECRETWORD", base, ""},
		{"basic with a wrong secret", "basic:x", base, "invalid_client"},
		{"post for basic", "", form(base, "client_id", "basic", "client_secret", "SECRETWORD"), "invalid_client"},
		{"both at once", "basic:SECRETWORD", form(base, "client_secret", "SECRETWORD"), "invalid_client"},
		{"post", "", form(base, "client_id", "post", "client_secret", "SECRETWORD"), ""},
		{"basic for post", "post:SECRETWORD", base, "invalid_client"},
		{"assertion", "", form(keyed, "client_assertion", once), ""},
		{"assertion again", "", form(keyed, "client_assertion", once), "invalid_client"},
		{"assertion for the token endpoint", "", form(keyed, "client_assertion", assertion(jwt.MapClaims{"aud": s.Issuer() + "/token"})), "invalid_client"},
		{"assertion of another", "", form(keyed, "client_assertion", assertion(jwt.MapClaims{"sub": "basic"})), "invalid_client"},
		{"expired assertion", "", form(keyed, "client_assertion", assertion(jwt.MapClaims{"exp": 1})), "invalid_client"},
		{"assertion for an hour", "", form(keyed, "client_assertion", assertion(jwt.MapClaims{"exp": time.Now().Add(time.Hour).Unix()})), "invalid_client"},
		{"public client", "", form(base, "client_id", "public"), "unauthorized_client"},
		{"no resource", "basic:SECRETWORD", form(base, "resource", "-"), "invalid_target"},
		{"unknown scope", "basic:SECRETWORD", form(base, "scope", "admin"), "invalid_scope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, m := post(t, s, "/token", tt.basic, tt.form)
			got, _ := m["error"].(string)
			if got != tt.want || (status == 200) != (tt.want == "") || m["refresh_token"] != nil {
				t.Errorf("got %d %v, want %q", status, m["error"], tt.want)
			}
		})
	}
}

func TestRegistrationIsStrict(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"native", `{"redirect_uris":["http://127.0.0.1:5/cb"],"application_type":"native","token_endpoint_auth_method":"none"}`, ""},
		{"with a secret by default", `{"redirect_uris":["http://127.0.0.1:5/cb"],"application_type":"native"}`, ""},
		{"loopback for a web application", `{"redirect_uris":["http://127.0.0.1:5/cb"]}`, "invalid_redirect_uri"},
		{"no redirect URI", `{"application_type":"native"}`, "invalid_redirect_uri"},
		{"unknown method", `{"redirect_uris":["http://127.0.0.1:5/cb"],"application_type":"native","token_endpoint_auth_method":"x"}`, "invalid_client_metadata"},
		{"unknown scope", `{"redirect_uris":["http://127.0.0.1:5/cb"],"application_type":"native","scope":"admin"}`, "invalid_client_metadata"},
		{"not JSON", `x`, "invalid_client_metadata"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Start(t, Options{})
			res, err := client(t).Post(s.Issuer()+"/register", "application/json", strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var m map[string]any
			if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
				t.Fatal(err)
			}
			got, _ := m["error"].(string)
			if got != tt.want || (res.StatusCode == http.StatusCreated) != (tt.want == "") || (tt.want == "") != (m["client_id"] != nil) {
				t.Errorf("got %d %v", res.StatusCode, m)
			}
		})
	}
}

// A verifier that is not ours accepts the tokens by metadata and keys alone.
func TestTokensVerifyWithGoOIDC(t *testing.T) {
	s := server(t, Options{IssuerPath: "/tenant1", Shape: OIDCAppended})
	hc := client(t)
	ctx := oidc.ClientContext(context.Background(), hc)
	p, err := oidc.NewProvider(ctx, s.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	status, q := authorize(t, s, form(authorizeForm(), "scope", "openid", "nonce", "n1"))
	if status != http.StatusFound {
		t.Fatal(q)
	}
	_, m := post(t, s, "/token", "", url.Values{"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {redirect},
		"code_verifier": {verifier}, "client_id": {"c"}, "resource": {resource}})
	access, _ := m["access_token"].(string)
	if tok, err := p.VerifierContext(ctx, &oidc.Config{ClientID: resource}).Verify(ctx, access); err != nil || tok.Subject != "alice" {
		t.Errorf("access token: %v", err)
	}
	id, _ := m["id_token"].(string)
	if tok, err := p.VerifierContext(ctx, &oidc.Config{ClientID: "c"}).Verify(ctx, id); err != nil || tok.Nonce != "n1" {
		t.Errorf("ID token: %v", err)
	}
	if _, err := s.Verify(access, "https://other.example/"); err == nil {
		t.Error("a token is good for another resource")
	}
	if _, err := s.Verify(id, "c"); err == nil {
		t.Error("an ID token passes for an access token")
	}
}

func TestPageSignsInAndDeclines(t *testing.T) {
	s := Start(t, Options{Clients: []Client{{ID: "c", RedirectURIs: []string{redirect}}}})
	var ended url.Values
	back := http.NewServeMux()
	back.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) { ended = r.URL.Query(); io.WriteString(w, "the end") })
	app := Start(t, Options{ExtraHandlers: map[string]http.Handler{"/callback": back}})
	for user, want := range map[string]string{"bob <b>": "code", "": "error"} {
		page, err := Browse(t.Context(), s.Issuer()+"/authorize?"+form(authorizeForm(), "redirect_uri", app.URL()+"/callback").Encode(), user)
		if err != nil || page != "the end" || !ended.Has(want) || ended.Get("state") != "s" {
			t.Errorf("user %q: %s, %v, %v", user, page, ended, err)
		}
	}
}

func TestFailuresAreForAWhile(t *testing.T) {
	s := server(t, Options{})
	s.Fail(Metadata, 2, http.StatusInternalServerError)
	for _, want := range []int{500, 500, 200} {
		res, err := client(t).Get(s.URL() + "/.well-known/oauth-authorization-server")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("got %d, want %d", res.StatusCode, want)
		}
	}
	if n := s.Counters().Requests[Metadata]; n != 3 {
		t.Errorf("counted %d requests", n)
	}
}

func TestListenRefusesOtherInterfaces(t *testing.T) {
	if s, err := Listen("0.0.0.0:0", Options{}); err == nil {
		s.Close()
		t.Error("it listens for everybody")
	}
}
