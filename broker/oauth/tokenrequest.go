package oauth

import (
	"context"
	"crypto"
	"errors"
	"net/url"
	"time"

	"keyporter/broker/secret"
)

// Methods of client authentication at the token endpoint (RFC 7591 section 2,
// OpenID Connect Core section 9).
const (
	AuthNone          = "none"
	AuthSecretBasic   = "client_secret_basic"
	AuthSecretPost    = "client_secret_post"
	AuthPrivateKeyJWT = "private_key_jwt"
)

// ClientAuth is how a client identifies itself at the token endpoint.
type ClientAuth struct {
	Method   string       // Required. One of the Auth constants; never probed.
	ClientID string       // Required.
	Secret   secret.Value // Required for the client_secret methods.

	Key               crypto.Signer // Required for private_key_jwt.
	Alg               string        // Optional. JWS algorithm; empty follows the key (RSA RS256, P-256 ES256, Ed25519 EdDSA).
	KeyID             string        // Optional. The kid header of the assertion.
	AssertionAudience string        // Required for private_key_jwt: aud of the assertion, by default the issuer.
}

// A TokenResponse is RFC 6749 section 5.1 with the fields that its extensions add.
type TokenResponse struct {
	AccessToken  secret.Value
	RefreshToken secret.Value // empty: none issued, or the old one stays
	IDToken      secret.Value // OpenID Connect Core section 3.1.3.3
	TokenType    string       // as sent; compare without case
	Expiry       time.Time    // from expires_in and our clock at the answer; zero if not sent
	Scope        string       // empty: as requested
	IssuedType   string       // issued_token_type of RFC 8693 section 2.2.1
}

// Token sends form, which has grant_type and everything else but the client
// authentication, to the token endpoint. The endpoint has passed the rules for
// authorization server addresses before. An error answer is an *Error. Neither
// errors nor logs hold any part of a body beyond error and, cleaned,
// error_description.
func (c *Client) Token(ctx context.Context, endpoint string, auth ClientAuth, form url.Values) (*TokenResponse, error) {
	return nil, errors.New("not written yet")
}
