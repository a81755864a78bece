package fakeas

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// authenticate finds the client of a request and checks that it authenticates
// itself with the method it is registered for, and with no other (RFC 6749
// section 2.3).
func (s *Server) authenticate(r *http.Request, form url.Values) (client *Client, problem string) {
	basicID, basicSecret, hasBasic := r.BasicAuth()
	method, id, secret := "none", form.Get("client_id"), ""
	methods := 0
	if hasBasic {
		var err1, err2 error
		basicID, err1 = url.QueryUnescape(basicID)
		basicSecret, err2 = url.QueryUnescape(basicSecret)
		if err1 != nil || err2 != nil || id != "" && id != basicID {
			return nil, "the client's authentication is malformed"
		}
		method, id, secret = "client_secret_basic", basicID, basicSecret
		methods++
	} else if r.Header.Get("Authorization") != "" {
		return nil, "the scheme of the client's authentication is not known"
	}
	if form.Has("client_secret") {
		method, secret = "client_secret_post", form.Get("client_secret")
		methods++
	}
	if form.Has("client_assertion") {
		method = "private_key_jwt"
		methods++
		if id == "" {
			id = unverifiedIssuer(form.Get("client_assertion"))
		}
	}
	if methods > 1 {
		return nil, "the client uses more than one method of authentication"
	}
	c := s.client(id)
	if c == nil {
		return nil, "the client is not known"
	}
	if c.AuthMethod != method {
		return nil, "the client is registered for another method of authentication"
	}
	switch method {
	case "client_secret_basic", "client_secret_post":
		if subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) != 1 {
			return nil, "the client's authentication failed"
		}
	case "private_key_jwt":
		if problem := s.checkAssertion(c, form); problem != "" {
			return nil, problem
		}
	}
	return c, ""
}

// unverifiedIssuer reads iss of an assertion whose client_id is not sent beside it.
func unverifiedIssuer(assertion string) string {
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(assertion, claims); err != nil {
		return ""
	}
	iss, _ := claims["iss"].(string)
	return iss
}

// checkAssertion checks a client assertion (RFC 7523 section 3): our issuer as
// its audience, five minutes of life at most, used once.
func (s *Server) checkAssertion(c *Client, form url.Values) (problem string) {
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return "the client_assertion_type is not known"
	}
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}),
		jwt.WithIssuer(c.ID), jwt.WithSubject(c.ID), jwt.WithAudience(s.Issuer()),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.o.Now),
	).ParseWithClaims(form.Get("client_assertion"), claims, func(*jwt.Token) (any, error) { return c.Key, nil })
	if err != nil {
		return "the client assertion is not valid"
	}
	exp, err := claims.GetExpirationTime()
	jti, _ := claims["jti"].(string)
	if err != nil || exp.After(s.o.Now().Add(5*time.Minute)) || jti == "" {
		return "the client assertion lives too long or has no jti"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.usedJTI[c.ID+" "+jti] {
		return "the client assertion was used before"
	}
	s.usedJTI[c.ID+" "+jti] = true
	return ""
}

// register is the registration endpoint (RFC 7591 section 3).
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var m struct {
		RedirectURIs    []string `json:"redirect_uris"`
		ApplicationType string   `json:"application_type"`
		AuthMethod      *string  `json:"token_endpoint_auth_method"`
		GrantTypes      []string `json:"grant_types"`
		ResponseTypes   []string `json:"response_types"`
		ClientName      string   `json:"client_name"`
		Scope           string   `json:"scope"`
	}
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&m) != nil {
		s.oauthError(w, http.StatusBadRequest, "invalid_client_metadata", "the body has to be a JSON object")
		return
	}
	method := "client_secret_basic" // RFC 7591 section 2
	if m.AuthMethod != nil {
		method = *m.AuthMethod
	}
	if s.o.RegisterMethod != "" {
		method = s.o.RegisterMethod
	}
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{"authorization_code"}
	}
	if !slices.Contains(s.o.AuthMethods, method) || method == "private_key_jwt" {
		s.oauthError(w, http.StatusBadRequest, "invalid_client_metadata", "the token_endpoint_auth_method is not supported")
		return
	}
	if len(m.RedirectURIs) == 0 || !slices.ContainsFunc(m.RedirectURIs, func(u string) bool { return redirectAllowed(u, m.ApplicationType) }) {
		s.oauthError(w, http.StatusBadRequest, "invalid_redirect_uri", "a redirect URI has to be https, or loopback for a native application")
		return
	}
	if !scopesWithin(strings.Fields(m.Scope), s.o.Scopes) {
		s.oauthError(w, http.StatusBadRequest, "invalid_client_metadata", "the scope is not known")
		return
	}
	c := Client{ID: "client-" + rand.Text(), AuthMethod: method, RedirectURIs: m.RedirectURIs, GrantTypes: m.GrantTypes, Scopes: strings.Fields(m.Scope)}
	c.token = "SECRETWORD-registration-" + rand.Text()
	res := map[string]any{
		"client_id": c.ID, "client_id_issued_at": s.o.Now().Unix(), "client_name": m.ClientName,
		"redirect_uris": m.RedirectURIs, "grant_types": m.GrantTypes, "response_types": []string{"code"},
		"application_type": m.ApplicationType, "scope": m.Scope, "token_endpoint_auth_method": method,
		"registration_access_token": c.token,
		"registration_client_uri":   s.Issuer() + "/register/" + c.ID,
	}
	if method != "none" {
		c.Secret = "SECRETWORD-client+secret/" + rand.Text()
		res["client_secret"] = c.Secret
		res["client_secret_expires_at"] = 0
		if s.o.SecretLife > 0 {
			res["client_secret_expires_at"] = s.o.Now().Add(s.o.SecretLife).Unix()
		}
	}
	if s.o.ClientLife > 0 {
		c.expiry = s.o.Now().Add(s.o.ClientLife)
	}
	s.AddClient(c)
	writeJSON(w, http.StatusCreated, res)
}

// registered answers what a client is registered with (RFC 7592 section 2.1).
func (s *Server) registered(w http.ResponseWriter, r *http.Request) {
	c := s.client(r.PathValue("id"))
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c == nil || !ok || c.token == "" || subtle.ConstantTimeCompare([]byte(token), []byte(c.token)) != 1 {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"client_id": c.ID, "redirect_uris": c.RedirectURIs})
}

// redirectAllowed is OpenID Connect Registration section 2 on application_type.
func redirectAllowed(uri, application string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return false
	}
	loopback := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"
	if application == "native" {
		return loopback && u.Scheme == "http"
	}
	return u.Scheme == "https" && !loopback
}
