package fakeas

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

const keyID = "fakeas-1"

// signingKey is made once in a process: it takes a noticeable time.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return key
})

// accessToken returns a JWT access token (RFC 9068 section 2).
func (s *Server) accessToken(g *grant) (string, error) {
	now := s.o.Now()
	claims := jwt.MapClaims{
		"iss": s.Issuer(), "sub": g.user, "client_id": g.client.ID,
		"iat": now.Unix(), "exp": now.Add(s.o.AccessLife).Unix(), "jti": rand.Text(),
		"scope": strings.Join(g.scopes, " "), "sid": g.family,
	}
	if g.resource != "" {
		claims["aud"] = g.resource
	}
	if g.jkt != "" {
		claims["cnf"] = map[string]any{"jkt": g.jkt}
	}
	if s.o.TokenForm == Opaque {
		value := "SECRETWORD-opaque-" + rand.Text()
		s.mu.Lock()
		s.opaque[value] = claims
		s.mu.Unlock()
		return value, nil
	}
	if s.o.TokenForm == JWE || s.o.AudienceParam && g.resource == "" {
		header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM","iss":"` + s.Issuer() + `"}`))
		return header + ".." + rand.Text() + "." + base64.RawURLEncoding.EncodeToString([]byte("SECRETWORD-encrypted"+rand.Text())) + "." + rand.Text(), nil
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	t.Header["typ"], t.Header["kid"] = "at+jwt", keyID
	return t.SignedString(s.key)
}

// idToken returns an ID token (OpenID Connect Core section 2).
func (s *Server) idToken(g *grant) (string, error) {
	now := s.o.Now()
	claims := jwt.MapClaims{
		"iss": s.Issuer(), "sub": g.user, "aud": g.client.ID, "iat": now.Unix(), "exp": now.Add(s.o.AccessLife).Unix(),
		"name": g.user, "email": email(g.user), "email_verified": true,
	}
	if s.o.IDTokenIssuer != "" {
		claims["iss"] = s.o.IDTokenIssuer
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	t.Header["kid"] = keyID
	return t.SignedString(s.key)
}

func email(user string) string {
	if strings.Contains(user, "@") {
		return user
	}
	return user + "@example.com"
}

// Verify checks an access token as the server of a resource has to: signature,
// issuer, audience, expiry, and that its grant has not been revoked. It returns
// the claims.
func (s *Server) Verify(token, resource string) (map[string]any, error) {
	s.mu.Lock()
	claims := s.opaque[token] // looked up, not read: it names no audience
	s.mu.Unlock()
	if claims == nil {
		var err error
		if claims, err = s.parse(token, jwt.WithAudience(resource)); err != nil {
			return nil, err
		}
	}
	family, _ := claims["sid"].(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revoked[family] {
		return nil, errors.New("the grant of the token has ended")
	}
	return claims, nil
}

func (s *Server) parse(token string, more ...jwt.ParserOption) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	o := append([]jwt.ParserOption{
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(s.Issuer()),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.o.Now),
	}, more...)
	t, err := jwt.NewParser(o...).ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return &s.key.PublicKey, nil })
	if err != nil {
		return nil, err
	}
	if t.Header["typ"] != "at+jwt" {
		return nil, errors.New("it is not an access token")
	}
	return claims, nil
}

// jwks publishes the key (RFC 7517 section 5).
func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	pub := s.key.PublicKey
	writeJSON(w, http.StatusOK, map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID,
		"n": base64.RawURLEncoding.EncodeToString(pub.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(pub.E)).Bytes()),
	}}})
}
