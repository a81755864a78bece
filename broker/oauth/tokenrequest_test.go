package oauth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func atNoon(o *Options) { o.Now = func() time.Time { return noon } }

func TestTokenAnswersAreUnderstood(t *testing.T) {
	tests := []struct {
		name, kind, body string
		want             TokenResponse
	}{
		{"JSON", "application/json", `{"access_token":"SECRETWORD-a","token_type":"Bearer","expires_in":3600,"refresh_token":"SECRETWORD-r","scope":"x y","id_token":"SECRETWORD-i"}`,
			TokenResponse{AccessToken: secret.New("SECRETWORD-a"), RefreshToken: secret.New("SECRETWORD-r"), IDToken: secret.New("SECRETWORD-i"), TokenType: "Bearer", Scope: "x y", Expiry: noon.Add(time.Hour)}},
		{"form, as GitHub answers", "application/x-www-form-urlencoded", `access_token=SECRETWORD-a&scope=repo%2Cuser&token_type=bearer`,
			TokenResponse{AccessToken: secret.New("SECRETWORD-a"), TokenType: "bearer", Scope: "repo,user"}},
		{"number in a string", "text/html", `{"access_token":"SECRETWORD-a","expires_in":"60"}`,
			TokenResponse{AccessToken: secret.New("SECRETWORD-a"), Expiry: noon.Add(time.Minute)}},
		{"fraction", "application/json", `{"access_token":"SECRETWORD-a","expires_in":1.5}`,
			TokenResponse{AccessToken: secret.New("SECRETWORD-a"), Expiry: noon.Add(1500 * time.Millisecond)}},
		{"absurdly long life", "application/json", `{"access_token":"SECRETWORD-a","expires_in":1e300}`,
			TokenResponse{AccessToken: secret.New("SECRETWORD-a"), Expiry: noon.Add(longest)}},
		{"nulls and odd types", "application/json", `{"access_token":"SECRETWORD-a","expires_in":null,"refresh_token":null,"scope":["x","y"],"id_token":7,"error":null}`,
			TokenResponse{AccessToken: secret.New("SECRETWORD-a"), Scope: "x y"}},
		{"token exchange", "application/json", `{"access_token":"SECRETWORD-a","issued_token_type":"urn:x","token_type":"N_A"}`,
			TokenResponse{AccessToken: secret.New("SECRETWORD-a"), IssuedType: "urn:x", TokenType: "N_A"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				io.WriteString(w, tt.body)
			})
			got, err := newClient(t, s.URL, atNoon).Token(t.Context(), s.URL, ClientAuth{Method: AuthNone, ClientID: "c"}, url.Values{"grant_type": {"x"}})
			if err != nil {
				t.Fatal(err)
			}
			if !got.AccessToken.Equal(tt.want.AccessToken) || !got.RefreshToken.Equal(tt.want.RefreshToken) || !got.IDToken.Equal(tt.want.IDToken) ||
				got.TokenType != tt.want.TokenType || got.Scope != tt.want.Scope || !got.Expiry.Equal(tt.want.Expiry) || got.IssuedType != tt.want.IssuedType {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			noSecret(t, "the printed answer", fmt.Sprintf("%+v", got))
		})
	}
}

