package fakemcp

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"keyporter/broker/secret"
)

const (
	listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	callAdd   = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":2,"b":3}}}`
)

// post sends a legacy message and returns status, challenge and body.
func post(t *testing.T, endpoint, token, body string, header ...string) (status int, challenge, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2025-11-25")
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := withToken(t, token).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" && strings.Contains(string(b)+res.Header.Get("WWW-Authenticate"), token) {
		t.Error("the answer holds the token")
	}
	return res.StatusCode, res.Header.Get("WWW-Authenticate"), string(b)
}

func TestAccessTokenChecks(t *testing.T) {
	is := newIssuer(t)
	now := time.Now()
	s := Start(t, Options{Issuer: is.URL, Now: func() time.Time { return now }})
	meta := `resource_metadata="` + s.Origin() + `/.well-known/oauth-protected-resource/mcp"`
	ago := func(d time.Duration) int64 { return now.Add(-d).Unix() }
	tests := []struct {
		name        string
		f           forgery
		body        string
		status      int
		code, words string // of the challenge
	}{
		{name: "good", status: 200},
		{name: "several audiences", f: forgery{claims: map[string]any{"aud": []string{"https://other.example", s.Resource()}}}, status: 200},
		{name: "expired within the leeway", f: forgery{claims: map[string]any{"exp": ago(29 * time.Second)}}, status: 200},
		{name: "issuer's clock ahead within the leeway", f: forgery{claims: map[string]any{"iat": ago(-29 * time.Second), "nbf": ago(-29 * time.Second)}}, status: 200},
		{name: "typ with application/", f: forgery{header: map[string]any{"typ": "application/at+jwt"}}, status: 200},

		{name: "another key's signature", f: forgery{stranger: true}, status: 401, code: "invalid_token", words: "the signature of the token is not valid"},
		{name: "public key as shared secret", f: forgery{hmac: true}, status: 401, code: "invalid_token", words: "the signature of the token is not valid"},
		{name: "unknown key id", f: forgery{header: map[string]any{"kid": "k2"}}, status: 401, code: "invalid_token", words: "the signature of the token is not valid"},
		{name: "another issuer", f: forgery{claims: map[string]any{"iss": "https://evil.example"}}, status: 401, code: "invalid_token", words: "the token is of another issuer"},
		{name: "issuer with a slash", f: forgery{claims: map[string]any{"iss": is.URL + "/"}}, status: 401, code: "invalid_token", words: "the token is of another issuer"},
		{name: "another audience", f: forgery{claims: map[string]any{"aud": "https://other.example/mcp"}}, status: 401, code: "invalid_token", words: "the token is for another audience"},
		{name: "the origin as audience", f: forgery{claims: map[string]any{"aud": s.Origin()}}, status: 401, code: "invalid_token", words: "the token is for another audience"},
		{name: "audience with a slash", f: forgery{claims: map[string]any{"aud": s.Resource() + "/"}}, status: 401, code: "invalid_token", words: "the token is for another audience"},
		{name: "no audience", f: forgery{claims: map[string]any{"aud": nil}}, status: 401, code: "invalid_token", words: "the token is for another audience"},
		{name: "expired", f: forgery{claims: map[string]any{"exp": ago(31 * time.Second)}}, status: 401, code: "invalid_token", words: "the token expired"},
		{name: "no expiry", f: forgery{claims: map[string]any{"exp": nil}}, status: 401, code: "invalid_token", words: "the token has no expiry"},
		{name: "not yet valid", f: forgery{claims: map[string]any{"nbf": ago(-31 * time.Second)}}, status: 401, code: "invalid_token", words: "the token is not valid yet"},
		{name: "issued in the future", f: forgery{claims: map[string]any{"iat": ago(-31 * time.Second)}}, status: 401, code: "invalid_token", words: "the token is not valid yet"},
		{name: "no subject", f: forgery{claims: map[string]any{"sub": nil}}, status: 401, code: "invalid_token", words: "the token has no subject"},
		{name: "ID token", f: forgery{header: map[string]any{"typ": "JWT"}}, status: 401, code: "invalid_token", words: "the token is not an access token"},
		{name: "malformed audience", f: forgery{claims: map[string]any{"aud": 7}}, status: 401, code: "invalid_token", words: "the claims of the token are malformed"},

		{name: "no scope at all", f: forgery{claims: map[string]any{"scope": nil}}, status: 403, code: "insufficient_scope", words: "mcp:read"},
		{name: "scope is compared whole", f: forgery{claims: map[string]any{"scope": "mcp:readonly"}}, status: 403, code: "insufficient_scope", words: "mcp:read"},
		{name: "tool without its scope", f: forgery{claims: map[string]any{"scope": "mcp:read"}}, body: callAdd, status: 403, code: "insufficient_scope", words: "mcp:read mcp:write"},
		{name: "tool in a batch without its scope", f: forgery{claims: map[string]any{"scope": "mcp:read"}}, body: "[" + listTools + "," + callAdd + "]", status: 403, code: "insufficient_scope", words: "mcp:read mcp:write"},
		{name: "tool with its scope", body: callAdd, status: 200},
		{name: "other tool without that scope", f: forgery{claims: map[string]any{"scope": "mcp:read"}}, body: strings.Replace(callAdd, `"add","arguments":{"a":2,"b":3}`, `"greet","arguments":{"name":"Bo"}`, 1), status: 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := tt.body
			if body == "" {
				body = listTools
			}
			status, challenge, answer := post(t, s.URL(), is.access(t, s, tt.f), body)
			want := ""
			switch tt.code {
			case "invalid_token":
				want = `Bearer error="invalid_token", error_description="` + tt.words + `", ` + meta + `, scope="mcp:read mcp:write"`
			case "insufficient_scope":
				want = `Bearer error="insufficient_scope", error_description="the token lacks a scope that this needs", ` + meta + `, scope="` + tt.words + `"`
			}
			if status != tt.status || challenge != want {
				t.Errorf("got %d and challenge\n%s\nwant %d and\n%s\nbody: %s", status, challenge, tt.status, want, answer)
			}
			if tt.code != "" {
				var e struct{ Error string }
				if err := json.Unmarshal([]byte(answer), &e); err != nil || e.Error != tt.code {
					t.Errorf("body %s, want error %s", answer, tt.code)
				}
			}
		})
	}
}

