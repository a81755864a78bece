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
	answer, no := s.grant(r)
	if no == nil {
		w.Header().Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
		writeJSON(w, http.StatusOK, answer)
		return
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

// grant answers a request of one of the grants.
func (s *Server) grant(r *http.Request) (any, *refusal) {
	fields, no := form(r)
	if no != nil {
		return nil, no
	}
	switch grant := fields.Get("grant_type"); grant {
	case jwtBearer:
		if no := only(fields, "assertion"); no != nil {
			return nil, no
		}
		claims, no := s.assertion(fields.Get("assertion"), r.TLS != nil)
		if no != nil {
			return nil, no
		}
		return s.answer(claims)
	case "refresh_token":
		return s.refresh(fields)
	case "authorization_code":
		return s.redeem(fields)
	case "":
		return nil, refuse("invalid_request", "Required parameter is missing: grant_type")
	default:
		return nil, refuse("unsupported_grant_type", "Invalid grant_type: %s", grant)
	}
}

// only refuses parameters beside grant_type and those named, and missing ones.
func only(fields url.Values, names ...string) *refusal {
	for name := range fields {
		if name != "grant_type" && !slices.Contains(names, name) {
			return refuse("invalid_request", "Unexpected or repeated parameter: %s", name)
		}
	}
	for _, name := range names {
		if fields.Get(name) == "" {
			return refuse("invalid_request", "Required parameter is missing: %s", name)
		}
	}
	return nil
}

// form checks the shape of the request and returns its parameters, each there
// once.
func form(r *http.Request) (url.Values, *refusal) {
	if r.Method != http.MethodPost {
		return nil, &refusal{Code: "invalid_request", Description: "Method Not Allowed", status: http.StatusMethodNotAllowed}
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return nil, refuse("invalid_request", "Content-Type must be application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
		return nil, refuse("invalid_request", "Unexpected query, Authorization or Cookie")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 64<<10))
	if err != nil {
		return nil, refuse("invalid_request", "Bad Request")
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, refuse("invalid_request", "Bad Request")
	}
	for name, values := range fields {
		if len(values) != 1 {
			return nil, refuse("invalid_request", "Unexpected or repeated parameter: %s", name)
		}
	}
	return fields, nil
}

// assertion verifies an assertion and returns its claims. google says that it was
// sent to Google's own address.
func (s *Server) assertion(text string, google bool) (jwt.MapClaims, *refusal) {
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
	right := s.TokenURI()
	if google {
		right = googleTokenURI
	}
	switch iss, _ := claims.GetIssuer(); {
	case iss != email || disabled:
		return nil, refuse("invalid_grant", "Invalid grant: account not found")
	case claims["aud"] != right:
		return nil, refuse("invalid_grant", "Invalid JWT: Failed audience check. The right audience is %s", right)
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
		signed, no := s.idToken(email, audience, true)
		if no != nil {
			return nil, no
		}
		return map[string]string{"id_token": signed}, nil
	}
	value, no := s.accessToken(Access{Email: email, Scopes: strings.Fields(scope), Consumer: projectOf(email)}, s.opts.Life)
	if no != nil {
		return nil, no
	}
	return map[string]any{"access_token": value, "expires_in": int64(s.opts.Life / time.Second), "token_type": "Bearer"}, nil
}

// idToken makes an ID token of a service account.
func (s *Server) idToken(email, audience string, withEmail bool) (string, *refusal) {
	now := s.opts.Now()
	claims := jwt.MapClaims{
		"iss": Issuer, "aud": audience, "azp": email, "sub": "100000000000000000001",
		"iat": now.Unix(), "exp": now.Add(s.opts.Life).Unix(),
	}
	if withEmail {
		claims["email"], claims["email_verified"] = email, true
	}
	signed, no := s.signed(claims)
	if no == nil {
		s.count(func(c *Counts) { c.IDToken++ })
	}
	return signed, no
}

func (s *Server) signed(claims jwt.MapClaims) (string, *refusal) {
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	t.Header["kid"] = s.keys[0].id
	signed, err := t.SignedString(s.keys[0].private)
	if err != nil {
		return "", &refusal{Code: "internal_failure", Description: "Backend Error", status: http.StatusInternalServerError}
	}
	return signed, nil
}

// accessToken makes an opaque token.
func (s *Server) accessToken(a Access, life time.Duration) (string, *refusal) {
	for _, scope := range a.Scopes {
		if !s.knownScope(scope) {
			return "", refuse("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
		}
	}
	value := "ya29.fake-SECRETWORD-" + rand.Text()
	a.Expiry = s.opts.Now().Add(life)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[value] = a
	s.counts.AccessToken++
	return value, nil
}

func (s *Server) knownScope(scope string) bool {
	if s.opts.Scopes != nil {
		return slices.Contains(s.opts.Scopes, scope)
	}
	return strings.HasPrefix(scope, "https://") || scope == "openid" || scope == "email" || scope == "profile"
}
