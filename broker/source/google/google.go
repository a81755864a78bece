// Package google is the source for Google's own ways to a token: a service
// account's key (Source), another account's access token that impersonates a
// service account (Impersonation), and the computer's application-default
// credentials (Default). They make ID tokens (for Cloud Run and what checks
// Google's certificates) and access tokens (for Google APIs); a key also makes
// JWTs signed with itself (AIP-4111, IAP).
//
// It sends its own small requests. The ready-made ones do not fit: Google
// answers an ID token without an access token, which broker/oauth rightly takes
// for an error; x/oauth2's errors hold the body, and it takes the addresses that
// stand in a credentials file as they are; and neither shows the answer's Date,
// which tells a wrong clock from a deleted key.
//
// Addresses are Google's, whatever a file says: one that names another is
// refused. What a file may choose (where a federated identity's token comes from)
// is in Credentials.Binding, which the user has agreed to. Domain-wide delegation,
// programs that print tokens, and universes beside googleapis.com are left out.
//
// ParseKey and ParseCredentials read files; New, NewImpersonation and NewDefault
// make the sources. The package starts no goroutines.
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

	"keyporter/broker/oauth"
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
	wire
	key *Key
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
	return &Source{wire: newWire(opts.Client, opts.Now), key: opts.Key}, nil
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
	tok, why := idToken(s.now(), ans.IDToken, req.Audience)
	if why != "" {
		return nil, s.oddAnswer(why)
	}
	return tok, nil
}

// idToken makes the Token of an ID token, or says what is wrong with it.
//
// Unverified: it came from Google over TLS, and the server that it is for
// verifies it. Only the expiry and the audience are read.
func idToken(now time.Time, text, audience string) (*token.Token, string) {
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(text, &claims); err != nil || claims.ExpiresAt == nil || !visible(text) {
		return nil, "its ID token cannot be read"
	}
	if !slices.Contains(claims.Audience, audience) {
		return nil, "its ID token is for another audience"
	}
	return &token.Token{Value: secret.New(text), Scheme: "Bearer", Issued: now, Expiry: expiry(now, claims)}, ""
}

// slightly is how far our clock may be off before an expiry is counted anew.
const slightly = 30 * time.Second

// expiry returns the token's exp by our clock: where iat shows that ours is off
// by more than slightly, the token's life counts from now.
func expiry(now time.Time, claims jwt.RegisteredClaims) time.Time {
	exp := claims.ExpiresAt.Time
	if claims.IssuedAt == nil || now.Sub(claims.IssuedAt.Time).Abs() <= slightly {
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
	if err != nil {
		return nil, err
	}
	tok, why := ans.accessToken(s.now(), req.Scopes)
	if why != "" {
		return nil, s.oddAnswer(why)
	}
	return tok, nil
}

// accessToken makes the Token of an answer, or says what is wrong with it.
func (a *answer) accessToken(now time.Time, scopes []string) (*token.Token, string) {
	switch {
	case a.AccessToken == "":
		return nil, "it has no access token"
	case a.TokenType != "" && !strings.EqualFold(a.TokenType, "Bearer"):
		return nil, "its token is not a bearer token"
	}
	tok := &token.Token{Value: secret.New(a.AccessToken), Scheme: "Bearer", Issued: now, Scopes: slices.Clone(scopes)}
	if a.Scope != "" {
		tok.Scopes = strings.Fields(a.Scope)
	}
	if a.ExpiresIn > 0 {
		tok.Expiry = now.Add(time.Duration(min(a.ExpiresIn, maxExpiresIn)) * time.Second)
	}
	return tok, ""
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
	method, err := oauth.SigningMethod(s.key.private, "RS256")
	if err != nil {
		return secret.Value{}, err
	}
	t := jwt.NewWithClaims(method, claims)
	if s.key.KeyID != "" {
		t.Header["kid"] = s.key.KeyID
	}
	signed, err := t.SignedString(s.key.private)
	if err != nil {
		return secret.Value{}, fmt.Errorf("sign with service account key: %w", err)
	}
	return secret.New(signed), nil
}