func TestChallengeWithoutTokenNamesNoError(t *testing.T) {
	is := newIssuer(t)
	s := Start(t, Options{Issuer: is.URL, OfferedScopes: []string{"mcp:read"}})
	want := `Bearer resource_metadata="` + s.Origin() + MetadataPath + `", scope="mcp:read"`
	for name, header := range map[string][]string{
		"no field": nil, "another scheme": {"Authorization", "Basic dTpTRUNSRVRXT1JE"}, "no value": {"Authorization", "Bearer "},
	} {
		if status, challenge, _ := post(t, s.URL(), "", listTools, header...); status != 401 || challenge != want {
			t.Errorf("%s: got %d %q, want 401 %q", name, status, challenge, want)
		}
	}
}

func TestTokenIsTakenFromOneHeaderOnly(t *testing.T) {
	is := newIssuer(t)
	s := Start(t, Options{Issuer: is.URL})
	token := is.access(t, s, forgery{})
	if status, challenge, _ := post(t, s.URL()+"?access_token="+token, "", listTools); status != 400 || !strings.Contains(challenge, `error="invalid_request"`) {
		t.Errorf("token in the address: got %d %q, want 400 invalid_request", status, challenge)
	}
	status, challenge, _ := post(t, s.URL(), "", listTools, "Authorization", "Bearer "+token, "Authorization", "Bearer "+token)
	if status != 400 || !strings.Contains(challenge, `error="invalid_request"`) {
		t.Errorf("two fields: got %d %q, want 400 invalid_request", status, challenge)
	}
	if status, _, answer := post(t, s.URL(), "", listTools, "Authorization", "bearer "+token); status != 200 {
		t.Errorf("scheme in lower case: got %d %s, want 200", status, answer)
	}
}

func TestScopeCheckCannotBeReadAround(t *testing.T) {
	is := newIssuer(t)
	s := Start(t, Options{Issuer: is.URL})
	token := is.access(t, s, forgery{claims: map[string]any{"scope": "mcp:read"}})
	for name, body := range map[string]string{
		"name twice":   `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","name":"greet","arguments":{"a":1,"b":2}}}`,
		"method twice": `{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"add","arguments":{"a":1,"b":2}}}`,
		"not JSON":     `{`,
	} {
		if status, _, answer := post(t, s.URL(), token, body); status != 400 || !strings.Contains(answer, "-32700") {
			t.Errorf("%s: got %d %s, want 400 with -32700", name, status, answer)
		}
	}
	if n := s.Counters().Calls["add"]; n != 0 {
		t.Errorf("add was called %d times", n)
	}
}

