package fakegoogle_test

import (
	"crypto/rsa"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"keyporter/internal/fakegoogle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	email = "robot@fake-project.iam.gserviceaccount.com"
	grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

type key struct {
	ID      string `json:"private_key_id"`
	PEM     string `json:"private_key"`
	URI     string `json:"token_uri"`
	private *rsa.PrivateKey
}

func start(t *testing.T, opts fakegoogle.Options) (*fakegoogle.Server, *key) {
	t.Helper()
	opts.Now = func() time.Time { return noon }
	g, err := fakegoogle.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := g.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	file, err := g.NewKey(email)
	if err != nil {
		t.Fatal(err)
	}
	var k key
	if err := json.Unmarshal(file, &k); err != nil {
		t.Fatal(err)
	}
	if k.private, err = jwt.ParseRSAPrivateKeyFromPEM([]byte(k.PEM)); err != nil {
		t.Fatal(err)
	}
	if k.URI != g.TokenURI() {
		t.Errorf("key file points to %s, want %s", k.URI, g.TokenURI())
	}
	return g, &k
}

// assertion returns a good assertion with changes; nil removes a claim.
func (k *key) assertion(t *testing.T, changes jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"iss": email, "aud": k.URI, "iat": noon.Unix(), "exp": noon.Unix() + 3600, "scope": "openid"}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	tok := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	tok.Header["kid"] = k.ID
	s, err := tok.SignedString(k.private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func post(t *testing.T, uri string, form url.Values) (int, map[string]any) {
	t.Helper()
	res, err := http.PostForm(uri, form)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, res)
}

func read(t *testing.T, res *http.Response) (int, map[string]any) {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("answer %q: %v", b, err)
	}
	return res.StatusCode, v
}

func TestAssertionsThatGoogleRefuses(t *testing.T) {
	g, k := start(t, fakegoogle.Options{})
	_, stranger := start(t, fakegoogle.Options{})
	stranger.ID, stranger.URI = k.ID, k.URI
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	tests := []struct {
		name       string
		assertion  string
		code, text string
	}{
		{"another key", stranger.assertion(t, nil), "invalid_grant", "Invalid JWT Signature."},
		{"no JWT", "SECRETWORD", "invalid_grant", "Invalid JWT"},
		{"another issuer", k.assertion(t, jwt.MapClaims{"iss": "x@y"}), "invalid_grant", "account not found"},
		{"another audience", k.assertion(t, jwt.MapClaims{"aud": "https://oauth2.googleapis.com/token"}), "invalid_grant", "audience check"},
		{"a list of audiences", k.assertion(t, jwt.MapClaims{"aud": []string{k.URI}}), "invalid_grant", "audience check"},
		{"over an hour", k.assertion(t, jwt.MapClaims{"exp": at(time.Hour + time.Second)}), "invalid_grant", "short-lived"},
		{"in the future", k.assertion(t, jwt.MapClaims{"iat": at(6 * time.Minute)}), "invalid_grant", "iat and exp"},
		{"over", k.assertion(t, jwt.MapClaims{"iat": at(-time.Hour), "exp": at(-time.Second)}), "invalid_grant", "iat and exp"},
		{"without iat", k.assertion(t, jwt.MapClaims{"iat": nil}), "invalid_grant", "iat and exp"},
		{"without exp", k.assertion(t, jwt.MapClaims{"exp": nil}), "invalid_grant", "iat and exp"},
		{"neither scope nor audience", k.assertion(t, jwt.MapClaims{"scope": nil}), "invalid_scope", "audience"},
		{"both", k.assertion(t, jwt.MapClaims{"target_audience": "x"}), "invalid_scope", "audience"},
		{"unknown scope", k.assertion(t, jwt.MapClaims{"scope": "openid bogus"}), "invalid_scope", "scope"},
		{"another person", k.assertion(t, jwt.MapClaims{"sub": "boss@example.com"}), "unauthorized_client", "unauthorized"},
	}
	for _, test := range tests {
		status, v := post(t, k.URI, url.Values{"grant_type": {grant}, "assertion": {test.assertion}})
		text, _ := v["error_description"].(string)
		if status/100 != 4 || v["error"] != test.code || !strings.Contains(text, test.text) {
			t.Errorf("%s: got %d %v, want %s with %q", test.name, status, v, test.code, test.text)
		}
	}
	if c := g.Counts(); c.Refused != len(tests) || c.Token != len(tests) || c.AccessToken+c.IDToken != 0 {
		t.Errorf("counts %+v after %d refusals", c, len(tests))
	}
	if status, v := post(t, k.URI, url.Values{"grant_type": {grant}, "assertion": {k.assertion(t, nil)}}); status != 200 || v["access_token"] == nil {
		t.Errorf("the good assertion: %d", status)
	}
}

