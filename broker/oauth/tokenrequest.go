package oauth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
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

	DPoP *DPoPKey // Optional. Binds the tokens to a key: each request carries a proof (RFC 9449 section 5).
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

// Scheme returns the authentication scheme with which the access token is sent,
// and whether it is one that the client understands (RFC 6749 section 7.1). A
// server that leaves token_type out means Bearer; so does one that knows no DPoP,
// which may ignore the proof (RFC 9449 section 5).
func (t *TokenResponse) Scheme(dpop *DPoPKey) (scheme string, ok bool) {
	switch {
	case t.TokenType == "", strings.EqualFold(t.TokenType, "Bearer"):
		return "Bearer", true
	case strings.EqualFold(t.TokenType, "DPoP"):
		return "DPoP", dpop != nil
	}
	return "", false
}

// Token sends form, which has grant_type and everything else but the client
// authentication, to the token endpoint. The endpoint has passed the rules for
// authorization server addresses before. An error answer is an *Error. Neither
// errors nor logs hold any part of a body beyond error and, cleaned,
// error_description.
func (c *Client) Token(ctx context.Context, endpoint string, auth ClientAuth, form url.Values) (*TokenResponse, error) {
	res, err := c.post(ctx, endpoint, auth, form)
	if err != nil {
		return nil, fmt.Errorf("request token: %w", err)
	}
	fields, err := readFields(res)
	if err != nil {
		return nil, fmt.Errorf("request token: %w", err)
	}
	tok, err := c.tokenResponse(fields)
	if err != nil {
		return nil, fmt.Errorf("request token: %w", res.unusable(err))
	}
	return tok, nil
}

// Revoke asks the revocation endpoint to end token (RFC 7009 section 2.1).
// hint is "refresh_token" or "access_token". A server that does not know the
// token any more answers with success.
func (c *Client) Revoke(ctx context.Context, endpoint string, auth ClientAuth, token secret.Value, hint string) error {
	form := url.Values{"token": {token.Reveal()}, "token_type_hint": {hint}}
	res, err := c.post(ctx, endpoint, auth, form)
	if err != nil {
		return fmt.Errorf("revoke token: %w", err)
	}
	if res.ok() {
		return nil
	}
	_, err = readFields(res)
	return fmt.Errorf("revoke token: %w", err)
}

// post sends a form with the client's authentication. It follows no redirect
// and never tries a second method: a failed first try may burn a one-time code.
// Only a request that is refused for want of a DPoP nonce goes out once more (RFC
// 9449 section 8); nothing has been redeemed then.
func (c *Client) post(ctx context.Context, endpoint string, auth ClientAuth, form url.Values) (*response, error) {
	res, err := c.postOnce(ctx, endpoint, auth, form)
	if err != nil || auth.DPoP == nil {
		return res, err
	}
	if fresh := c.keepNonce(endpoint, res.header); fresh && !res.ok() {
		if f, err := parseFields(res.body); err == nil && f.str("error") == UseDPoPNonce {
			res, err := c.postOnce(ctx, endpoint, auth, form)
			if err == nil {
				c.keepNonce(endpoint, res.header)
			}
			return res, err
		}
	}
	return res, nil
}

func (c *Client) postOnce(ctx context.Context, endpoint string, auth ClientAuth, form url.Values) (*response, error) {
	form = maps.Clone(form)
	if form == nil {
		form = url.Values{}
	}
	header := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"},
		"Accept":       {"application/json"}, // GitHub answers with a form without it
	}
	if err := c.authenticate(auth, form, header); err != nil {
		return nil, err
	}
	if auth.DPoP != nil {
		if err := c.proof(auth.DPoP, endpoint, header); err != nil {
			return nil, err
		}
	}
	res, err := c.do(ctx, http.MethodPost, endpoint, header, []byte(form.Encode()))
	if err != nil {
		return nil, err
	}
	if auth.Method == AuthPrivateKeyJWT {
		res.timed = append(res.timed, InvalidClient)
	}
	if auth.DPoP != nil {
		res.timed = append(res.timed, InvalidDPoPProof)
	}
	res.sent = append(res.sent, SentSecrets(form, auth.ClientID, auth.Secret.Reveal())...)
	return res, nil
}

// authenticate puts the client's authentication into form and header.
func (c *Client) authenticate(auth ClientAuth, form url.Values, header http.Header) error {
	if auth.ClientID == "" {
		return errors.New("client authentication: ClientID is missing")
	}
	switch auth.Method {
	case AuthNone:
		form.Set("client_id", auth.ClientID)
	case AuthSecretBasic, AuthSecretPost:
		if auth.Secret.IsZero() {
			return fmt.Errorf("client authentication: Secret is missing for %s", auth.Method)
		}
		if auth.Method == AuthSecretPost {
			form.Set("client_id", auth.ClientID)
			form.Set("client_secret", auth.Secret.Reveal())
			return nil
		}
		// RFC 6749 section 2.3.1: both parts are form-encoded first.
		r := http.Request{Header: header}
		r.SetBasicAuth(url.QueryEscape(auth.ClientID), url.QueryEscape(auth.Secret.Reveal()))
	case AuthPrivateKeyJWT:
		assertion, err := clientAssertion(auth, c.now())
		if err != nil {
			return fmt.Errorf("client authentication: %w", err)
		}
		form.Set("client_id", auth.ClientID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion.Reveal())
	default:
		return fmt.Errorf("client authentication: Method %q is not known", clean(auth.Method, 60))
	}
	return nil
}

// tokenResponse checks and converts the fields of a successful answer.
func (c *Client) tokenResponse(f fields) (*TokenResponse, error) {
	tok := &TokenResponse{
		AccessToken:  secret.New(f.str("access_token")),
		RefreshToken: secret.New(f.str("refresh_token")),
		IDToken:      secret.New(f.str("id_token")),
		TokenType:    clean(f.str("token_type"), 60),
		Scope:        strings.Join(validScopes(f.words("scope")), " "),
		IssuedType:   clean(f.str("issued_token_type"), 200),
	}
	if tok.AccessToken.IsZero() {
		return nil, errors.New("the answer has no access_token")
	}
	// RFC 6749 appendix A.12 and A.17; what is beyond it cannot stand in a header.
	for name, v := range map[string]secret.Value{"access_token": tok.AccessToken, "refresh_token": tok.RefreshToken} {
		if strings.ContainsFunc(v.Reveal(), func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			return nil, fmt.Errorf("the answer's %s has characters that no token has", name)
		}
	}
	if d, ok := f.seconds("expires_in"); ok {
		tok.Expiry = c.now().Add(d)
	}
	return tok, nil
}