func TestGoogleIDTokenChecks(t *testing.T) {
	is := newIssuer(t)
	s := Start(t, Options{Issuer: is.URL, GoogleCerts: is.URL, GoogleEmails: []string{"robot@p.example"}})
	challenge := func(words string) string {
		return `Bearer error="invalid_token", error_description="` + words + `", realm="service accounts"`
	}
	tests := []struct {
		name      string
		claims    map[string]any
		stranger  bool
		status    int
		challenge string
	}{
		{name: "good", status: 200},
		{name: "another key's signature", stranger: true, status: 401, challenge: challenge("the signature of the token is not valid")},
		{name: "another issuer", claims: map[string]any{"iss": is.URL}, status: 401, challenge: challenge("the token is of another issuer")},
		{name: "bare issuer", claims: map[string]any{"iss": "accounts.google.com"}, status: 401, challenge: challenge("the token is of another issuer")},
		{name: "another audience", claims: map[string]any{"aud": s.APIURL()}, status: 401, challenge: challenge("the token is for another audience")},
		{name: "expired", claims: map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}, status: 401, challenge: challenge("the token expired")},
		{name: "address not verified", claims: map[string]any{"email_verified": false}, status: 401, challenge: challenge("the token has no verified e-mail address")},
		{name: "no address", claims: map[string]any{"email": nil}, status: 401, challenge: challenge("the token has no verified e-mail address")},
		{name: "account not on the list", claims: map[string]any{"email": "other@p.example"}, status: 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := sign(t, "JWT", is.goodID(s), forgery{claims: tt.claims, stranger: tt.stranger})
			// add needs no scope here: ID tokens have none.
			if status, got, answer := post(t, s.APIURL(), token, callAdd); status != tt.status || got != tt.challenge {
				t.Errorf("got %d %q, want %d %q; body %s", status, got, tt.status, tt.challenge, answer)
			}
		})
	}
	if status, got, _ := post(t, s.APIURL(), "", listTools); status != 401 || got != `Bearer realm="service accounts"` {
		t.Errorf("without a token: got %d %q", status, got)
	}
}

func TestTokensOfOnePathAreRefusedAtTheOther(t *testing.T) {
	is := newIssuer(t)
	s := Start(t, Options{Issuer: is.URL, GoogleCerts: is.URL})
	if status, _, _ := post(t, s.APIURL(), is.access(t, s, forgery{}), listTools); status != 401 {
		t.Errorf("access token at %s: got %d, want 401", APIPath, status)
	}
	if status, _, _ := post(t, s.URL(), sign(t, "JWT", is.goodID(s), forgery{}), listTools); status != 401 {
		t.Errorf("ID token at %s: got %d, want 401", Path, status)
	}
}

func TestKeysThatCannotBeReadAreNotTheTokensFault(t *testing.T) {
	is := newIssuer(t)
	is.down = true
	s := Start(t, Options{Issuer: is.URL})
	if status, challenge, answer := post(t, s.URL(), is.access(t, s, forgery{}), listTools); status != 503 || challenge != "" {
		t.Errorf("got %d %q %s, want 503 without a challenge", status, challenge, answer)
	}
}

func TestRevokedTokenIsRefused(t *testing.T) {
	is := newIssuer(t)
	ended := false
	s := Start(t, Options{Issuer: is.URL, Ended: func(claims map[string]any) bool { return ended && claims["sub"] == "alice" }})
	token, other := is.access(t, s, forgery{}), is.access(t, s, forgery{})
	s.Refuse(secret.New(token).Hash())
	if status, challenge, _ := post(t, s.URL(), token, listTools); status != 401 || !strings.Contains(challenge, "the token was revoked") {
		t.Errorf("after Refuse: got %d %q, want 401", status, challenge)
	}
	if status, _, answer := post(t, s.URL(), other, listTools); status != 200 {
		t.Errorf("another token: got %d %s, want 200", status, answer)
	}
	ended = true
	if status, challenge, _ := post(t, s.URL(), other, listTools); status != 401 || !strings.Contains(challenge, "the token was revoked") {
		t.Errorf("after its grant ended: got %d %q, want 401", status, challenge)
	}
}

func TestMetadataIsAtThePathInsertedAddressOnly(t *testing.T) {
	is := newIssuer(t)
	s := Start(t, Options{Issuer: is.URL, GoogleCerts: is.URL})
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Origin()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := withToken(t, "").Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	status, body := get("/.well-known/oauth-protected-resource/mcp")
	var m struct {
		Resource string
		AS       []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
	}
	if err := json.Unmarshal([]byte(body), &m); status != 200 || err != nil || m.Resource != s.URL() ||
		len(m.AS) != 1 || m.AS[0] != is.URL || strings.Join(m.Scopes, " ") != "mcp:read mcp:write" {
		t.Errorf("got %d %s (%v)", status, body, err)
	}
	for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/api/mcp", "/"} {
		if status, _ := get(path); status != 404 {
			t.Errorf("%s: got %d, want 404", path, status)
		}
	}
}
