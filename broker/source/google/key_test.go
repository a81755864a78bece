package google_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"strings"
	"testing"

	"keyporter/broker/secret"
	"keyporter/broker/source/google"
	"keyporter/internal/hint"
)

func pemOf(t *testing.T, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// keyFile returns a key file as Google writes it, with changes; nil removes.
func keyFile(t *testing.T, private string, changes map[string]any) secret.Value {
	t.Helper()
	f := map[string]any{
		"type": "service_account", "client_email": email, "private_key": private, "private_key_id": "abc123SECRETWORD",
		"token_uri": "https://oauth2.googleapis.com/token", "universe_domain": "googleapis.com",
	}
	maps.Copy(f, changes)
	maps.DeleteFunc(f, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(string(b))
}

func TestBadKeyFilesAreNamedAndNotQuoted(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	good := pemOf(t, "PRIVATE KEY", der, err)
	pkcs1 := pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)
	der, err = x509.MarshalPKCS8PrivateKey(ecKey)
	ec := pemOf(t, "PRIVATE KEY", der, err)
	der, err = x509.MarshalECPrivateKey(ecKey)
	sec1 := pemOf(t, "EC PRIVATE KEY", der, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	file := func(changes map[string]any) secret.Value { return keyFile(t, good, changes) }

	for name, f := range map[string]secret.Value{"PKCS #8": file(nil), "PKCS #1": keyFile(t, pkcs1, nil),
		"byte order mark": secret.New("\ufeff" + file(nil).Reveal() + "\r\n"), "no key id": file(map[string]any{"private_key_id": nil})} {
		if _, err := google.ParseKey(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	tests := []struct {
		name string
		file secret.Value
		want string // in the sentence
	}{
		{"empty", secret.New(" \n"), "is empty"},
		{"not JSON", secret.New("SECRETWORD"), "not JSON"},
		{"cut JSON", secret.New(file(nil).Reveal()[:900]), "damaged or cut off"},
		{"huge", secret.New(strings.Repeat("SECRETWORD", 10_000)), "too big"},
		{"PEM", secret.New(good), "bare private key"},
		{"P12", secret.New("0\x82\x0a\x01SECRETWORD"), "P12"},
		{"field of another type", file(map[string]any{"private_key": 7}), "damaged"},
		{"authorized_user", file(map[string]any{"type": "authorized_user"}), "person's own Google sign-in"},
		{"external_account", file(map[string]any{"type": "external_account"}), "workload identity federation"},
		{"external_account_authorized_user", file(map[string]any{"type": "external_account_authorized_user"}), "workload identity federation"},
		{"impersonated", file(map[string]any{"type": "impersonated_service_account"}), "impersonation"},
		{"distributed cloud", file(map[string]any{"type": "gdch_service_account"}), "Distributed Cloud"},
		{"OAuth client", secret.New(`{"installed":{"client_secret":"SECRETWORD"}}`), "OAuth client"},
		{"saved error", secret.New(`{"error":{"message":"SECRETWORD"}}`), "error answer"},
		{"no type", file(map[string]any{"type": nil}), "does not say"},
		{"other type", file(map[string]any{"type": "SECRETWORD"}), "some other kind"},
		{"no e-mail", file(map[string]any{"client_email": nil}), "no client_email"},
		{"odd e-mail", file(map[string]any{"client_email": "SECRETWORD\n@x"}), "not an e-mail address"},
		{"odd key id", file(map[string]any{"private_key_id": "SECRETWORD\r\n"}), "private_key_id"},
		{"odd universe", file(map[string]any{"universe_domain": "SECRETWORD/../evil"}), "not a domain name"},
		{"odd token_uri", file(map[string]any{"token_uri": "SECRETWORD"}), "token_uri"},
		{"no key", file(map[string]any{"private_key": nil}), "no private_key"},
		{"cut PEM", keyFile(t, good[:len(good)/2], nil), "damaged or cut off"},
		{"PEM of something else", keyFile(t, pemOf(t, "PRIVATE KEY", []byte("SECRETWORD"), nil), nil), "cannot be read"},
		{"EC key", keyFile(t, ec, nil), "not an RSA key"},
		{"EC key in SEC 1", keyFile(t, sec1, nil), "not an RSA key"},
		{"short RSA key", keyFile(t, pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small), nil), nil), "length"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key, err := google.ParseKey(test.file)
			if err == nil {
				t.Fatalf("got a key: %v", key)
			}
			h := hint.Of(err)
			if h.Code != hint.Usage || !strings.Contains(h.What, test.want) || !strings.HasSuffix(h.What, ".") || h.Do == "" {
				t.Errorf("got %s %q %q, want a sentence with %q", h.Code, h.What, h.Do, test.want)
			}
			noSecret(t, err)
		})
	}
}

func TestTokenURIIsPinnedToGoogle(t *testing.T) {
	const (
		yes = hint.Code("")
		ask = hint.ApprovalNeeded
		no  = hint.Refused
		bad = hint.Usage
	)
	tests := []struct {
		uri, universe, allow string
		want                 hint.Code
	}{
		{"https://oauth2.googleapis.com/token", "", "", yes},
		{"https://oauth2.mtls.googleapis.com/token", "", "", yes},
		{"https://accounts.google.com/o/oauth2/token", "", "", yes},
		{"https://www.googleapis.com:443/oauth2/v4/token", "", "", yes},
		{"https://OAUTH2.googleapis.com/token", "", "", yes},
		{"https://www.googleapis.com/oauth2/v3/token", "", "", yes},
		{"https://oauth2-corp.p.googleapis.com/token", "", "", yes},

		{"https://storage.googleapis.com/evilbucket/t", "", "", ask},
		{"https://evilbucket.storage.googleapis.com/token", "", "", ask},
		{"https://www.googleapis.com/upload/storage/v1/b/evilbucket/o?uploadType=media", "", "", ask},
		{"https://www.googleapis.com/oauth2/v4/token/../../../upload/storage/v1/b/evilbucket/o", "", "", ask},
		{"https://oauth2.googleapis.com/evilbucket/token", "", "", ask},
		{"https://storage-oauth2-x.p.googleapis.com/token", "", "", ask},
		{"https://oauth2-x.storage.p.googleapis.com/token", "", "", ask},
		{"https://storage.googleapis.com/evilbucket/t", "", "https://storage.googleapis.com/evilbucket/t", yes},

		{"https://evil.example/token", "", "", ask},
		{"https://evil.example/token", "evil.example", "", ask},
		{"https://oauth2.evil.example/token", "evil.example", "", ask},
		{"https://oauth2.evil.example/token", "evil.example", "https://oauth2.evil.example/token", yes},
		{"https://evil.example/token", "", "https://evil.example/token", yes},
		{"https://evil.example/token?x", "", "https://evil.example/token", ask},
		{"https://googleapis.com.evil.example/token", "", "", ask},
		{"https://evilgoogleapis.com/token", "", "", ask},
		{"https://oauth2.googleapis.com./token", "", "", ask},
		{"https://oauth2.googleapis.com:8443/token", "", "", ask},
		{"https://google.com/token", "", "", ask},
		{"https://127.0.0.1:1/token", "", "", ask},

		{"https://oauth2.googleapis.com@evil.example/token", "", "https://oauth2.googleapis.com@evil.example/token", bad},
		{"https://evil.example\\@oauth2.googleapis.com/token", "", "", bad},
		{"https://oauth2.googleapis.com/token#x", "", "", bad},
		{"file://oauth2.googleapis.com/etc/passwd", "", "file://oauth2.googleapis.com/etc/passwd", bad},

		{"http://oauth2.googleapis.com/token", "", "http://oauth2.googleapis.com/token", no},
		{"http://evil.example/token", "", "http://evil.example/token", no},
		{"http://127.0.0.1:8080/token", "", "", ask},
		{"http://127.0.0.1:8080/token", "", "http://127.0.0.1:8080/token", yes},
		{"http://localhost:8080/token", "", "http://localhost:8080/token", yes},
	}
	for _, test := range tests {
		err := google.CheckTokenURI(&google.Key{Email: email, TokenURI: test.uri, Universe: test.universe}, test.allow)
		if got := hint.CodeOf(err); err == nil && test.want != yes || err != nil && got != test.want {
			t.Errorf("%s, universe %q, allowed %q: got %v (%s), want %q", test.uri, test.universe, test.allow, err, got, test.want)
		}
	}
}

func TestSourceOfAKeyWithAForeignTokenURIIsRefused(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)
	for _, changes := range []map[string]any{
		{"token_uri": "https://evil.example/token"},
		{"token_uri": nil, "universe_domain": "evil.example"},
	} {
		key, err := google.ParseKey(keyFile(t, pkcs1, changes))
		if err != nil {
			t.Fatal(err)
		}
		_, err = google.New(google.Options{Key: key, Client: http.DefaultClient})
		if hint.CodeOf(err) != hint.ApprovalNeeded || !strings.Contains(hint.Of(err).What, "evil.example") {
			t.Errorf("err = %v, want a hint that names the host", err)
		}
	}
}