func TestTokenErrorsSayWhatTheServerSaidAndNoMore(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   *Error // nil: an error of another type
	}{
		{"RFC 6749", 400, `{"error":"invalid_grant","error_description":"expired","refresh_token":"SECRETWORD"}`, &Error{"invalid_grant", "expired", 400, 0}},
		{"with 200, as GitHub", 200, `error=bad_verification_code&error_description=The+code&x=SECRETWORD`, &Error{"bad_verification_code", "The code", 200, 0}},
		{"with an access token beside it", 200, `{"error":"x","access_token":"SECRETWORD"}`, &Error{"x", "", 200, 0}},
		{"control characters", 401, `{"error":"invalid_client\u0000\u001b[31m","error_description":"a\nb\u202e` + strings.Repeat("ж", 300) + `"}`,
			&Error{"invalid_client[31m", "a b" + strings.Repeat("ж", 196) + "…", 401, 0}},
		{"a page", 502, `<html>SECRETWORD</html>`, &Error{"", "", 502, 0}},
		{"nothing", 500, ``, &Error{"", "", 500, 0}},
		{"error of another shape", 400, `{"error":{"message":"SECRETWORD"}}`, &Error{"", "", 400, 0}},
		{"a page with 200", 200, `<html>SECRETWORD</html>`, nil},
		{"no token", 200, `{"token":"SECRETWORD"}`, nil},
		{"broken JSON", 200, `{"access_token":"SECRETWORD`, nil},
		{"token with a line break", 200, `{"access_token":"SECRETWORD\r\nX: y"}`, nil},
		{"refresh token beyond ASCII", 200, `{"access_token":"a","refresh_token":"SECRETWORDé"}`, nil},
		{"too large", 200, `{"access_token":"a"}` + strings.Repeat(" ", maxBody), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			var log bytes.Buffer
			c := newClient(t, s.URL, func(o *Options) {
				o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			form := url.Values{"refresh_token": {"SECRETWORD-sent"}, "code": {"SECRETWORD-code"}}
			_, err := c.Token(t.Context(), s.URL+"/token?key=SECRETWORD", ClientAuth{Method: AuthSecretBasic, ClientID: "c", Secret: secret.New("SECRETWORD-client")}, form)
			if err == nil {
				t.Fatal("no error")
			}
			var e *Error
			if errors.As(err, &e) != (tt.want != nil) || e != nil && *e != *tt.want {
				t.Errorf("got %#v (%v), want %#v", e, err, tt.want)
			}
			noSecret(t, "error", err.Error()+hint.Of(err).Text())
			noSecret(t, "log", log.String())
			if !strings.Contains(log.String(), "path=/token") {
				t.Errorf("the log does not have the request: %s", log.String())
			}
		})
	}
}

func TestAnAnswerThatIsNoTokenHasWords(t *testing.T) {
	for _, body := range []string{`<html>SECRETWORD`, `{}`, `{"token_type":"Bearer"}`, `{"access_token":"SECRETWORD\r\nx"}`, ``, `[]`} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
		c := newClient(t, s.URL)
		_, err := c.Token(t.Context(), s.URL, public, url.Values{})
		_, registered := c.Register(t.Context(), &AuthorizationServerMetadata{RegistrationEndpoint: s.URL}, ClientMetadata{})
		for _, err := range []error{err, registered} {
			if text := hint.Of(err).Text(); hint.CodeOf(err) != hint.Failed || !strings.Contains(text, "127.0.0.1") || !strings.Contains(text, "cannot be used") {
				t.Errorf("%s: got %v", body, err)
			}
			noSecret(t, "error", fmt.Sprint(err))
		}
		words := hint.Of(Explain(err, "as.example", nil)).Text()
		if !strings.Contains(words, "Check the token endpoint's address") {
			t.Errorf("%s: a program's account says %q", body, words)
		}
	}
}

func TestWordsForACodeServeForWhatProvidersSendInItsPlace(t *testing.T) {
	codes := map[string]Words{InvalidClient: {"The client is wrong.", ""}, "": {"It was refused.", ""}}
	for code, want := range map[string]string{
		"invalid_client": "The client is wrong.", "incorrect_client_credentials": "The client is wrong.",
		"bad_redirect_uri": "It was refused.", "odd": "It was refused.", "": "It was refused.",
	} {
		if got := hint.Of(Explain(&Error{Code: code, Status: 400}, "as.example", codes)).What; got != want {
			t.Errorf("%s: got %q, want %q", code, got, want)
		}
	}
}

