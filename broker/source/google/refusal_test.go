package google_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"keyporter/broker/source/google"
	"keyporter/broker/token"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/hint"
)

// What Google refuses is said in words that name the reason.
func TestRefusalsSayWhatToDo(t *testing.T) {
	other := accRequest
	other.Scopes = []string{"no-such-scope"}
	tests := []struct {
		name  string
		spoil func(*fakegoogle.Server, *google.Key)
		clock time.Time
		req   token.Request
		code  hint.Code
		words []string
	}{
		{"deleted key", func(g *fakegoogle.Server, key *google.Key) { g.DeleteKey(key.KeyID) }, noon, idRequest, hint.Refused,
			[]string{"does not know this key", email, `account rotate robot`}},
		{"disabled account", func(g *fakegoogle.Server, _ *google.Key) { g.Disable(email) }, noon, idRequest, hint.Refused,
			[]string{"service account " + email, "deleted or disabled", "new key"}},
		{"clock 17 minutes ahead", nil, noon.Add(17 * time.Minute), idRequest, hint.Refused,
			[]string{"clock is off by 17 minutes (ahead"}},
		{"clock 2 hours behind", nil, noon.Add(-2 * time.Hour), idRequest, hint.Refused,
			[]string{"clock is off by 120 minutes (behind"}},
		{"clock a year ahead", nil, noon.Add(365 * 24 * time.Hour), idRequest, hint.Refused,
			[]string{"clock is off by 365 days (ahead"}},
		{"unknown scope", nil, noon, other, hint.Refused, []string{"--scope"}},
		{"server error", func(g *fakegoogle.Server, _ *google.Key) {
			g.FailNext(1, fakegoogle.Failure{Status: 503, Body: `<html>SECRETWORD`})
		}, noon, idRequest, hint.Unreachable, []string{"problem at the moment"}},
		{"too many requests", func(g *fakegoogle.Server, _ *google.Key) {
			g.FailNext(1, fakegoogle.Failure{Status: 429, Body: `{"error":{"status":"RESOURCE_EXHAUSTED","message":"SECRETWORD"}}`})
		}, noon, idRequest, hint.Unreachable, []string{"problem at the moment"}},
		{"forbidden", func(g *fakegoogle.Server, _ *google.Key) {
			g.FailNext(1, fakegoogle.Failure{Status: 403, Body: `{"error":{"status":"PERMISSION_DENIED","message":"SECRETWORD"}}`})
		}, noon, idRequest, hint.Refused, []string{"does not let " + email}},
		{"connection cut", func(g *fakegoogle.Server, _ *google.Key) {
			g.FailNext(2, fakegoogle.Failure{})
		}, noon, idRequest, hint.Unreachable, []string{"cannot reach 127.0.0.1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g, key := start(t, fakegoogle.Options{})
			if test.spoil != nil {
				test.spoil(g, key)
			}
			_, err := source(t, key, test.clock).Token(t.Context(), test.req)
			if hint.CodeOf(err) != test.code {
				t.Fatalf("err = %v (%s), want %s", err, hint.CodeOf(err), test.code)
			}
			for _, w := range test.words {
				if text := hint.Of(err).Text(); !strings.Contains(text, w) {
					t.Errorf("words %q do not have %q", text, w)
				}
			}
			noSecret(t, err)
		})
	}
}

// noSecret fails if an error shows a body, an assertion or a key.
func noSecret(t *testing.T, err error) {
	t.Helper()
	for _, s := range []string{err.Error(), fmt.Sprintf("%+v %#v", err, err), hint.Of(err).Text()} {
		if strings.Contains(s, "SECRETWORD") || strings.Contains(s, "eyJ") || strings.Contains(s, "PRIVATE KEY") {
			t.Errorf("error shows a secret: %s", s)
		}
	}
}

