package authcode

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// A Grant is what a sign-in gives: tokens of one account for one issuer, client
// and resource. Its JSON form is the vault's record, with the tokens in the
// clear.
type Grant struct {
	Issuer             string       `json:"issuer"`
	TokenEndpoint      string       `json:"token_endpoint"`
	RevocationEndpoint string       `json:"revocation_endpoint,omitempty"`
	ClientID           string       `json:"client_id"`
	AuthMethod         string       `json:"auth_method"`
	RefreshToken       secret.Plain `json:"refresh_token"` // empty: none was issued
	AccessToken        secret.Plain `json:"access_token"`
	Issued             time.Time    `json:"issued_at"`           // of the access token, by our clock
	Expiry             time.Time    `json:"expires_at,omitzero"` // of the access token; zero: not said
	Scope              string       `json:"scope,omitempty"`     // granted, or asked for where the issuer did not say
	Resource           string       `json:"resource,omitempty"`  // empty: none was sent
	Identity           Identity     `json:"identity"`

	Asked       string    `json:"asked_scope,omitempty"`  // what was asked for; a step-up asks for it again
	SignedIn    time.Time `json:"signed_in_at,omitzero"`  // when the person was there
	RedirectURI string    `json:"redirect_uri,omitempty"` // where the issuer wants it on refresh

	TokenType   string       `json:"token_type,omitempty"` // DPoP; empty is Bearer
	DPoPKey     secret.Plain `json:"dpop_key,omitzero"`    // that the tokens are bound to; see oauth.ParseDPoPKey
	IDToken     secret.Plain `json:"id_token,omitzero"`
	IDTokenCame time.Time    `json:"id_token_at,omitzero"`  // by our clock; zero: not known
	UseIDToken  bool         `json:"use_id_token,omitzero"` // the server wants IDToken in place of AccessToken
}

// Token returns the token that goes to the server as it is, however old: the
// access token or, with UseIDToken, the ID token.
func (g *Grant) Token() *token.Token {
	if g.UseIDToken {
		return g.idToken()
	}
	t := &token.Token{Value: g.AccessToken.Value, Scheme: "Bearer", Issued: g.Issued, Expiry: g.Expiry, Scopes: strings.Fields(g.Scope)}
	if g.TokenType != "" {
		t.Scheme = g.TokenType
	}
	return t
}

// as returns the token of the kind that was asked for. An ID token that came
// with the sign-in and is not renewed ends with it.
func (g *Grant) as(kind token.Kind, now time.Time) (*token.Token, error) {
	t := g.Token()
	if kind == token.IDToken {
		t = g.idToken()
	}
	if (kind == token.IDToken || g.UseIDToken) && (t.Value.IsZero() || !t.Expiry.IsZero() && !now.Before(t.Expiry)) {
		return nil, hint.Wrap(token.ErrSignInNeeded, hint.SignInNeeded, fmt.Sprintf("%s gave no fresh ID token.", g.Issuer), "Sign in again.")
	}
	return t, nil
}

// idToken returns the ID token, which says itself how long it lives. One that was
// over when it came, or not issued yet, shows that our clock was wrong: its life
// counts from then.
func (g *Grant) idToken() *token.Token {
	t := &token.Token{Value: g.IDToken.Value, Scheme: "Bearer", Issued: g.Issued}
	if c, ok := parseClaims(g.IDToken.Value); ok && c.Expiry > 0 && c.Expiry < 1e11 {
		t.Expiry = time.Unix(int64(c.Expiry), 0)
		issued, came := time.Unix(int64(c.IssuedAt), 0), g.IDTokenCame
		if c.IssuedAt > 0 && c.IssuedAt < c.Expiry && !came.IsZero() && (!came.Before(t.Expiry) || issued.After(came.Add(time.Minute))) {
			t.Expiry = t.Expiry.Add(came.Sub(issued))
		}
	}
	return t
}

// An Identity is who is signed in, as the issuer says it. It is for display and
// decides nothing.
type Identity struct {
	Subject  string `json:"sub,omitempty"`
	Name     string `json:"name,omitempty"`
	Email    string `json:"email,omitempty"`
	Username string `json:"preferred_username,omitempty"`
}

// String returns the identity as people say it, or "" if nothing is known.
func (i Identity) String() string {
	for _, s := range []string{i.Email, i.Username, i.Name, i.Subject} {
		if s != "" {
			return s
		}
	}
	return ""
}

// claims are the members of a JWT that are read.
type claims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"`
	Nonce    string          `json:"nonce"`
	Expiry   float64         `json:"exp"`
	IssuedAt float64         `json:"iat"`
	Name     string          `json:"name"`
	Email    string          `json:"email"`
	Username string          `json:"preferred_username"`
}

// identity reads who signed in from the ID token or, without one, from an access
// token that is a JWT. The signature is not checked: the tokens come from the
// token endpoint over TLS (OpenID Connect Core section 3.1.3.7, point 6). An ID
// token for somebody else is not believed; one for another sign-in is an error.
func (f *Flow) identity(res *oauth.TokenResponse) (Identity, error) {
	c, ok := parseClaims(res.IDToken)
	if !ok {
		c, _ = parseClaims(res.AccessToken)
		return c.identity(), nil
	}
	if f.nonce != "" && c.Nonce != "" && c.Nonce != f.nonce {
		return Identity{}, hint.New(hint.Refused, "The answer belongs to another sign-in.", "Sign in again.")
	}
	if !f.Preset.IsIssuer(c.Issuer, f.Issuer) || !c.isFor(f.Registration.ClientID) {
		return Identity{}, nil
	}
	return c.identity(), nil
}

func (c claims) identity() Identity {
	return Identity{Subject: display(c.Subject), Name: display(c.Name), Email: display(c.Email), Username: display(c.Username)}
}

// isFor reports whether aud, a string or a list, names client.
func (c claims) isFor(client string) bool {
	var one string
	var many []string
	if json.Unmarshal(c.Audience, &one) == nil {
		return one == client
	}
	return json.Unmarshal(c.Audience, &many) == nil && slices.Contains(many, client)
}

// parseClaims reads the claims of a JWT (RFC 7519 section 7.2) without checking
// its signature.
func parseClaims(v secret.Value) (c claims, ok bool) {
	parts := strings.Split(v.Reveal(), ".")
	if len(parts) != 3 {
		return claims{}, false
	}
	body, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(body, &c) != nil {
		return claims{}, false
	}
	return c, true
}

// display makes a text from outside fit for a window: printable, 200 characters
// at most.
func display(s string) string {
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s))
	return string(r[:min(len(r), 200)])
}