func TestAnErrorThatRepeatsASecretIsNotQuoted(t *testing.T) {
	for name, send := range map[string]func(c *Client, endpoint string) error{
		"refresh token": func(c *Client, endpoint string) error {
			_, err := c.Token(t.Context(), endpoint, ClientAuth{Method: AuthNone, ClientID: "c"}, url.Values{"refresh_token": {"SECRETWORD-" + strings.Repeat("x", 300)}})
			return err
		},
		"client secret": func(c *Client, endpoint string) error {
			_, err := c.Token(t.Context(), endpoint, ClientAuth{Method: AuthSecretBasic, ClientID: "c", Secret: secret.New("SECRETWORD-s")}, url.Values{"a": {"b"}})
			return err
		},
		"token to revoke": func(c *Client, endpoint string) error {
			return c.Revoke(t.Context(), endpoint, ClientAuth{Method: AuthNone, ClientID: "c"}, secret.New("SECRETWORD-t"), "access_token")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				_, word, _ := r.BasicAuth()
				w.WriteHeader(400)
				b, _ := json.Marshal(map[string]string{"error": "invalid_grant", "error_description": "no: " + word + r.PostForm.Get("refresh_token") + r.PostForm.Get("token") + " (end)"})
				w.Write(b)
			})
			err := send(newClient(t, s.URL), s.URL)
			if err == nil || !strings.Contains(err.Error(), "no: [removed] (end)") {
				t.Errorf("got %v", err)
			}
			noSecret(t, "error", fmt.Sprint(err))
		})
	}
}

// What a token request carried is taken out of the words of its answer, however the
// server spells it.
func TestAnAnswerDoesNotCarryTheRequestIntoAnError(t *testing.T) {
	const id, word = "client 1", "SECRETWORD+/ s=1"
	form := url.Values{"code": {"SECRETWORD-code"}, "code_verifier": {"SECRETWORD-verifier"}, "refresh_token": {"SECRETWORD/refresh+"}, "assertion": {"SECRETWORD.a.b"}}
	for name, echo := range map[string]func(r *http.Request) string{
		"the Authorization field": func(r *http.Request) string { return r.Header.Get("Authorization") },
		"its credentials, escaped": func(r *http.Request) string {
			return url.QueryEscape(strings.TrimPrefix(r.Header.Get("Authorization"), "Basic "))
		},
		"what they spell":          func(r *http.Request) string { u, p, _ := r.BasicAuth(); return u + ":" + p },
		"the secret":               func(*http.Request) string { return word },
		"the secret, escaped":      func(*http.Request) string { return url.PathEscape(word) + " " + url.QueryEscape(word) },
		"the secret in base64":     func(*http.Request) string { return base64.StdEncoding.EncodeToString([]byte(word)) },
		"both in base64":           func(*http.Request) string { return base64.URLEncoding.EncodeToString([]byte(id + ":" + word)) },
		"the form":                 func(r *http.Request) string { return r.PostForm.Encode() },
		"the form's values":        func(r *http.Request) string { return fmt.Sprint(r.PostForm) },
		"with a character between": func(*http.Request) string { return "SECRET\u200bWORD-code" },
	} {
		for _, method := range []string{AuthSecretBasic, AuthSecretPost} {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				w.WriteHeader(http.StatusBadRequest)
				b, _ := json.Marshal(map[string]string{"error": "invalid_client", "error_description": "you sent " + echo(r)})
				w.Write(b)
			})
			_, err := newClient(t, s.URL).Token(t.Context(), s.URL, ClientAuth{Method: method, ClientID: id, Secret: secret.New(word)}, form)
			text := fmt.Sprint(err)
			if strings.HasPrefix(name, "the Authorization") && method == AuthSecretPost {
				continue // there is none
			}
			for _, part := range []string{word, "SECRET", base64.RawStdEncoding.EncodeToString([]byte(word))[:12], base64.RawStdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(word)))[16:28]} {
				if strings.Contains(text, part) {
					t.Errorf("%s, %s: %s", name, method, text)
				}
			}
			if !strings.Contains(text, "invalid_client (HTTP 400): you sent") {
				t.Errorf("%s, %s: the words are lost: %s", name, method, text)
			}
		}
	}
}

