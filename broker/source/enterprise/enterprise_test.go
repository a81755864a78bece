package enterprise

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var access = token.Request{Account: "work", Kind: token.AccessToken, Resource: "https://rs.example/mcp", Scopes: []string{"mcp:read"}}

// world is an identity provider and an authorization server that trusts it.
func world(t *testing.T, subject string, as fakeas.Options) (*Source, *fakeas.Server, *fakeas.Server) {
	t.Helper()
	idp := fakeas.Start(t, fakeas.Options{Clients: []fakeas.Client{{ID: "at-idp", Secret: "SECRETWORD-idp"}}, SubjectTokens: []string{"SECRETWORD-good"}})
	as.Clients = []fakeas.Client{{ID: "at-as", Secret: "SECRETWORD-as"}}
	if as.Assertion == nil {
		as.Assertion = func(a string) (string, string) {
			if strings.HasSuffix(a, ".jag") {
				return "alice", ""
			}
			return "", "not an ID-JAG"
		}
	}
	server := fakeas.Start(t, as)
	client, err := oauth.NewClient(oauth.Options{ServerURL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdle)
	s, err := New(Options{
		Client:      client,
		Subject:     func(context.Context) (Subject, error) { return Subject{Token: secret.New(subject)}, nil },
		IdPEndpoint: idp.URL() + "/token", IdPAuth: oauth.ClientAuth{Method: oauth.AuthSecretBasic, ClientID: "at-idp", Secret: secret.New("SECRETWORD-idp")},
		Issuer: server.Issuer(), Endpoint: server.URL() + "/token", Auth: oauth.ClientAuth{Method: oauth.AuthSecretBasic, ClientID: "at-as", Secret: secret.New("SECRETWORD-as")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, idp, server
}

func TestSingleSignOnBecomesAToken(t *testing.T) {
	s, _, as := world(t, "SECRETWORD-good", fakeas.Options{})
	tok, err := s.Token(t.Context(), access)
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := as.Verify(tok.Value.Reveal(), access.Resource); err != nil || claims["sub"] != "alice" || tok.Scheme != "Bearer" || tok.Expiry.IsZero() {
		t.Errorf("got %v, %v", claims, err)
	}
}

func TestRefusalsSayWhoRefused(t *testing.T) {
	s, idp, as := world(t, "SECRETWORD-stale", fakeas.Options{})
	_, err := s.Token(t.Context(), access)
	if !errors.Is(err, token.ErrSignInNeeded) || hint.CodeOf(err) != hint.SignInNeeded || as.Counters().Requests[fakeas.Token] != 0 {
		t.Errorf("a stale ID token: %v", err)
	}
	idp.RemoveClient("at-idp")
	if _, err = s.Token(t.Context(), access); hint.CodeOf(err) != hint.Refused || !strings.Contains(hint.Of(err).Text(), "--idp-client-id") {
		t.Errorf("unknown at the identity provider: %v", err)
	}
	s, _, _ = world(t, "SECRETWORD-good", fakeas.Options{Assertion: func(string) (string, string) { return "", "unknown issuer" }})
	if _, err = s.Token(t.Context(), access); hint.CodeOf(err) != hint.Refused || errors.Is(err, token.ErrSignInNeeded) || !strings.Contains(hint.Of(err).Text(), "trusts") {
		t.Errorf("an identity provider that is not trusted: %v", err)
	}
	if text := err.Error() + hint.Of(err).Text(); strings.Contains(text, "SECRETWORD") {
		t.Errorf("the error shows a secret: %s", text)
	}
}

func TestWithoutASignInNobodyIsAsked(t *testing.T) {
	s, _, as := world(t, "SECRETWORD-good", fakeas.Options{})
	s.o.Subject = func(context.Context) (Subject, error) { return Subject{}, token.ErrSignInNeeded }
	if _, err := s.Token(t.Context(), access); !errors.Is(err, token.ErrSignInNeeded) || as.Counters().Requests[fakeas.Token] != 0 {
		t.Errorf("got %v", err)
	}
}
