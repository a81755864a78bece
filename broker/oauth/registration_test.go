package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"keyporter/broker/secret"
)

func TestRegistrationRequest(t *testing.T) {
	var got map[string]any
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("body: %v, content type %s", err, r.Header.Get("Content-Type"))
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"client_id":"c1"}`)
	})
	m := &AuthorizationServerMetadata{Issuer: "https://as.example", RegistrationEndpoint: s.URL}
	r, err := newClient(t, s.URL).Register(t.Context(), m, NativeClient("Keyporter", "http://127.0.0.1:1/callback", []string{"a", "b"}, m))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"client_name": "Keyporter", "application_type": "native", "redirect_uris": []any{"http://127.0.0.1:1/callback"},
		"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"}, "token_endpoint_auth_method": "none",
		"scope": "a b",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sent %v\nwant %v", got, want)
	}
	if r.Issuer != "https://as.example" || r.ClientID != "c1" || r.AuthMethod != AuthNone || r.Kind != Dynamic ||
		!slices.Equal(r.RedirectURIs, []string{"http://127.0.0.1:1/callback"}) {
		t.Errorf("got %+v", r)
	}
}

func TestOddRegistrationAnswersAreUnderstood(t *testing.T) {
	at := func(sec int64) time.Time { return time.Unix(sec, 0).UTC() }
	tests := []struct {
		name, body, asked string
		method            string
		expiry            time.Time
		fails             bool
	}{
		{"string timestamps", `{"client_id":"c","client_secret":"SECRETWORD","client_secret_expires_at":"2000000000","token_endpoint_auth_method":"client_secret_post"}`, AuthNone, AuthSecretPost, at(2000000000), false},
		{"fractional timestamps", `{"client_id":"c","client_secret":"SECRETWORD","client_secret_expires_at":2000000000.75,"client_id_issued_at":1.5e9}`, AuthNone, AuthSecretBasic, at(2000000000), false},
		{"never expires", `{"client_id":"c","client_secret":"SECRETWORD","client_secret_expires_at":0}`, AuthSecretPost, AuthSecretPost, time.Time{}, false},
		{"expiry without a secret", `{"client_id":"c","client_secret_expires_at":1}`, AuthNone, AuthNone, time.Time{}, false},
		{"nonsense for a time", `{"client_id":"c","client_secret":"SECRETWORD","client_secret_expires_at":{"a":1}}`, AuthSecretBasic, AuthSecretBasic, time.Time{}, false},
		{"jwks as an object, null members", `{"client_id":"c","jwks":{"keys":[]},"client_secret":null,"redirect_uris":null,"scope":["a"]}`, AuthNone, AuthNone, time.Time{}, false},
		{"secret for a client that wants none", `{"client_id":"c","client_secret":"SECRETWORD","token_endpoint_auth_method":"none"}`, AuthNone, AuthNone, time.Time{}, false},
		{"method without a secret", `{"client_id":"c","token_endpoint_auth_method":"client_secret_basic"}`, AuthSecretBasic, AuthNone, time.Time{}, false},
		{"empty secret", `{"client_id":"c","client_secret":""}`, AuthSecretBasic, AuthNone, time.Time{}, false},
		{"byte order mark", "\xef\xbb\xbf" + `{"client_id":"c"}`, AuthNone, AuthNone, time.Time{}, false},
		{"method that needs a key", `{"client_id":"c","token_endpoint_auth_method":"private_key_jwt"}`, AuthNone, "", time.Time{}, true},
		{"no client_id", `{"client_secret":"SECRETWORD"}`, AuthNone, "", time.Time{}, true},
		{"client_id with control characters", `{"client_id":"c\r\nX: SECRETWORD"}`, AuthNone, "", time.Time{}, true},
		{"not JSON", `SECRETWORD`, AuthNone, "", time.Time{}, true},
		{"an error with 200", `{"error":"invalid_client_metadata","secret":"SECRETWORD"}`, AuthNone, "", time.Time{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, tt.body) })
			m := &AuthorizationServerMetadata{RegistrationEndpoint: s.URL}
			r, err := newClient(t, s.URL).Register(t.Context(), m, ClientMetadata{TokenEndpointAuthMethod: tt.asked, RedirectURIs: []string{"http://127.0.0.1/cb"}})
			if tt.fails {
				if err == nil {
					t.Fatalf("got %+v", r)
				}
				noSecret(t, "error", err.Error())
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.AuthMethod != tt.method || !r.SecretExpiry.Equal(tt.expiry) || len(r.RedirectURIs) == 0 || r.Issued.IsZero() {
				t.Errorf("got %+v, want method %s, expiry %v", r, tt.method, tt.expiry)
			}
			noSecret(t, "the printed registration", fmt.Sprintf("%v %+v %#v", r, r, r))
		})
	}
}

func TestRefusedRegistrationIsAnErrorWithItsCode(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"error":"access_denied","error_description":"Policy 'Trusted Hosts' rejected","client_secret":"SECRETWORD"}`)
	})
	_, err := newClient(t, s.URL).Register(t.Context(), &AuthorizationServerMetadata{RegistrationEndpoint: s.URL}, ClientMetadata{})
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusForbidden || e.Code != "access_denied" || !strings.Contains(e.Description, "Trusted Hosts") {
		t.Errorf("got %v", err)
	}
	noSecret(t, "error", err.Error())
}

