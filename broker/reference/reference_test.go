package reference_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"keyporter/broker/oauth"
	"keyporter/broker/reference"
	"keyporter/broker/secret"
	"keyporter/broker/source/google"
	"keyporter/broker/token"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/fakevault"
	"keyporter/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const word = "SECRETWORD"

// login is the member's own.
const login = "hvs." + word

func start(t *testing.T) (*fakevault.Server, string, *reference.Store) {
	t.Helper()
	v := fakevault.New()
	srv := httptest.NewServer(v)
	t.Cleanup(srv.Close)
	return v, srv.URL, &reference.Store{Client: srv.Client(), Login: func() (secret.Value, error) { return secret.New(login), nil }}
}

func parse(t *testing.T, s string) *reference.Ref {
	t.Helper()
	r, err := reference.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReferencesAreReadAndWrittenBack(t *testing.T) {
	for _, good := range []string{
		"vault://secret/team/search#token", "vault://kv/a%20b/c?address=https%3A%2F%2Fvault.example.com%3A8200&namespace=eu%2Fdata&version=3",
		"vault-transit://transit/etl?kid=abc", "gcpsm://my-project/search-token", "gcpsm://my-project/search-token/7?location=europe-west3#key",
	} {
		if got := parse(t, good).String(); got != good {
			t.Errorf("%s became %s", good, got)
		}
	}
	for _, bad := range []string{
		"", "vault://", "vault://secret", "vault://secret/../sys/seal", "vault://user@secret/x", "vault://secret/x?adress=https://a", "vault://secret/x?address=http://vault.example.com",
		"vault://secret/x?address=https://a/path", "vault://secret:80/x", "vault-transit://transit/a/b", "vault-transit://transit/a#f", "gcpsm://Project/x", "gcpsm://p/s?location=evil.example.com%2F",
		"file:///etc/passwd", "vault://secret/x?version=1;drop",
	} {
		if r, err := reference.Parse(bad); err == nil || hint.CodeOf(err) != hint.Usage {
			t.Errorf("%q was read as %+v, %v", bad, r, err)
		}
	}
}

func TestVaultIsReadWithTheMembersLogin(t *testing.T) {
	v, address, store := start(t)
	v.Allow(login, "secret/data/team/*")
	v.Put("team/search", map[string]any{"token": "old-" + word, "other": "x"})
	v.Put("team/search", map[string]any{"token": "new-" + word, "other": "x"})
	v.Put("team/one", map[string]any{"key": "only-" + word})
	v.Put("team/file", map[string]any{"type": "service_account", "client_email": "a@b.c"})
	v.Put("private/one", map[string]any{"key": "x"})
	for ref, want := range map[string]string{
		"vault://secret/team/search#token":           "new-" + word,
		"vault://secret/team/search?version=1#token": "old-" + word,
		"vault://secret/team/one":                    "only-" + word,
		"vault://secret/team/file":                   `{"client_email":"a@b.c","type":"service_account"}`,
	} {
		r := parse(t, ref)
		r.Address = address
		got, err := store.Read(t.Context(), r)
		if err != nil || got.Reveal() != want {
			t.Errorf("%s is %q, %v", ref, got.Reveal(), err)
		}
	}
	for _, c := range []struct {
		ref, says string
		code      hint.Code
	}{
		{"vault://secret/private/one", "may not use secret/private/one", hint.Refused},
		{"vault://secret/team/none", "There is no secret/team/none", hint.Refused},
		{"vault://secret/team/search?version=9", "There is no", hint.Refused},
		{"vault://secret/team/search#nothing", `no field "nothing"`, hint.Refused},
	} {
		r := parse(t, c.ref)
		r.Address = address
		_, err := store.Read(t.Context(), r)
		wantHint(t, err, c.code, c.says)
	}
	r := parse(t, "vault://secret/team/one")
	_, err := store.Read(t.Context(), r)
	wantHint(t, err, hint.Usage, "which Vault")
	r.Address = address
	v.End(login)
	_, err = store.Read(t.Context(), r)
	wantHint(t, err, hint.Locked, "login at 127.0.0.1")
	v.Seal()
	_, err = store.Read(t.Context(), r)
	wantHint(t, err, hint.Unreachable, "sealed")
}

func wantHint(t *testing.T, err error, code hint.Code, says string) {
	t.Helper()
	if err == nil || hint.CodeOf(err) != code || !strings.Contains(hint.Of(err).Text(), says) {
		t.Errorf("error is %v (%s), want %s and %q", err, hint.CodeOf(err), code, says)
	}
	if err != nil && strings.Contains(err.Error()+hint.Of(err).Text(), word) {
		t.Error("the error holds a secret")
	}
}

func TestALoginGoesToNoOtherAddress(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != "" {
			t.Error("the login was sent elsewhere")
		}
	}))
	defer elsewhere.Close()
	srv := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	store := &reference.Store{Client: srv.Client(), Login: func() (secret.Value, error) { return secret.New(login), nil }}
	r := parse(t, "vault://secret/x")
	r.Address = srv.URL
	_, err := store.Read(t.Context(), r)
	wantHint(t, err, hint.Refused, "another address")
}

