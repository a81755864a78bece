package workload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"keyporter/broker/oauth"
	"keyporter/broker/token"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var access = token.Request{Account: "ci", Kind: token.AccessToken, Resource: "https://rs.example/mcp", Scopes: []string{"mcp:read"}}

func newSource(t *testing.T, as *fakeas.Server, file string) *Source {
	t.Helper()
	client, err := oauth.NewClient(oauth.Options{ServerURL: as.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdle)
	s, err := New(Options{Client: client, Endpoint: as.URL() + "/token", Auth: oauth.ClientAuth{ClientID: "workload"}, Assertion: File(file)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheFileIsReadAnewForEachToken(t *testing.T) {
	good := map[string]string{"SECRETWORD.one.jwt": "one", "SECRETWORD.two.jwt": "two"}
	as := fakeas.Start(t, fakeas.Options{Clients: []fakeas.Client{{ID: "workload"}}, Assertion: func(a string) (string, string) {
		if user := good[a]; user != "" {
			return user, ""
		}
		return "", "the assertion has expired"
	}})
	file := filepath.Join(t.TempDir(), "token")
	s := newSource(t, as, file)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for jwt, user := range good {
		write(jwt + "\n")
		tok, err := s.Token(t.Context(), access)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := as.Verify(tok.Value.Reveal(), access.Resource)
		if err != nil || claims["sub"] != user || tok.Scheme != "Bearer" || tok.Expiry.IsZero() || claims["scope"] != "mcp:read" {
			t.Errorf("%s: %v, %v", user, claims, err)
		}
	}
	before := as.Counters().Requests[fakeas.Token]
	write("SECRETWORD.old.jwt")
	_, err := s.Token(t.Context(), access)
	if hint.CodeOf(err) != hint.Refused || oauth.CodeOf(err) != oauth.InvalidGrant || !strings.Contains(hint.Of(err).Text(), "audience") {
		t.Errorf("expired: %v", err)
	}
	if n := as.Counters().Requests[fakeas.Token] - before; n != 1 {
		t.Errorf("%d requests for a refused assertion, want 1", n)
	}
	for _, bad := range []string{"", "SECRETWORD", "a.b", "a.b c.d", strings.Repeat("a", maxFile) + ".b.c"} {
		write(bad)
		if _, err := s.Token(t.Context(), access); err == nil || strings.Contains(err.Error()+hint.Of(err).Text(), "SECRETWORD") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context(), access); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := s.Token(t.Context(), token.Request{Kind: token.IDToken}); hint.CodeOf(err) != hint.Usage {
		t.Errorf("another kind: %v", err)
	}
}

// Whoever may write where the file lies can make it a link to another file of the
// user's. Only what looks like a JWT leaves the computer.
func TestALinkToAPrivateFileSendsNothingOfIt(t *testing.T) {
	dir := t.TempDir()
	private, link := filepath.Join(dir, "id_ed25519"), filepath.Join(dir, "token")
	for _, content := range []string{
		"-----BEGIN OPENSSH PRIVATE KEY-----\nSECRETWORD\n-----END OPENSSH PRIVATE KEY-----\n", "SECRETWORD", "a.SECRETWORD.b c", "a.b\n.SECRETWORD",
	} {
		if err := errors.Join(os.WriteFile(private, []byte(content), 0o600), os.RemoveAll(link), os.Symlink(private, link)); err != nil {
			t.Fatal(err)
		}
		v, err := File(link)(t.Context())
		if err == nil || !v.IsZero() || strings.Contains(fmt.Sprint(err, hint.Of(err).Text()), "SECRETWORD") {
			t.Errorf("%.20q: %v", content, err)
		}
	}
}