func TestHostileAnswers(t *testing.T) {
	sign := func(claims jwt.MapClaims) string {
		s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		return `{"id_token":"` + s + `"}`
	}
	long := strings.Repeat("\u00e4\n", 5000)
	tests := []struct {
		name string
		f    fakegoogle.Failure
		req  token.Request
	}{
		{"no JSON", fakegoogle.Failure{Status: 200, Body: "<html>SECRETWORD"}, idRequest},
		{"no token", fakegoogle.Failure{Status: 200, Body: `{"refresh_token":"SECRETWORD"}`}, idRequest},
		{"access token in place of an ID token", fakegoogle.Failure{Status: 200, Body: `{"access_token":"SECRETWORD"}`}, idRequest},
		{"ID token that is no JWT", fakegoogle.Failure{Status: 200, Body: `{"id_token":"SECRETWORD"}`}, idRequest},
		{"ID token for another audience", fakegoogle.Failure{Status: 200, Body: sign(jwt.MapClaims{"aud": "SECRETWORD", "exp": noon.Unix() + 60})}, idRequest},
		{"ID token without exp", fakegoogle.Failure{Status: 200, Body: sign(jwt.MapClaims{"aud": audience})}, idRequest},
		{"line break in a token", fakegoogle.Failure{Status: 200, Body: `{"access_token":"SECRETWORD\r\nX: y"}`}, accRequest},
		{"another type", fakegoogle.Failure{Status: 200, Body: `{"access_token":"SECRETWORD","token_type":"mac"}`}, accRequest},
		{"huge answer", fakegoogle.Failure{Status: 200, Body: `{"access_token":"SECRETWORD","x":"` + strings.Repeat("x", 1<<20) + `"}`}, accRequest},
		{"redirect", fakegoogle.Failure{Status: 303, Header: http.Header{"Location": {"/oauth2/v3/certs"}}}, accRequest},
		{"error in a 200", fakegoogle.Failure{Status: 200, Body: `{"error":"invalid_grant","access_token":"SECRETWORD"}`}, accRequest},
		{"long description", fakegoogle.Failure{Status: 400, Body: `{"error":"x","error_description":` + quote(long) + `}`}, accRequest},
	}
	g, key := start(t, fakegoogle.Options{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g.FailNext(1, test.f)
			tok, err := source(t, key, noon).Token(t.Context(), test.req)
			if err == nil {
				t.Fatalf("got a token: %v", tok)
			}
			noSecret(t, err)
			if n := len([]rune(err.Error())); n > 450 || strings.Contains(err.Error(), "\n") {
				t.Errorf("error of %d characters, or of several lines", n)
			}
		})
	}
	if n := g.Counts().Certs; n != 0 {
		t.Error("a redirect was followed")
	}
}

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

func TestCallerThatLeavesGetsItsOwnError(t *testing.T) {
	arrived := make(chan struct{})
	gone := make(chan struct{})
	g, key := start(t, fakegoogle.Options{TokenPause: func() { close(arrived); <-gone }})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := source(t, key, noon).Token(ctx, idRequest)
	close(gone)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
	g.Close()
}

// What a token endpoint repeats of the request is not in the words of its refusal.
func TestARefusalThatRepeatsTheAssertionIsQuotedWithoutIt(t *testing.T) {
	_, key := start(t, fakegoogle.Options{})
	var sent string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = r.FormValue("assertion")
		w.WriteHeader(http.StatusBadRequest)
		b, _ := json.Marshal(map[string]string{"error": "invalid_scope", "error_description": "got " + sent[:20] + "\u200b" + sent[20:]})
		_, _ = w.Write(b)
	}))
	t.Cleanup(s.Close)
	key.TokenURI = s.URL
	src, err := google.New(google.Options{Key: key, Client: s.Client(), AllowTokenURI: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, err = src.Token(t.Context(), accRequest)
	if text := fmt.Sprintf("%+v %v", err, hint.Of(err).Text()); sent == "" || strings.Contains(text, sent[:40]) || !strings.Contains(text, "got [removed]") {
		t.Errorf("the refusal is %s", text)
	}
}