func TestTransitSignsForEveryKindOfKey(t *testing.T) {
	v, address, store := start(t)
	v.Allow(login, "transit/keys/*", "transit/sign/*")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for alg, key := range map[string]crypto.Signer{"RS256": rsaKey, "PS384": rsaKey, "ES256": ec, "EdDSA": ed} {
		v.SetKey("key", key)
		r := parse(t, "vault-transit://transit/key")
		r.Address = address
		signer, err := store.Signer(t.Context(), r)
		if err != nil {
			t.Fatal(alg, err)
		}
		method, err := oauth.SigningMethod(signer, alg)
		if err != nil {
			t.Fatal(alg, err)
		}
		text, err := jwt.NewWithClaims(method, jwt.MapClaims{"iss": "me"}).SignedString(signer)
		if err != nil {
			t.Fatal(alg, err)
		}
		if _, err := jwt.Parse(text, func(*jwt.Token) (any, error) { return key.Public(), nil }, jwt.WithValidMethods([]string{alg})); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
	r := parse(t, "vault-transit://transit/key?version=4")
	r.Address = address
	_, err = store.Signer(t.Context(), r)
	wantHint(t, err, hint.Refused, "cannot sign")
	_, err = store.Read(t.Context(), r)
	wantHint(t, err, hint.Usage, "cannot be read")
}

func TestSecretManagerIsReadThroughAGoogleAccount(t *testing.T) {
	g, err := fakegoogle.Start(fakegoogle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	transport := g.Transport()
	defer transport.CloseIdleConnections()
	file, err := g.NewUserCredentials("alice@example.com", "payer")
	if err != nil {
		t.Fatal(err)
	}
	creds, err := google.ParseCredentials(secret.New(string(file)))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: transport}
	src, err := google.NewDefault(google.DefaultOptions{Credentials: creds, Client: client})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	store := &reference.Store{Client: client, Google: func(ctx context.Context, refused string) (*google.Caller, error) {
		asked++
		tok, err := src.Token(ctx, token.Request{Kind: token.AccessToken, Scopes: []string{google.CloudPlatform}})
		if asked == 1 { // one that is over
			tok.Value = secret.New("ya29.over")
		}
		return &google.Caller{Token: tok, Identity: creds.Account, QuotaProject: creds.QuotaProject}, err
	}}
	g.SetSecret("my-project", "search", "latest", []byte("value-"+word))
	g.SetSecret("my-project", "doc", "2", []byte(`{"key":"field-`+word+`"}`))
	r := parse(t, "gcpsm://my-project/search")
	_, err = store.Read(t.Context(), r)
	wantHint(t, err, hint.Refused, "gcloud services enable secretmanager.googleapis.com --project=payer")
	if asked != 2 {
		t.Errorf("asked for %d tokens, want another one after the refused", asked)
	}
	g.Enable("payer")
	_, err = store.Read(t.Context(), r)
	wantHint(t, err, hint.Refused, "gcloud secrets add-iam-policy-binding search --project=my-project --member=user:alice@example.com --role=roles/secretmanager.secretAccessor")
	g.Grant("my-project/search", "user:alice@example.com", fakegoogle.SecretAccessor)
	g.Grant("my-project/doc", "user:alice@example.com", fakegoogle.SecretAccessor)
	for ref, want := range map[string]string{"gcpsm://my-project/search": "value-" + word, "gcpsm://my-project/doc/2#key": "field-" + word} {
		got, err := store.Read(t.Context(), parse(t, ref))
		if err != nil || got.Reveal() != want {
			t.Errorf("%s: %q, %v", ref, got.Reveal(), err)
		}
	}
	_, err = store.Read(t.Context(), parse(t, "gcpsm://my-project/search/9"))
	wantHint(t, err, hint.Refused, "There is no secret my-project/search")
}

func TestTheLoginIsWhereVaultLeavesIt(t *testing.T) {
	home := t.TempDir()
	env := map[string]string{"HOME": home, "USERPROFILE": home}
	find := reference.Login(func(k string) string { return env[k] })
	_, err := find()
	wantHint(t, err, hint.Locked, "vault login")
	if err := os.WriteFile(filepath.Join(home, ".vault-token"), []byte(login+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := find(); err != nil || v.Reveal() != login {
		t.Errorf("login is %q, %v", v.Reveal(), err)
	}
	env["VAULT_TOKEN"] = "hvs.other"
	if v, err := find(); err != nil || v.Reveal() != "hvs.other" {
		t.Errorf("login is %q, %v", v.Reveal(), err)
	}
}
