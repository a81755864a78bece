package peers_test

import (
	"context"
	"crypto"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"keyporter/internal/peers"
)

const (
	resource    = "http://127.0.0.1:9/mcp" // only a name here: nothing is sent to it
	redirectURI = "http://127.0.0.1:9/callback"
)

func newProvider(t *testing.T, redirect string) (*peers.OIDCProvider, *oauth2.Config) {
	t.Helper()
	p := peers.NewOIDCProvider(t, peers.OIDCOptions{Resources: []string{resource}, RedirectURI: redirect})
	return p, &oauth2.Config{
		ClientID: peers.PreRegistered.ID, ClientSecret: peers.PreRegistered.Secret,
		Endpoint: oauth2.Endpoint{
			AuthURL: p.Issuer + "/auth", TokenURL: p.Issuer + "/token",
			DeviceAuthURL: p.Issuer + "/device/auth", AuthStyle: oauth2.AuthStyleInHeader,
		},
		RedirectURL: redirect, Scopes: []string{"openid", "mcp:read"},
	}
}

func toResource() oauth2.AuthCodeOption { return oauth2.SetAuthURLParam("resource", resource) }

// claims reads a JWT that came straight from its issuer, without a check.
func claims(t *testing.T, token string) jwt.MapClaims {
	t.Helper()
	c := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, c); err != nil {
		t.Fatalf("parse access token: %v", err)
	}
	return c
}

func TestUserSignsInAndRefreshTokensRotate(t *testing.T) {
	p, config := newProvider(t, redirectURI)
	verifier := oauth2.GenerateVerifier()
	at, err := peers.User{Name: "bob"}.Redirect(t.Context(),
		config.AuthCodeURL("some-state", oauth2.S256ChallengeOption(verifier), toResource()), redirectURI)
	if err != nil {
		t.Fatal(err)
	}
	if got := at.Query(); got.Get("state") != "some-state" || got.Get("iss") != p.Issuer {
		t.Errorf("redirect has state %q and iss %q", got.Get("state"), got.Get("iss"))
	}
	first, err := config.Exchange(t.Context(), at.Query().Get("code"), oauth2.VerifierOption(verifier), toResource())
	if err != nil {
		t.Fatal(err)
	}
	if c := claims(t, first.AccessToken); c["sub"] != "bob" || c["aud"] != resource {
		t.Errorf("token is for sub %v, aud %v; want bob, %s", c["sub"], c["aud"], resource)
	}

	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.RefreshToken}, "resource": {resource}}
	if answer := post(t, config, refresh); answer["refresh_token"] == first.RefreshToken || answer["refresh_token"] == nil {
		t.Error("the refresh token did not rotate")
	}
	if answer := post(t, config, refresh); answer["error"] != "invalid_grant" {
		t.Errorf("a used refresh token gets error %v, want invalid_grant", answer["error"])
	}
	if n := p.Count(t, "grant.success", "refresh_token"); n != 1 {
		t.Errorf("the provider counted %d refreshes, want 1", n)
	}
	last := slices.IndexFunc(p.Events(t), func(e peers.Event) bool {
		return e.Event == "grant.error" && e.Error == "invalid_grant" && slices.Equal(e.Resource, peers.Resources{resource})
	})
	if last < 0 {
		t.Errorf("the refused refresh is not among the events %+v", p.Events(t))
	}
}

// post sends form to the token endpoint as the pre-registered client.
func post(t *testing.T, config *oauth2.Config, form url.Values) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, config.Endpoint.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(config.ClientID, config.ClientSecret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestProviderRefusesWhatItDoesNotKnow(t *testing.T) {
	_, config := newProvider(t, redirectURI)
	for name, options := range map[string][]oauth2.AuthCodeOption{
		"no PKCE":        {toResource()},
		"other resource": {oauth2.S256ChallengeOption(oauth2.GenerateVerifier()), oauth2.SetAuthURLParam("resource", "http://127.0.0.1:9/other")},
	} {
		at, err := peers.User{}.Redirect(t.Context(), config.AuthCodeURL("s", options...), redirectURI)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if q := at.Query(); q.Get("error") == "" || q.Has("code") {
			t.Errorf("%s: sent back without an error", name)
		}
	}
}

func TestBrowserProgramReachesTheRedirectListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan url.Values, 1) // one sign-in, one redirect
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { arrived <- r.URL.Query() })}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})

	_, config := newProvider(t, "http://"+l.Addr().String()+"/callback")
	address := config.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()), toResource())
	if out, err := exec.CommandContext(t.Context(), peers.Browser(t), address).CombinedOutput(); err != nil {
		t.Fatalf("browser: %v\n%s", err, out)
	}
	if q := <-arrived; q.Get("code") == "" {
		t.Errorf("the redirect listener got error %q instead of a code", q.Get("error"))
	}
}

func TestDeviceGrantIsConfirmedInTheBrowser(t *testing.T) {
	_, config := newProvider(t, "")
	config.ClientID, config.ClientSecret = peers.Device.ID, peers.Device.Secret
	config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	device, err := config.DeviceAuth(t.Context(), toResource(), oauth2.SetAuthURLParam("client_id", peers.Device.ID))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (peers.User{}).Open(t.Context(), device.VerificationURIComplete); err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {device.DeviceCode},
		"client_id": {peers.Device.ID}, "resource": {resource},
	}
	res, err := http.PostForm(config.Endpoint.TokenURL, form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("token endpoint answered %s after the user agreed", res.Status)
	}
}

func TestClientCredentialsWithEachKindOfProof(t *testing.T) {
	p, _ := newProvider(t, "")
	assertion := func(method jwt.SigningMethod, key crypto.Signer) url.Values {
		signed, err := jwt.NewWithClaims(method, jwt.RegisteredClaims{
			Issuer: peers.JWT.ID, Subject: peers.JWT.ID, Audience: jwt.ClaimStrings{p.Issuer},
			ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Minute)), ID: rand(), IssuedAt: jwt.NewNumericDate(time.Now()),
		}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return url.Values{
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {signed},
		}
	}
	for name, c := range map[string]struct {
		client peers.Client
		style  oauth2.AuthStyle
		params url.Values
	}{
		"client_secret_basic":   {peers.Basic, oauth2.AuthStyleInHeader, url.Values{}},
		"client_secret_post":    {peers.Post, oauth2.AuthStyleInParams, url.Values{}},
		"private_key_jwt ES256": {peers.JWT, oauth2.AuthStyleInParams, assertion(jwt.SigningMethodES256, p.ECKey)},
		"private_key_jwt RS256": {peers.JWT, oauth2.AuthStyleInParams, assertion(jwt.SigningMethodRS256, p.RSAKey)},
	} {
		t.Run(name, func(t *testing.T) {
			c.params.Set("resource", resource)
			config := clientcredentials.Config{
				ClientID: c.client.ID, ClientSecret: c.client.Secret, TokenURL: p.Issuer + "/token",
				Scopes: []string{"mcp:read"}, EndpointParams: c.params, AuthStyle: c.style,
			}
			token, err := config.Token(context.WithoutCancel(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			if got := claims(t, token.AccessToken)["client_id"]; got != c.client.ID {
				t.Errorf("token is for client %v, want %s", got, c.client.ID)
			}
		})
	}
}

// rand names an assertion; each is used once.
func rand() string { return oauth2.GenerateVerifier() }
