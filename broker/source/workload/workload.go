// Package workload is the source for workload identity: a JWT that the platform
// gives to a program (Kubernetes, a cloud, a CI system) is the assertion of the
// JWT bearer grant (RFC 7523 section 2.1; MCP extension for workload identity
// federation). The platform replaces the JWT now and then, so it is read anew for
// each request. No refresh token comes of it.
//
// It makes no discovery: the broker resolves the issuer and gives the token
// endpoint, which it has checked. The package starts no goroutines.
package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/source"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// maxFile is how large a file with a JWT may be, in bytes.
const maxFile = 64 << 10

// Options are the settings of a Source.
type Options struct {
	Client   *oauth.Client    // Required.
	Endpoint string           // Required. The token endpoint.
	Auth     oauth.ClientAuth // Required. Its Method is AuthNone where the JWT alone proves who asks.

	// Assertion returns the workload's JWT as it is now; see File. Required.
	Assertion func(context.Context) (secret.Value, error)

	Now func() time.Time // Optional; nil means time.Now.
}

// A Source gets access tokens for one workload at one token endpoint.
type Source struct {
	o    Options
	host string
}

var _ token.Source = (*Source)(nil)

// New checks the options and returns a Source.
func New(o Options) (*Source, error) {
	u, err := url.Parse(o.Endpoint)
	switch {
	case o.Client == nil:
		return nil, errors.New("workload source: Client is required")
	case err != nil || u.Hostname() == "":
		return nil, errors.New("workload source: Endpoint is not an address")
	case o.Auth.ClientID == "":
		return nil, errors.New("workload source: Auth.ClientID is required")
	case o.Assertion == nil:
		return nil, errors.New("workload source: Assertion is required")
	}
	if o.Auth.Method == "" {
		o.Auth.Method = oauth.AuthNone
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Source{o: o, host: u.Hostname()}, nil
}

// Token asks for an access token with the request's scopes and resource. It asks
// once, and in no other way if that is refused.
func (s *Source) Token(ctx context.Context, req token.Request) (*token.Token, error) {
	if req.Kind != token.AccessToken {
		return nil, hint.New(hint.Usage, fmt.Sprintf("A workload's identity gives no token of the kind %q.", req.Kind), "It gives access tokens.")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	assertion, err := s.o.Assertion(ctx)
	if err != nil {
		return nil, err
	}
	res, err := s.o.Client.BearerAssertion(ctx, s.o.Endpoint, s.o.Auth, assertion, req.Resource, req.Scopes)
	if err != nil {
		return nil, oauth.Explain(err, s.host, s.words())
	}
	return source.Issued(res, s.o.Auth, s.host, req.Scopes, s.o.Now())
}

func (s *Source) words() map[string]oauth.Words {
	return map[string]oauth.Words{
		oauth.InvalidGrant: {What: fmt.Sprintf("%s does not accept the workload's token.", s.host),
			Do: "Check that it is fresh, that its audience is the authorization server's issuer, and that the provider trusts who issued it."},
		oauth.InvalidClient: {What: fmt.Sprintf("%s does not know the client id.", s.host), Do: "Check the account's --client-id with its administrator."},
		oauth.UnauthorizedClient: {What: fmt.Sprintf("%s does not let this client use a workload's token.", s.host),
			Do: "Turn on the JWT bearer grant for the client at the provider."},
		oauth.UnsupportedGrantType: {What: fmt.Sprintf("%s takes no workload tokens.", s.host), Do: "Use an account of another kind for this server."},
		oauth.InvalidScope:         {What: fmt.Sprintf("%s does not give this workload the scope it asks for.", s.host), Do: "Check the account's --scope."},
		oauth.InvalidTarget: {What: fmt.Sprintf("%s gives this workload no token for that server.", s.host),
			Do: "Check that the workload may use the server, or add the server with --no-resource or --resource."},
		"": {What: fmt.Sprintf("%s refused to give a token.", s.host), Do: "Check the client's settings at the provider."},
	}
}

// File returns an Options.Assertion that reads a file anew each time. The file
// holds the JWT alone; space around it does not matter. Errors quote nothing of it.
func File(path string) func(context.Context) (secret.Value, error) {
	return func(context.Context) (secret.Value, error) {
		f, err := os.Open(path)
		if err != nil {
			return secret.Value{}, hint.Wrap(err, hint.Failed, fmt.Sprintf("The workload's token file %s cannot be read.", path),
				"Check that the platform writes it and that you may read it.")
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
		if err != nil {
			return secret.Value{}, hint.Wrap(err, hint.Failed, fmt.Sprintf("The workload's token file %s cannot be read.", path), "Try again.")
		}
		return Parse(string(b), path)
	}
}

// Parse returns the JWT in text; name says where the text comes from.
func Parse(text, name string) (secret.Value, error) {
	jwt := strings.TrimSpace(text)
	if len(text) > maxFile || strings.Count(jwt, ".") != 2 || strings.ContainsFunc(jwt, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return secret.Value{}, hint.New(hint.Failed, fmt.Sprintf("%s does not hold a token of a workload (a JWT).", name),
			"Give the file in which the platform keeps the token, such as a projected service-account token.")
	}
	return secret.New(jwt), nil
}
