package google_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"

	"keyporter/broker/secret"
	"keyporter/broker/source/google"
	"keyporter/internal/hint"
)

// Whatever a file holds: what is wrong with it is said in a hint, and a key that
// passes without the user's word sends its assertions to Google over TLS.
func FuzzParseKey(f *testing.F) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	block := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
	for _, uri := range []string{
		"https://oauth2.googleapis.com/token", "https://evil.example/token", "https://oauth2.googleapis.com@evil.example",
		"https://evil.example\\.googleapis.com", "https://evil.example%2f.googleapis.com/", "https://[::1].googleapis.com/", "//x.googleapis.com", "",
	} {
		f.Add(uri, "", `{"type":"authorized_user"}`)
		f.Add(uri, "evil.example", "-----BEGIN")
	}
	f.Fuzz(func(t *testing.T, uri, universe, raw string) {
		b, err := json.Marshal(map[string]string{"type": "service_account", "client_email": email, "private_key": block, "token_uri": uri, "universe_domain": universe})
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{raw, string(b)} {
			key, err := google.ParseKey(secret.New(file))
			var h *hint.Error
			if err != nil {
				if !errors.As(err, &h) || h.Cause != nil || h.Do == "" {
					t.Errorf("err = %v, want a hint without a cause", err)
				}
				continue
			}
			if err := google.CheckTokenURI(key, ""); err != nil {
				if !errors.As(err, &h) || h.Cause != nil {
					t.Errorf("err = %v, want a hint without a cause", err)
				}
				continue
			}
			req, err := http.NewRequest(http.MethodPost, key.TokenURI, nil)
			if err != nil {
				t.Errorf("token_uri %q passes and cannot be asked: %v", key.TokenURI, err)
				continue
			}
			host := "." + strings.ToLower(strings.TrimSuffix(req.URL.Host, ":443"))
			google := strings.HasSuffix(host, ".googleapis.com") || host == ".accounts.google.com"
			if req.URL.Scheme != "https" || req.URL.User != nil || !google || strings.ContainsAny(host, "[]/@:%") {
				t.Errorf("token_uri %q passes as Google's", key.TokenURI)
			}
		}
	})
}