func TestRegistrationSurvivesTheVault(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"client_id":"c","client_secret":"SECRETWORD-1","registration_access_token":"SECRETWORD-2","registration_client_uri":"https://as.example/c"}`)
	})
	r, err := newClient(t, s.URL).Register(t.Context(), &AuthorizationServerMetadata{Issuer: "https://as.example", RegistrationEndpoint: s.URL}, ClientMetadata{RedirectURIs: []string{"http://127.0.0.1/cb"}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back ClientRegistration
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.ClientSecret.Reveal() != "SECRETWORD-1" || back.AccessToken.Reveal() != "SECRETWORD-2" || back.ClientURI != "https://as.example/c" || !back.Issued.Equal(r.Issued) {
		t.Errorf("got back %s", b)
	}
	if !back.Usable("https://as.example", time.Now()) || back.Usable("https://as.example/", time.Now()) {
		t.Error("a registration is for its own issuer, exactly")
	}
	back.SecretExpiry = time.Unix(100, 0)
	if back.Usable("https://as.example", time.Unix(100, 0)) || !back.Usable("https://as.example", time.Unix(99, 0)) {
		t.Error("an expired registration counts as usable, or the other way round")
	}
}

func TestWhatARegistrationCovers(t *testing.T) {
	r := &ClientRegistration{Kind: Dynamic, Scope: "a b", RedirectURIs: []string{"http://127.0.0.1/callback", "http://localhost/callback", "http://127.0.0.1:7000/other"}}
	for _, tt := range []struct {
		uri, scope string
		ok         bool
	}{
		{"http://127.0.0.1:4711/callback", "a", true}, // RFC 8252 section 7.3
		{"http://127.0.0.1/callback", "a b", true},
		{"http://127.0.0.1:7000/other", "", true},
		{"http://127.0.0.1:7001/other", "", false},
		{"http://127.0.0.1:4711/else", "", false},
		{"http://[::1]:4711/callback", "", false},
		{"http://localhost:4711/callback", "", false}, // a name is compared to the letter
		{"http://127.0.0.1:4711/callback", "c", false},
		{"", "a", false}, // a device code
	} {
		if got := r.Covers(tt.uri, strings.Fields(tt.scope)); got != tt.ok {
			t.Errorf("%q %q: got %v", tt.uri, tt.scope, got)
		}
	}
	r.GrantTypes = []string{DeviceCodeGrant}
	if !r.Covers("", []string{"a"}) {
		t.Error("a device code is not covered")
	}
}

func TestForgottenClients(t *testing.T) {
	status, asked, elsewhere := 200, "", ""
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Authorization")
		w.Header().Set("Location", elsewhere)
		w.WriteHeader(status)
	})
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the registration's token went to another origin") })
	c := newClient(t, s.URL)
	as := &AuthorizationServerMetadata{RegistrationEndpoint: s.URL + "/register"}
	r := &ClientRegistration{ClientURI: s.URL + "/register/1", AccessToken: secret.Plain{Value: secret.New("SECRETWORD")}}
	for code, want := range map[int]bool{200: false, 401: true, 404: false, 500: false} {
		status = code
		if got := c.Forgotten(t.Context(), as, r); got != want || asked != "Bearer SECRETWORD" {
			t.Errorf("%d: got %v", code, got)
		}
	}
	if status, elsewhere = 307, other.URL; c.Forgotten(t.Context(), as, r) {
		t.Error("believed a redirect")
	}
	r.ClientURI = other.URL
	if status = 401; c.Forgotten(t.Context(), as, r) {
		t.Error("believed another origin")
	}
}

func FuzzRegistrationAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"client_id":"c","client_secret":"SECRETWORD","client_secret_expires_at":"1.5e9","redirect_uris":["http://127.0.0.1/"]}`,
		`{"client_id":7}`, `{"error":"invalid_redirect_uri"}`, `client_id=c&error=`, `[]`, `{"client_id":"c","token_endpoint_auth_method":"none","client_id_issued_at":-1}`,
	} {
		f.Add([]byte(seed), 201)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		fields, err := readFields(&response{status: status, header: http.Header{}, body: body})
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		r, err := registration(fields, ClientMetadata{RedirectURIs: []string{"http://127.0.0.1/callback"}, TokenEndpointAuthMethod: AuthNone})
		if err != nil {
			return
		}
		hasSecret := !r.ClientSecret.IsZero()
		if r.ClientID == "" || r.ClientID != clean(r.ClientID, 2000) || len(r.RedirectURIs) == 0 || r.AuthMethod == "" ||
			(r.AuthMethod == AuthNone && !r.SecretExpiry.IsZero() && !hasSecret) || (r.AuthMethod != AuthNone && !hasSecret) {
			t.Errorf("got %+v", r)
		}
		if r.Issuer != "" {
			t.Error("an answer named its own issuer")
		}
	})
}

func TestMethodToRegisterFor(t *testing.T) {
	for _, tt := range []struct {
		supported []string
		want      string
	}{
		{nil, AuthNone}, {[]string{AuthSecretBasic, AuthNone}, AuthNone}, {[]string{AuthSecretPost, AuthSecretBasic}, AuthSecretBasic},
		{[]string{AuthSecretPost}, AuthSecretPost}, {[]string{AuthPrivateKeyJWT}, AuthNone},
	} {
		if got := registrationMethod(tt.supported); got != tt.want {
			t.Errorf("registrationMethod(%q) = %s, want %s", tt.supported, got, tt.want)
		}
	}
}
