// Package source holds what the sources below it share.
package source

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// Issued returns the access token of a token endpoint's answer, given at now by
// host for a request with scopes. What the answer grants counts instead of what was
// asked for (RFC 6749 section 5.1); without expires_in the expiry is unknown. A
// token of a type that auth cannot send is an error.
func Issued(res *oauth.TokenResponse, auth oauth.ClientAuth, host string, scopes []string, now time.Time) (*token.Token, error) {
	scheme, ok := res.Scheme(auth.DPoP)
	if !ok {
		return nil, hint.New(hint.Failed, fmt.Sprintf("%s gave a token of a type that Keyporter cannot use.", host),
			"Ask for bearer tokens in the client's settings at the provider.")
	}
	tok := &token.Token{Value: res.AccessToken, Scheme: scheme, Issued: now, Expiry: res.Expiry, Scopes: slices.Clone(scopes)}
	if res.Scope != "" {
		tok.Scopes = strings.Fields(res.Scope)
	}
	return tok, nil
}
