package fakemcp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
)

// errKeys means that the keys could not be read, so nothing is known of the token.
var errKeys = errors.New("the issuer's keys cannot be read")

var errClaims = errors.New("the claims of the token are malformed")

// errForbidden means that the token is good and its owner may not use the server.
var errForbidden = errors.New("this account may not use the server")

// A verifier checks the bearer tokens of one path.
type verifier struct {
	issuer   string
	keys     oidc.KeySet
	algs     []string
	audience func() string
	now      func() time.Time
	leeway   time.Duration
	// more checks what only this kind of token has.
	more func(header map[string]any, c *claims) error

	metadata   func() string // address of the resource's metadata for challenges, or nil
	scopes     []string      // needed for each request
	toolScopes map[string][]string
	offered    []string // scopes that a 401 asks for
}

// claims are what the checks read of a token.
type claims struct {
	Issuer        string           `json:"iss"`
	Subject       string           `json:"sub"`
	Audience      jwt.ClaimStrings `json:"aud"`
	Expiry        *jwt.NumericDate `json:"exp"`
	NotBefore     *jwt.NumericDate `json:"nbf"`
	IssuedAt      *jwt.NumericDate `json:"iat"`
	ClientID      string           `json:"client_id"`
	Scope         string           `json:"scope"`
	Email         string           `json:"email"`
	EmailVerified bool             `json:"email_verified"`

	all map[string]any
}

func (s *Server) oauthVerifier() *verifier {
	return &verifier{
		issuer: s.o.Issuer, keys: s.keySet(s.o.JWKS),
		algs:     []string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.EdDSA},
		audience: s.Resource, now: s.o.Now, leeway: s.o.Leeway,
		more: func(header map[string]any, c *claims) error {
			// RFC 9068 section 4: an ID token of the same issuer is no access token.
			if typ, _ := header["typ"].(string); strings.TrimPrefix(strings.ToLower(typ), "application/") != "at+jwt" {
				return errors.New("the token is not an access token")
			}
			if s.o.Ended != nil && s.o.Ended(c.all) {
				return errors.New("the token was revoked")
			}
			return nil
		},
		metadata: func() string { return s.Origin() + MetadataPath },
		scopes:   s.o.Scopes, toolScopes: s.o.ToolScopes, offered: s.o.OfferedScopes,
	}
}

func (s *Server) googleVerifier() *verifier {
	return &verifier{
		issuer: s.o.GoogleIssuer, keys: s.keySet(s.o.GoogleCerts), algs: []string{oidc.RS256},
		audience: s.Audience, now: s.o.Now, leeway: s.o.Leeway,
		more: func(_ map[string]any, c *claims) error {
			switch {
			case c.Email == "" || !c.EmailVerified:
				return errors.New("the token has no verified e-mail address")
			case s.o.GoogleEmails != nil && !slices.Contains(s.o.GoogleEmails, c.Email):
				return errForbidden
			}
			return nil
		},
	}
}

// keySet returns the keys at an address; they are read when first needed, and
// again when a token names a key that is not among them.
func (s *Server) keySet(address string) oidc.KeySet {
	client := &http.Client{Transport: s.keys, Timeout: 10 * time.Second}
	return oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), client), address)
}

// watchedKeys tells a signature that is wrong from keys that cannot be read,
// which the errors of go-oidc do not.
type watchedKeys struct {
	oidc.KeySet
	unreadable, good bool
}

func (k *watchedKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, token)
	k.good = err == nil
	k.unreadable = err != nil && strings.HasPrefix(err.Error(), "fetching keys")
	return payload, err
}

// verify checks a token: signature, issuer, audience, times. Its errors are
// fixed sentences that may go to the caller; they hold no part of the token.
func (v *verifier) verify(ctx context.Context, token string) (Identity, error) {
	c, header, err := v.signed(ctx, token)
	if err != nil {
		return Identity{}, err
	}
	now := v.now()
	switch {
	case c.Issuer != v.issuer:
		return Identity{}, errors.New("the token is of another issuer")
	case !slices.Contains(c.Audience, v.audience()): // RFC 8707 section 2: compared as it stands
		return Identity{}, errors.New("the token is for another audience")
	case c.Expiry == nil:
		return Identity{}, errors.New("the token has no expiry")
	case !now.Before(c.Expiry.Add(v.leeway)):
		return Identity{}, errors.New("the token expired")
	case c.NotBefore != nil && now.Add(v.leeway).Before(c.NotBefore.Time),
		c.IssuedAt != nil && now.Add(v.leeway).Before(c.IssuedAt.Time):
		return Identity{}, errors.New("the token is not valid yet")
	case c.Subject == "":
		return Identity{}, errors.New("the token has no subject")
	}
	if err := v.more(header, c); err != nil {
		return Identity{}, err
	}
	return Identity{
		Authenticated: true, Subject: c.Subject, Email: c.Email, ClientID: c.ClientID, Issuer: c.Issuer,
		Audience: c.Audience, Scopes: strings.Fields(c.Scope), ExpiresAt: c.Expiry.UTC(),
	}, nil
}

// signed checks the signature and its algorithm and returns claims and header.
func (v *verifier) signed(ctx context.Context, token string) (*claims, map[string]any, error) {
	keys := &watchedKeys{KeySet: v.keys}
	signed, err := oidc.NewVerifier(v.issuer, keys, &oidc.Config{
		SupportedSigningAlgs: v.algs, SkipClientIDCheck: true, SkipExpiryCheck: true, SkipIssuerCheck: true,
	}).Verify(ctx, token)
	switch {
	case keys.unreadable:
		return nil, nil, errKeys
	case keys.good && err != nil:
		return nil, nil, errClaims
	case err != nil:
		return nil, nil, errors.New("the signature of the token is not valid")
	}
	c := &claims{}
	if err := errors.Join(signed.Claims(c), signed.Claims(&c.all)); err != nil {
		return nil, nil, errClaims
	}
	header, err := jwtHeader(token)
	return c, header, err
}

// jwtHeader returns the JOSE header of a token whose signature is good.
func jwtHeader(token string) (map[string]any, error) {
	first, _, _ := strings.Cut(token, ".")
	b, err := jwt.NewParser().DecodeSegment(first)
	if err != nil {
		return nil, errors.New("the header of the token is malformed")
	}
	var h map[string]any
	if json.Unmarshal(b, &h) != nil {
		return nil, errors.New("the header of the token is malformed")
	}
	return h, nil
}