func TestTemporaryErrors(t *testing.T) {
	for _, tt := range []struct {
		e    Error
		want bool
	}{
		{Error{Status: 503}, true}, {Error{Status: 429}, true}, {Error{Code: "temporarily_unavailable", Status: 400}, true},
		{Error{Code: InvalidGrant, Status: 400}, false}, {Error{Status: 404}, false},
	} {
		if got := tt.e.Temporary(); got != tt.want {
			t.Errorf("%v: got %v", &tt.e, got)
		}
	}
}

func TestClientAuthenticationIsSentOneWayOnly(t *testing.T) {
	const id, word = "my client:1", "SECRETWORD %+/:é"
	for _, method := range []string{AuthNone, AuthSecretBasic, AuthSecretPost} {
		t.Run(method, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if err := r.ParseForm(); err != nil {
					t.Error(err)
				}
				user, pass, basic := r.BasicAuth()
				user, _ = url.QueryUnescape(user)
				pass, _ = url.QueryUnescape(pass)
				if basic != (method == AuthSecretBasic) || basic && (user != id || pass != word) {
					t.Errorf("basic: %v %q %q", basic, user, pass)
				}
				if r.PostForm.Has("client_secret") != (method == AuthSecretPost) || method == AuthSecretPost && r.PostForm.Get("client_secret") != word {
					t.Errorf("post: %q", r.PostForm["client_secret"])
				}
				if (r.PostForm.Get("client_id") == id) == basic || r.PostForm.Get("grant_type") != "x" {
					t.Errorf("form %q", r.PostForm)
				}
				if r.Header.Get("Accept") != "application/json" {
					t.Errorf("accept %q", r.Header.Get("Accept"))
				}
				io.WriteString(w, `{"access_token":"SECRETWORD"}`)
			})
			form := url.Values{"grant_type": {"x"}}
			if _, err := newClient(t, s.URL).Token(t.Context(), s.URL, ClientAuth{Method: method, ClientID: id, Secret: secret.New(word)}, form); err != nil {
				t.Error(err)
			}
			if len(form) != 1 {
				t.Errorf("the caller's form was changed: %q", form)
			}
		})
	}
}

// opaque hides the type of a key, as one in hardware would be.
type opaque struct{ crypto.Signer }

func TestPrivateKeyJWT(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p521, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	tests := []struct {
		key       crypto.Signer
		alg, want string // want empty: refused
	}{
		{rsaKey, "", "RS256"}, {rsaKey, "PS256", "PS256"}, {rsaKey, "RS512", "RS512"}, {rsaKey, "ES256", ""},
		{p256, "", "ES256"}, {p256, "ES384", ""}, {p384, "", "ES384"}, {p521, "", "ES512"}, {ed, "", "EdDSA"}, {ed, "RS256", ""},
		{opaque{p256}, "", "ES256"}, {p256, "none", ""}, {p256, "HS256", ""},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%T %s", tt.key, tt.alg), func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				var claims jwt.RegisteredClaims
				tok, err := jwt.ParseWithClaims(r.PostFormValue("client_assertion"), &claims, func(*jwt.Token) (any, error) { return tt.key.Public(), nil },
					jwt.WithTimeFunc(func() time.Time { return noon }), jwt.WithAudience("https://as.example"), jwt.WithIssuer("c"), jwt.WithSubject("c"))
				if err != nil {
					t.Errorf("assertion: %v", err)
					return
				}
				if tok.Method.Alg() != tt.want || tok.Header["kid"] != "k1" || claims.ID == "" || seen[claims.ID] || !claims.ExpiresAt.Equal(noon.Add(time.Minute)) {
					t.Errorf("header %v, claims %+v", tok.Header, claims)
				}
				seen[claims.ID] = true
				if r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || r.PostForm.Has("client_secret") {
					t.Errorf("form has %d members", len(r.PostForm))
				}
				io.WriteString(w, `{"access_token":"SECRETWORD"}`)
			})
			auth := ClientAuth{Method: AuthPrivateKeyJWT, ClientID: "c", Key: tt.key, Alg: tt.alg, KeyID: "k1", AssertionAudience: "https://as.example"}
			_, err := newClient(t, s.URL, atNoon).Token(t.Context(), s.URL, auth, nil)
			if (err == nil) != (tt.want != "") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestIncompleteClientAuthenticationIsNotSent(t *testing.T) {
	asked := 0
	s := serve(t, func(http.ResponseWriter, *http.Request) { asked++ })
	for _, auth := range []ClientAuth{
		{Method: AuthNone}, {Method: AuthSecretBasic, ClientID: "c"}, {Method: AuthSecretPost, ClientID: "c"},
		{Method: AuthPrivateKeyJWT, ClientID: "c"}, {Method: "", ClientID: "c"}, {Method: "tls_client_auth", ClientID: "c"},
	} {
		if _, err := newClient(t, s.URL).Token(t.Context(), s.URL, auth, nil); err == nil {
			t.Errorf("%+v was accepted", auth)
		}
	}
	if asked != 0 {
		t.Errorf("%d requests were sent", asked)
	}
}

