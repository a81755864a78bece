// Package google is the source for a Google service account with a key file:
// ID tokens (for Cloud Run and what checks Google's certificates), access tokens
// (for Google APIs) and JWTs signed with the key itself (AIP-4111, IAP).
//
// It speaks the JWT bearer grant of RFC 7523 section 2.1 by its own small
// request, the one mechanism for both kinds of token. The ready-made ones do not
// fit: Google answers an ID token without an access token, which broker/oauth
// rightly takes for an error; x/oauth2's errors hold the body; and neither shows
// the answer's Date, which tells a wrong clock from a deleted key.
//
// Impersonation, federation and domain-wide delegation are left out. ParseKey
// reads the file, CheckTokenURI says whether it may be used as it is, New makes
// the Source. The package starts no goroutines.
package google

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// jwtLife is the life of an assertion and of a self-signed JWT, the longest that
// Google takes.
const jwtLife = time.Hour

// Options are the settings of a Source.
type Options struct {
	Key           *Key             // Required.
	Client        *http.Client     // Required. It should have limits for dialling; the Source adds those for redirects and bodies.
	AllowTokenURI string           // Optional. The token_uri beyond Google's domains that the user agreed to.
	Now           func() time.Time // Optional; nil means time.Now.
}

// A Source makes tokens for one service account. What it makes follows the
// request's Kind: an ID token for Audience, an access token with Scopes, or a
// self-signed JWT whose aud is Audience, or else Resource.
type Source struct {
	key    *Key
	client *http.Client
	now    func() time.Time
}

var _ token.Source = (*Source)(nil)

// New returns a Source, or a hint if the key's token_uri is not allowed.
func New(opts Options) (*Source, error) {
	switch {
	case opts.Key == nil || opts.Key.private == nil:
		return nil, errors.New("google source: Key is required")
	case opts.Client == nil:
		return nil, errors.New("google source: Client is required")
	}
	if err := CheckTokenURI(opts.Key, opts.AllowTokenURI); err != nil {
		return nil, err
	}
	client := *opts.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Jar = nil
	s := &Source{key: opts.Key, client: &client, now: opts.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Token returns a new token for req.
func (s *Source) Token(ctx context.Context, req token.Request) (*token.Token, error) {
	switch req.Kind {
	case token.IDToken:
		return s.idToken(ctx, req)
	case token.AccessToken:
		return s.accessToken(ctx, req)
	case token.SelfSignedJWT:
		return s.selfSigned(req)
	}
	return nil, hint.New(hint.Usage, fmt.Sprintf("A Google key makes no token of the kind %q.", req.Kind),
		"Use --audience, --scope or --self-signed.")
}

// idToken exchanges an assertion with target_audience. The answer has no
// expires_in; the expiry is the ID token's exp.
func (s *Source) idToken(ctx context.Context, req token.Request) (*token.Token, error) {
	if req.Audience == "" {
		return nil, hint.New(hint.Usage, "An ID token needs an audience.", "Give --audience, for Cloud Run the service's run.app address.")
	}
	ans, err := s.exchange(ctx, req.Account, jwt.MapClaims{"target_audience": req.Audience})
	if err != nil {
		return nil, err
	}
	if ans.IDToken == "" {
		return nil, s.oddAnswer("it has no ID token")
	}
	var claims jwt.RegisteredClaims
	// Unverified: it came from the token endpoint over TLS, and the server that
	// it is for verifies it. Only the expiry and the audience are read.
	if _, _, err := jwt.NewParser().ParseUnverified(ans.IDToken, &claims); err != nil || claims.ExpiresAt == nil {
		return nil, s.oddAnswer("its ID token cannot be read")
	}
	if !slices.Contains(claims.Audience, req.Audience) {
		return nil, s.oddAnswer("its ID token is for another audience")
	}
	now := s.now()
	return &token.Token{
		Value:  secret.New(ans.IDToken),
		Scheme: "Bearer",
		Issued: now,
		Expiry: expiry(now, claims),
	}, nil
}

// expiry returns the token's exp by our clock: where iat shows that ours is off
// by more than half a minute, the token's life counts from now.
func expiry(now time.Time, claims jwt.RegisteredClaims) time.Time {
	exp := claims.ExpiresAt.Time
	if claims.IssuedAt == nil || now.Sub(claims.IssuedAt.Time).Abs() <= 30*time.Second {
		return exp
	}
	return now.Add(exp.Sub(claims.IssuedAt.Time))
}

// accessToken exchanges an assertion with scope.
func (s *Source) accessToken(ctx context.Context, req token.Request) (*token.Token, error) {
	if len(req.Scopes) == 0 {
		return nil, hint.New(hint.Usage, "A Google access token needs a scope.", "Give --scope, such as https://www.googleapis.com/auth/cloud-platform.")
	}
	ans, err := s.exchange(ctx, req.Account, jwt.MapClaims{"scope": strings.Join(req.Scopes, " ")})
	switch {
	case err != nil:
		return nil, err
	case ans.AccessToken == "":
		return nil, s.oddAnswer("it has no access token")
	case ans.TokenType != "" && !strings.EqualFold(ans.TokenType, "Bearer"):
		return nil, s.oddAnswer("its token is not a bearer token")
	}
	now := s.now()
	tok := &token.Token{Value: secret.New(ans.AccessToken), Scheme: "Bearer", Issued: now, Scopes: slices.Clone(req.Scopes)}
	if ans.Scope != "" {
		tok.Scopes = strings.Fields(ans.Scope)
	}
	if ans.ExpiresIn > 0 {
		tok.Expiry = now.Add(time.Duration(min(ans.ExpiresIn, maxExpiresIn)) * time.Second)
	}
	return tok, nil
}

// selfSigned makes a token without asking anybody.
func (s *Source) selfSigned(req token.Request) (*token.Token, error) {
	audience := req.Audience
	if audience == "" {
		audience = req.Resource
	}
	if audience == "" {
		return nil, hint.New(hint.Usage, "A self-signed token needs an audience.", "Use it for a server, or give --audience.")
	}
	now := s.now()
	value, err := s.sign(now, jwt.MapClaims{"aud": audience, "sub": s.key.Email})
	if err != nil {
		return nil, err
	}
	return &token.Token{Value: value, Scheme: "Bearer", Issued: now, Expiry: time.Unix(now.Unix(), 0).Add(jwtLife)}, nil
}

// sign returns a JWT with claims and those that each one has.
func (s *Source) sign(now time.Time, claims jwt.MapClaims) (secret.Value, error) {
	claims["iss"] = s.key.Email
	claims["iat"] = now.Unix()
	claims["exp"] = now.Unix() + int64(jwtLife/time.Second)
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	if s.key.KeyID != "" {
		t.Header["kid"] = s.key.KeyID
	}
	signed, err := t.SignedString(s.key.private)
	if err != nil {
		return secret.Value{}, fmt.Errorf("sign with service account key: %w", err)
	}
	return secret.New(signed), nil
}
