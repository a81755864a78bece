package clientcred_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/source/clientcred"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

const issuer = "https://as.example.com"

var (
	noon    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	request = token.Request{Account: "job", Kind: token.AccessToken, Scopes: []string{"read", "write"}, Resource: "https://mcp.example.com/mcp"}
)

// server is a token endpoint. It keeps the last request and answers with
// whatever answer says.
type server struct {
	*httptest.Server
	form   url.Values
	header http.Header
	status int
	answer string
	clock  time.Duration // how far its clock is ahead
}

func newServer(t *testing.T) *server {
	s := &server{status: http.StatusOK, answer: `{"access_token":"SECRETWORD-1","token_type":"bearer","expires_in":600}`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.URL.RawQuery != "" {
			t.Errorf("odd request: %v %s %s", err, r.Method, r.URL)
		}
		s.form, s.header = r.PostForm, r.Header
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Date", noon.Add(s.clock).Format(http.TimeFormat))
		w.WriteHeader(s.status)
		io.WriteString(w, s.answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// source returns a Source that authenticates as auth says.
func (s *server) source(t *testing.T, auth oauth.ClientAuth) *clientcred.Source {
	t.Helper()
	now := func() time.Time { return noon }
	client, err := oauth.NewClient(oauth.Options{ServerURL: s.URL, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdle)
	src, err := clientcred.New(clientcred.Options{Client: client, Endpoint: s.URL + "/token", Issuer: issuer, Auth: auth, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

var basic = oauth.ClientAuth{Method: oauth.AuthSecretBasic, ClientID: "a:b c", Secret: secret.New("SECRETWORD+/%")}

func TestTokenHasWhatWasGranted(t *testing.T) {
	s := newServer(t)
	tok, err := s.source(t, basic).Token(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if tok.HeaderValue() != "Bearer SECRETWORD-1" || !tok.Issued.Equal(noon) || !tok.Expiry.Equal(noon.Add(10*time.Minute)) || !slices.Equal(tok.Scopes, request.Scopes) {
		t.Errorf("got %s, issued %v, expiry %v, scopes %q", tok.HeaderValue(), tok.Issued, tok.Expiry, tok.Scopes)
	}
	s.answer = `{"access_token":"SECRETWORD-2","token_type":"Bearer","scope":"read"}`
	if tok, err = s.source(t, basic).Token(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if !tok.Expiry.IsZero() || !slices.Equal(tok.Scopes, []string{"read"}) {
		t.Errorf("expiry %v, scopes %q; want unknown and read", tok.Expiry, tok.Scopes)
	}
}

func TestRequestNamesScopeResourceAndAudienceIfThereAreAny(t *testing.T) {
	s := newServer(t)
	tests := []struct {
		req  token.Request
		want url.Values
	}{
		{request, url.Values{"scope": {"read write"}, "resource": {"https://mcp.example.com/mcp"}}},
		{token.Request{Kind: token.AccessToken, Audience: "https://api"}, url.Values{"audience": {"https://api"}}},
		{token.Request{Kind: token.AccessToken}, url.Values{}},
	}
	for _, test := range tests {
		if _, err := s.source(t, basic).Token(t.Context(), test.req); err != nil {
			t.Fatal(err)
		}
		test.want.Set("grant_type", "client_credentials")
		if s.form.Encode() != test.want.Encode() {
			t.Errorf("form %s, want %s", s.form.Encode(), test.want.Encode())
		}
	}
}

func TestSecretGoesWhereTheMethodSays(t *testing.T) {
	s := newServer(t)
	if _, err := s.source(t, basic).Token(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	id, pass, ok := (&http.Request{Header: s.header}).BasicAuth()
	if !ok || id != url.QueryEscape("a:b c") || pass != url.QueryEscape("SECRETWORD+/%") || s.form.Has("client_secret") {
		t.Errorf("basic: %q %q %v, form %v", id, pass, ok, s.form)
	}
	post := basic
	post.Method = oauth.AuthSecretPost
	if _, err := s.source(t, post).Token(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if s.form.Get("client_id") != "a:b c" || s.form.Get("client_secret") != "SECRETWORD+/%" || s.header.Get("Authorization") != "" {
		t.Errorf("post: form %v, Authorization %q", s.form, s.header.Get("Authorization"))
	}
}

func TestPrivateKeySignsAnAssertionForTheIssuer(t *testing.T) {
	rsaKey, err1 := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, err3 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for alg, key := range map[string]crypto.Signer{"RS256": rsaKey, "ES256": ecKey, "EdDSA": edKey} {
		t.Run(alg, func(t *testing.T) {
			s := newServer(t)
			src := s.source(t, oauth.ClientAuth{Method: oauth.AuthPrivateKeyJWT, ClientID: "job", Key: key})
			if _, err := src.Token(t.Context(), request); err != nil {
				t.Fatal(err)
			}
			if got := s.form.Get("client_assertion_type"); got != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Errorf("client_assertion_type %q", got)
			}
			var claims jwt.RegisteredClaims
			_, err := jwt.ParseWithClaims(s.form.Get("client_assertion"), &claims, func(*jwt.Token) (any, error) { return key.Public(), nil },
				jwt.WithValidMethods([]string{alg}), jwt.WithAudience(issuer), jwt.WithIssuer("job"), jwt.WithSubject("job"),
				jwt.WithExpirationRequired(), jwt.WithTimeFunc(func() time.Time { return noon }))
			if err != nil || claims.ID == "" {
				t.Errorf("verify assertion: %v, jti %q", err, claims.ID)
			}
		})
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signed := oauth.ClientAuth{Method: oauth.AuthPrivateKeyJWT, ClientID: "job", Key: key}
	tests := []struct {
		name   string
		auth   oauth.ClientAuth
		status int
		answer string
		code   hint.Code
		words  []string
	}{
		{"wrong secret", basic, 401, `{"error":"invalid_client","SECRETWORD":1}`, hint.Refused, []string{"client id or its secret", `account rotate job`}},
		{"wrong key", signed, 400, `{"error":"invalid_client"}`, hint.Refused, []string{"private key", "clock", `account rotate job`}},
		{"grant off", basic, 400, `{"error":"unauthorized_client"}`, hint.Refused, []string{"Turn on the client credentials grant"}},
		{"scope", basic, 400, `{"error":"invalid_scope"}`, hint.Refused, []string{"--scope"}},
		{"resource", basic, 400, `{"error":"invalid_target"}`, hint.Refused, []string{"--no-resource"}},
		{"other", basic, 400, `{"error":"invalid_request"}`, hint.Refused, []string{"refused to give a token"}},
		{"down", basic, 502, `<html>SECRETWORD`, hint.Unreachable, []string{"problem at the moment"}},
		{"no token", basic, 200, `{"refresh_token":"SECRETWORD"}`, hint.Failed, []string{"not a token"}},
		{"no JSON", basic, 200, `<html>SECRETWORD`, hint.Failed, []string{"not a token"}},
		{"another type", basic, 200, `{"access_token":"SECRETWORD","token_type":"mac"}`, hint.Failed, []string{"of a type"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			s.status, s.answer = test.status, test.answer
			_, err := s.source(t, test.auth).Token(t.Context(), request)
			if err == nil || hint.CodeOf(err) != test.code {
				t.Fatalf("err = %v (%s), want %s", err, hint.CodeOf(err), test.code)
			}
			for _, w := range append(test.words, "127.0.0.1") {
				if text := hint.Of(err).Text(); !strings.Contains(text, w) {
					t.Errorf("words %q do not have %q", text, w)
				}
			}
			if s := fmt.Sprintf("%v %+v", err, hint.Of(err).Text()); strings.Contains(s, "SECRETWORD") || strings.Contains(s, "eyJ") {
				t.Errorf("error shows a secret: %s", s)
			}
		})
	}
}

func TestDeadEndpointIsUnreachable(t *testing.T) {
	s := newServer(t)
	src := s.source(t, basic)
	s.Close()
	if _, err := src.Token(t.Context(), request); hint.CodeOf(err) != hint.Unreachable {
		t.Errorf("err = %v, want unreachable", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Token(ctx, request); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

func TestOtherKindsOfTokenAreWrongUsage(t *testing.T) {
	s := newServer(t)
	if _, err := s.source(t, basic).Token(t.Context(), token.Request{Kind: token.IDToken}); hint.CodeOf(err) != hint.Usage || s.form != nil {
		t.Errorf("err = %v, want usage and no request", err)
	}
}

func TestOptionsThatAreMissingAreNamed(t *testing.T) {
	client, err := oauth.NewClient(oauth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	good := clientcred.Options{Client: client, Endpoint: issuer + "/token", Auth: basic}
	for want, spoil := range map[string]func(*clientcred.Options){
		"Client is":   func(o *clientcred.Options) { o.Client = nil },
		"Endpoint":    func(o *clientcred.Options) { o.Endpoint = "nowhere" },
		"ClientID":    func(o *clientcred.Options) { o.Auth.ClientID = "" },
		"secret":      func(o *clientcred.Options) { o.Auth.Secret = secret.Value{} },
		"Auth.Key":    func(o *clientcred.Options) { o.Auth.Method = oauth.AuthPrivateKeyJWT },
		"Auth.Method": func(o *clientcred.Options) { o.Auth.Method = oauth.AuthNone },
	} {
		o := good
		spoil(&o)
		if _, err := clientcred.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want one that names %s", err, want)
		}
	}
}
