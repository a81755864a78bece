// Package clientcred is the source for the client credentials grant (RFC 6749
// section 4.4): a program that acts for itself, with a client secret or a private
// key (RFC 7523 section 2.2). No refresh token comes of it; each token is asked
// for anew.
//
// It makes no discovery: the broker resolves the issuer and gives the token
// endpoint, which it has checked. The package starts no goroutines.
package clientcred

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/source"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// Options are the settings of a Source.
type Options struct {
	Client   *oauth.Client    // Required.
	Endpoint string           // Required. The token endpoint.
	Issuer   string           // Optional. aud of a private_key_jwt assertion; empty means Endpoint.
	Auth     oauth.ClientAuth // Required. Its AssertionAudience, if set, counts instead of Issuer.
	Now      func() time.Time // Optional; nil means time.Now.
}

// A Source gets access tokens for one client at one token endpoint.
type Source struct {
	opts Options
	host string
}

var _ token.Source = (*Source)(nil)

// New checks the options and returns a Source.
func New(opts Options) (*Source, error) {
	u, err := url.Parse(opts.Endpoint)
	switch {
	case opts.Client == nil:
		return nil, errors.New("client credentials source: Client is required")
	case err != nil || u.Hostname() == "":
		return nil, errors.New("client credentials source: Endpoint is not an address")
	case opts.Auth.ClientID == "":
		return nil, errors.New("client credentials source: Auth.ClientID is required")
	}
	switch a := &opts.Auth; a.Method {
	case oauth.AuthSecretBasic, oauth.AuthSecretPost:
		if a.Secret.IsZero() {
			return nil, hint.New(hint.Usage, "The client secret is empty.", "Give a file that holds the secret alone, on one line.")
		}
	case oauth.AuthPrivateKeyJWT:
		if a.Key == nil {
			return nil, errors.New("client credentials source: Auth.Key is required")
		}
		if a.AssertionAudience == "" {
			a.AssertionAudience = opts.Issuer
		}
		if a.AssertionAudience == "" {
			a.AssertionAudience = opts.Endpoint
		}
	default: // a public client must not use this grant (RFC 6749 section 4.4)
		return nil, errors.New("client credentials source: Auth.Method is not one that proves who the client is")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Source{opts: opts, host: u.Hostname()}, nil
}

// Token asks for an access token with the request's scopes, resource (RFC 8707)
// and audience (which Auth0 wants in its place). Without expires_in the expiry is
// unknown: such a token is renewed when a server refuses it.
func (s *Source) Token(ctx context.Context, req token.Request) (*token.Token, error) {
	if req.Kind != token.AccessToken {
		return nil, hint.New(hint.Usage, fmt.Sprintf("Client credentials give no token of the kind %q.", req.Kind), "They give access tokens.")
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	for name, value := range map[string]string{"scope": strings.Join(req.Scopes, " "), "resource": req.Resource, "audience": req.Audience} {
		if value != "" {
			form.Set(name, value)
		}
	}
	res, err := s.opts.Client.Token(ctx, s.opts.Endpoint, s.opts.Auth, form)
	if err != nil {
		return nil, s.words(ctx, req, err)
	}
	return source.Issued(res, s.opts.Auth, s.host, req.Scopes, s.opts.Now())
}

// words gives err words for a person.
func (s *Source) words(ctx context.Context, req token.Request, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	rotate := fmt.Sprintf("Put in the right one: keyporter account rotate %s --key-file FILE", hint.Arg(req.Account))
	wrong := oauth.Words{What: fmt.Sprintf("%s does not accept the client id or its secret.", s.host), Do: "The secret may have expired. " + rotate}
	if s.opts.Auth.Method == oauth.AuthPrivateKeyJWT {
		wrong = oauth.Words{What: fmt.Sprintf("%s does not accept the client id or its private key.", s.host),
			Do: "Check that the public key is registered for this client and the clock of this computer is right. " + rotate}
	}
	return oauth.Explain(err, s.host, map[string]oauth.Words{
		oauth.InvalidClient: wrong,
		oauth.UnauthorizedClient: {What: fmt.Sprintf("%s does not let this client use client credentials.", s.host),
			Do: "Turn on the client credentials grant for the client at the provider."},
		oauth.InvalidScope: {What: fmt.Sprintf("%s does not give this client the scope it asks for.", s.host), Do: "Check the account's --scope."},
		oauth.InvalidTarget: {What: fmt.Sprintf("%s gives this client no token for that server.", s.host),
			Do: "Check that the client may use the server, or add the server with --no-resource or --resource."},
		"": {What: fmt.Sprintf("%s refused to give a token.", s.host), Do: "Check the client's settings at the provider."},
	})
}
