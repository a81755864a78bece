package fakegoogle

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	jwtBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	assertionLife = time.Hour       // the longest that is taken
	clockLeeway   = 5 * time.Minute // how far an assertion may lie in the future or the past
)

// A refusal is an error answer (RFC 6749 section 5.2).
type refusal struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
	status      int
}

func refuse(code, format string, args ...any) *refusal {
	return &refusal{Code: code, Description: fmt.Sprintf(format, args...), status: http.StatusBadRequest}
}

// badTime is what Google says of an assertion whose iat or exp does not fit.
var badTime = refuse("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")

// serveToken is the token endpoint.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	s.count(func(c *Counts) { c.Token++ })
	if s.opts.TokenPause != nil {
		s.opts.TokenPause()
	}
	if f, ok := s.nextFailure(); ok {
		f.send(w)
		return
	}
	claims, no := s.assertion(r)
	if no == nil {
		var answer any
		if answer, no = s.answer(claims); no == nil {
			w.Header().Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
			writeJSON(w, http.StatusOK, answer)
			return
		}
	}
	s.count(func(c *Counts) { c.Refused++ })
	writeJSON(w, no.status, no)
}

// send answers with the failure.
func (f Failure) send(w http.ResponseWriter) {
	if f.Status == 0 {
		panic(http.ErrAbortHandler) // the documented way to cut a connection
	}
	w.Header().Set("Content-Type", "application/json")
	maps.Copy(w.Header(), f.Header)
	w.WriteHeader(f.Status)
	io.WriteString(w, f.Body)
}

// form checks the shape of the request and returns the assertion.
func form(r *http.Request) (string, *refusal) {
	if r.Method != http.MethodPost {
		return "", &refusal{Code: "invalid_request", Description: "Method Not Allowed", status: http.StatusMethodNotAllowed}
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return "", refuse("invalid_request", "Content-Type must be application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
		return "", refuse("invalid_request", "Unexpected query, Authorization or Cookie")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 64<<10))
	if err != nil {
		return "", refuse("invalid_request", "Bad Request")
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return "", refuse("invalid_request", "Bad Request")
	}
	for name, values := range fields {
		if len(values) != 1 || name != "grant_type" && name != "assertion" {
			return "", refuse("invalid_request", "Unexpected or repeated parameter: %s", name)
		}
	}
	switch grant := fields.Get("grant_type"); {
	case grant == "":
		return "", refuse("invalid_request", "Required parameter is missing: grant_type")
	case grant != jwtBearer:
		return "", refuse("unsupported_grant_type", "Invalid grant_type: %s", grant)
	case fields.Get("assertion") == "":
		return "", refuse("invalid_request", "Required parameter is missing: assertion")
	}
	return fields.Get("assertion"), nil
}

// assertion verifies the request's assertion and returns its claims.
func (s *Server) assertion(r *http.Request) (jwt.MapClaims, *refusal) {
	text, no := form(r)
	if no != nil {
		return nil, no
	}
	var keyID string
	var claims jwt.MapClaims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(text, &claims, func(t *jwt.Token) (any, error) {
		keyID, _ = t.Header["kid"].(string)
		s.mu.Lock()
		defer s.mu.Unlock()
		if key := s.accounts[keyID]; key != nil {
			return key, nil
		}
		return nil, errors.New("no such key")
	})
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, refuse("invalid_grant", "Invalid JWT: Failed to decode")
	case err != nil:
		return nil, refuse("invalid_grant", "Invalid JWT Signature.")
	}
	s.mu.Lock()
	email := s.emails[keyID]
	disabled := s.disabled[email]
	s.mu.Unlock()
	switch iss, _ := claims.GetIssuer(); {
	case iss != email || disabled:
		return nil, refuse("invalid_grant", "Invalid grant: account not found")
	case claims["aud"] != s.TokenURI():
		return nil, refuse("invalid_grant", "Invalid JWT: Failed audience check. The right audience is %s", s.TokenURI())
	case !s.timely(claims):
		return nil, badTime
	}
	return claims, nil
}

// timely reports whether iat and exp fit the server's clock and each other.
func (s *Server) timely(claims jwt.MapClaims) bool {
	iat, err1 := claims.GetIssuedAt()
	exp, err2 := claims.GetExpirationTime()
	if err1 != nil || err2 != nil || iat == nil || exp == nil {
		return false
	}
	now := s.opts.Now()
	return exp.Sub(iat.Time) <= assertionLife && exp.After(iat.Time) &&
		iat.Before(now.Add(clockLeeway)) && exp.After(now)
}

// answer makes the token that the claims ask for: scope or target_audience.
func (s *Server) answer(claims jwt.MapClaims) (any, *refusal) {
	scope, _ := claims["scope"].(string)
	audience, _ := claims["target_audience"].(string)
	email, _ := claims.GetIssuer()
	switch {
	case claims["sub"] != nil && claims["sub"] != email:
		return nil, &refusal{Code: "unauthorized_client", status: http.StatusUnauthorized,
			Description: "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."}
	case (scope == "") == (audience == ""):
		return nil, refuse("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
	case audience != "":
		return s.idToken(email, audience)
	}
	return s.accessToken(email, strings.Fields(scope))
}

// idToken answers as for target_audience: an ID token and nothing else.
func (s *Server) idToken(email, audience string) (any, *refusal) {
	now := s.opts.Now()
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": Issuer, "aud": audience, "azp": email, "sub": "100000000000000000001",
		"email": email, "email_verified": true,
		"iat": now.Unix(), "exp": now.Add(s.opts.Life).Unix(),
	})
	t.Header["kid"] = s.keys[0].id
	signed, err := t.SignedString(s.keys[0].private)
	if err != nil {
		return nil, &refusal{Code: "internal_failure", Description: "Backend Error", status: http.StatusInternalServerError}
	}
	s.count(func(c *Counts) { c.IDToken++ })
	return map[string]string{"id_token": signed}, nil
}

// accessToken answers as for scope: an opaque token.
func (s *Server) accessToken(email string, scopes []string) (any, *refusal) {
	for _, scope := range scopes {
		if !s.knownScope(scope) {
			return nil, refuse("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
		}
	}
	token := "ya29.fake-SECRETWORD-" + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = Access{Email: email, Scopes: scopes, Expiry: s.opts.Now().Add(s.opts.Life)}
	s.counts.AccessToken++
	return map[string]any{"access_token": token, "expires_in": int64(s.opts.Life / time.Second), "token_type": "Bearer"}, nil
}

func (s *Server) knownScope(scope string) bool {
	if s.opts.Scopes != nil {
		return slices.Contains(s.opts.Scopes, scope)
	}
	return strings.HasPrefix(scope, "https://") || scope == "openid" || scope == "email" || scope == "profile"
}
