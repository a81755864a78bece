package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"keyporter/broker/secret"
)

// Grant types that turn one token into another (RFC 8693 section 2.1, RFC 7523
// section 2.1).
const (
	TokenExchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	JWTBearerGrant     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// Token types of RFC 8693 section 3 and of the identity assertion authorization
// grant (ID-JAG) that MCP's enterprise-managed authorization uses.
const (
	TypeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	TypeIDToken     = "urn:ietf:params:oauth:token-type:id_token"
	TypeSAML2       = "urn:ietf:params:oauth:token-type:saml2"
	TypeIDJAG       = "urn:ietf:params:oauth:token-type:id-jag"
)

// An Exchange is a request of RFC 8693 section 2.1. Left out: the actor.
type Exchange struct {
	Subject       secret.Value // Required. subject_token
	SubjectType   string       // Required. subject_token_type
	RequestedType string       // Optional. requested_token_type
	Audience      string       // Optional.
	Resource      string       // Optional.
	Scopes        []string     // Optional.
}

// ExchangeToken exchanges a token. What comes is in AccessToken, whatever its
// type; a type other than the requested one is an error.
func (c *Client) ExchangeToken(ctx context.Context, endpoint string, auth ClientAuth, x Exchange) (*TokenResponse, error) {
	form := url.Values{"grant_type": {TokenExchangeGrant}, "subject_token": {x.Subject.Reveal()}, "subject_token_type": {x.SubjectType}}
	setAll(form, map[string]string{"requested_token_type": x.RequestedType, "audience": x.Audience, "resource": x.Resource, "scope": strings.Join(x.Scopes, " ")})
	tok, err := c.Token(ctx, endpoint, auth, form)
	if err != nil {
		return nil, fmt.Errorf("exchange token: %w", err)
	}
	// Section 2.2.1 requires issued_token_type; what is silent gave what was asked.
	if x.RequestedType != "" && tok.IssuedType != "" && tok.IssuedType != x.RequestedType {
		return nil, errors.New("exchange token: the answer is a token of another type")
	}
	return tok, nil
}

// BearerAssertion redeems a JWT for a token (RFC 7523 section 2.1).
func (c *Client) BearerAssertion(ctx context.Context, endpoint string, auth ClientAuth, assertion secret.Value, resource string, scopes []string) (*TokenResponse, error) {
	form := url.Values{"grant_type": {JWTBearerGrant}, "assertion": {assertion.Reveal()}}
	setAll(form, map[string]string{"resource": resource, "scope": strings.Join(scopes, " ")})
	return c.Token(ctx, endpoint, auth, form)
}

// setAll sets the parameters that have a value.
func setAll(form url.Values, values map[string]string) {
	for name, value := range values {
		if value != "" {
			form.Set(name, value)
		}
	}
}