func TestRequestsOfAnotherShapeAreRefused(t *testing.T) {
	_, k := start(t, fakegoogle.Options{})
	good := url.Values{"grant_type": {grant}, "assertion": {k.assertion(t, nil)}}
	with := func(name string, values ...string) string {
		v := maps.Clone(good)
		v[name] = values
		return v.Encode()
	}
	const formType = "application/x-www-form-urlencoded"
	tests := []struct {
		name, method, query, contentType, auth, body, code string
	}{
		{"GET", "GET", "", formType, "", "", "invalid_request"},
		{"JSON", "POST", "", "application/json", "", "{}", "invalid_request"},
		{"in the query", "POST", "?" + good.Encode(), formType, "", good.Encode(), "invalid_request"},
		{"with Authorization", "POST", "", formType, "Bearer x", good.Encode(), "invalid_request"},
		{"further field", "POST", "", formType, "", with("client_id", "x"), "invalid_request"},
		{"field twice", "POST", "", formType, "", with("assertion", "a", "b"), "invalid_request"},
		{"no grant type", "POST", "", formType, "", "assertion=x", "invalid_request"},
		{"no assertion", "POST", "", formType, "", "grant_type=" + url.QueryEscape(grant), "invalid_request"},
		{"another grant", "POST", "", formType, "", with("grant_type", "client_credentials"), "unsupported_grant_type"},
		{"huge", "POST", "", formType, "", with("assertion", strings.Repeat("x", 70_000)), "invalid_request"},
	}
	for _, test := range tests {
		req, err := http.NewRequest(test.method, k.URI+test.query, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", test.contentType)
		if test.auth != "" {
			req.Header.Set("Authorization", test.auth)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if status, v := read(t, res); status/100 != 4 || v["error"] != test.code {
			t.Errorf("%s: got %d %v, want %s", test.name, status, v, test.code)
		}
	}
}

func TestFailuresComeInTurnAndThenEnd(t *testing.T) {
	g, k := start(t, fakegoogle.Options{Life: time.Minute})
	form := url.Values{"grant_type": {grant}, "assertion": {k.assertion(t, nil)}}
	g.FailNext(2, fakegoogle.Failure{Status: 503, Body: `{}`, Header: http.Header{"Retry-After": {"1"}}})
	for range 2 {
		if status, _ := post(t, k.URI, form); status != 503 {
			t.Errorf("status %d, want 503", status)
		}
	}
	_, v := post(t, k.URI, form)
	value, _ := v["access_token"].(string)
	if a, ok := g.Access(value); !ok || a.Email != email || v["expires_in"] != 60.0 {
		t.Errorf("after the failures: %v, access %+v", v["expires_in"], a)
	}
	if c := g.Counts(); c.Failed != 2 || c.AccessToken != 1 || c.Token != 3 {
		t.Errorf("counts %+v", c)
	}
	if _, ok := g.Access("ya29.other"); ok {
		t.Error("a token that nobody gave out is good")
	}
}

func TestDeletedKeysAndDisabledAccounts(t *testing.T) {
	g, k := start(t, fakegoogle.Options{})
	form := url.Values{"grant_type": {grant}, "assertion": {k.assertion(t, nil)}}
	g.Disable(email)
	if _, v := post(t, k.URI, form); v["error_description"] != "Invalid grant: account not found" {
		t.Errorf("disabled: %v", v)
	}
	g.DeleteKey(k.ID)
	if _, v := post(t, k.URI, form); v["error_description"] != "Invalid JWT Signature." {
		t.Errorf("deleted: %v", v)
	}
}
