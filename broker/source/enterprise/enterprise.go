// Package enterprise is the source for enterprise-managed authorization (MCP
// extension): the person's single sign-on at the company's identity provider is
// enough. The identity provider exchanges the ID token (RFC 8693) for an identity
// assertion authorization grant (ID-JAG), which the server's authorization server
// redeems for an access token (RFC 7523 section 2.1). No browser opens.
//
// It makes no discovery: the broker resolves the issuers and gives the token
// endpoints, which it has checked. The package starts no goroutines.
package enterprise

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/source"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// A Subject is the proof of who the person is.
type Subject struct {
	Token secret.Value // Required. An ID token or a SAML assertion.
	Type  string       // Optional. subject_token_type; empty means oauth.TypeIDToken.
}

// Options are the settings of a Source.
type Options struct {
	Client *oauth.Client // Required.

	// Subject returns the person's ID token as it is now. It may return
	// token.ErrSignInNeeded. Required.
	Subject func(context.Context) (Subject, error)

	IdPEndpoint string           // Required. The identity provider's token endpoint.
	IdPAuth     oauth.ClientAuth // Required. Our client there; AuthNone if it has no secret.

	Issuer   string           // Required. The server's authorization server: audience of the exchange.
	Endpoint string           // Required. Its token endpoint.
	Auth     oauth.ClientAuth // Required. Our client there.

	Now func() time.Time // Optional; nil means time.Now.
}

// A Source gets access tokens for one person at one authorization server.
type Source struct {
	o         Options
	idp, host string
}

var _ token.Source = (*Source)(nil)

// New checks the options and returns a Source.
func New(o Options) (*Source, error) {
	idp, err := url.Parse(o.IdPEndpoint)
	if err != nil || idp.Hostname() == "" {
		return nil, errors.New("enterprise source: IdPEndpoint is not an address")
	}
	as, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || as.Hostname() == "":
		return nil, errors.New("enterprise source: Endpoint is not an address")
	case o.Client == nil:
		return nil, errors.New("enterprise source: Client is required")
	case o.Subject == nil:
		return nil, errors.New("enterprise source: Subject is required")
	case o.Issuer == "":
		return nil, errors.New("enterprise source: Issuer is required")
	case o.IdPAuth.ClientID == "" || o.Auth.ClientID == "":
		return nil, errors.New("enterprise source: IdPAuth.ClientID and Auth.ClientID are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Source{o: o, idp: idp.Hostname(), host: as.Hostname()}, nil
}

// Token exchanges the person's sign-in for an access token with the request's
// scopes and resource. The ID-JAG in between lives for one request.
func (s *Source) Token(ctx context.Context, req token.Request) (*token.Token, error) {
	if req.Kind != token.AccessToken {
		return nil, hint.New(hint.Usage, fmt.Sprintf("An enterprise sign-in gives no token of the kind %q.", req.Kind), "It gives access tokens.")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sub, err := s.o.Subject(ctx)
	if err != nil {
		return nil, err
	}
	if sub.Type == "" {
		sub.Type = oauth.TypeIDToken
	}
	jag, err := s.o.Client.ExchangeToken(ctx, s.o.IdPEndpoint, s.o.IdPAuth, oauth.Exchange{
		Subject: sub.Token, SubjectType: sub.Type, RequestedType: oauth.TypeIDJAG,
		Audience: s.o.Issuer, Resource: req.Resource, Scopes: req.Scopes,
	})
	if err != nil {
		return nil, s.idpError(err)
	}
	// The resource is in the ID-JAG; the grant repeats it for servers that want it.
	res, err := s.o.Client.BearerAssertion(ctx, s.o.Endpoint, s.o.Auth, jag.AccessToken, req.Resource, req.Scopes)
	if err != nil {
		return nil, oauth.Explain(err, s.host, s.words())
	}
	return source.Issued(res, s.o.Auth, s.host, req.Scopes, s.o.Now())
}

// idpError gives words to a refused exchange. An ID token that the identity
// provider no longer takes has to come anew from the person's sign-in there.
func (s *Source) idpError(err error) error {
	switch oauth.CodeOf(err) {
	case oauth.InvalidGrant, "login_required", "interaction_required":
		return hint.Wrap(fmt.Errorf("%w: %w", token.ErrSignInNeeded, err), hint.SignInNeeded,
			fmt.Sprintf("The sign-in at %s has ended.", s.idp), "Sign in there again, or give a fresh ID token with --id-token-file.")
	}
	return oauth.Explain(err, s.idp, map[string]oauth.Words{
		oauth.InvalidClient: {What: fmt.Sprintf("%s does not know the client id.", s.idp), Do: "Check the account's --idp-client-id with its administrator."},
		oauth.InvalidTarget: {What: fmt.Sprintf("%s gives nobody access to that server.", s.idp), Do: "Ask your administrator to allow the server for this client."},
		oauth.AccessDenied:  {What: fmt.Sprintf("%s does not give you access to that server.", s.idp), Do: "Ask your administrator for it."},
		oauth.InvalidScope:  {What: fmt.Sprintf("%s does not give you the permission that the server wants.", s.idp), Do: "Ask your administrator for it, or choose others with --scope."},
		oauth.UnsupportedGrantType: {What: fmt.Sprintf("%s exchanges no tokens.", s.idp),
			Do: "Ask your administrator whether enterprise-managed authorization (ID-JAG) is turned on."},
		"": {What: fmt.Sprintf("%s refused to vouch for you at that server.", s.idp),
			Do: "Ask your administrator whether enterprise-managed authorization (ID-JAG) is turned on for this client."},
	})
}

func (s *Source) words() map[string]oauth.Words {
	return map[string]oauth.Words{
		oauth.InvalidGrant: {What: fmt.Sprintf("%s does not accept what %s says about you.", s.host, s.idp),
			Do: "Ask the owner of the server whether it trusts that identity provider."},
		oauth.InvalidClient:        {What: fmt.Sprintf("%s does not accept the client id or its secret.", s.host), Do: "Check both with the owner of the server."},
		oauth.UnauthorizedClient:   {What: fmt.Sprintf("%s does not let this client use enterprise sign-ins.", s.host), Do: "Ask the owner of the server to turn them on for it."},
		oauth.UnsupportedGrantType: {What: fmt.Sprintf("%s knows no enterprise sign-ins.", s.host), Do: "Sign in to this server in the browser instead."},
		oauth.InvalidScope:         {What: fmt.Sprintf("%s does not give you the permission that is asked for.", s.host), Do: "Choose others with --scope."},
		"":                         {What: fmt.Sprintf("%s refused to give a token.", s.host), Do: "Ask the owner of the server."},
	}
}