func TestTokenReturnsWhenTheCallerLeaves(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(arrived)
		<-release
	})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := newClient(t, s.URL).Token(ctx, s.URL, ClientAuth{Method: AuthNone, ClientID: "c"}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRevocation(t *testing.T) {
	status := http.StatusOK
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("token") != "SECRETWORD-r" || r.PostFormValue("token_type_hint") != "refresh_token" || r.PostFormValue("client_id") != "c" {
			t.Errorf("form %q", r.PostForm)
		}
		w.WriteHeader(status)
		if status != http.StatusOK {
			io.WriteString(w, `{"error":"unsupported_token_type","token":"SECRETWORD"}`)
		}
	})
	c := newClient(t, s.URL)
	revoke := func() error {
		return c.Revoke(t.Context(), s.URL, ClientAuth{Method: AuthNone, ClientID: "c"}, secret.New("SECRETWORD-r"), "refresh_token")
	}
	if err := revoke(); err != nil {
		t.Error(err)
	}
	status = http.StatusBadRequest
	if err := revoke(); CodeOf(err) != "unsupported_token_type" {
		t.Errorf("got %v", err)
	} else {
		noSecret(t, "error", err.Error())
	}
}

func TestUntrustedCertificateSaysSo(t *testing.T) {
	s := serveTLS(t)
	_, err := newClient(t, s.URL).Token(t.Context(), s.URL, ClientAuth{Method: AuthNone, ClientID: "c"}, nil)
	if hint.CodeOf(err) != hint.Refused || !strings.Contains(hint.Of(err).What, "certificate") {
		t.Errorf("got %v", err)
	}
	trusted := newClient(t, s.URL, func(o *Options) { o.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs })
	if _, err := trusted.Token(t.Context(), s.URL, ClientAuth{Method: AuthNone, ClientID: "c"}, nil); err != nil {
		t.Errorf("with its authority: %v", err)
	}
}

// No body makes Token return a token that cannot stand in a header, or an error
// that quotes it.
func FuzzTokenAnswer(f *testing.F) {
	for _, s := range []string{`{"access_token":"a","expires_in":1}`, `access_token=a`, `{"error":"x"}`, `{"expires_in":"9e99"}`, "\x00"} {
		f.Add([]byte(s), 200)
	}
	c, err := NewClient(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		fields, err := readFields(&response{status: status, body: body})
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < 0x20 }) {
				t.Errorf("error with control characters: %q", err)
			}
			return
		}
		tok, err := c.tokenResponse(fields)
		if err == nil && (tok.AccessToken.IsZero() || strings.ContainsAny(tok.AccessToken.Reveal()+tok.RefreshToken.Reveal(), "\r\n\x00")) {
			t.Error("an unusable token was accepted")
		}
	})
}
