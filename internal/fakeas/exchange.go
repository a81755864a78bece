package fakeas

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	exchangeGrant  = "urn:ietf:params:oauth:grant-type:token-exchange"
	jwtBearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// assertion is the JWT bearer grant (RFC 7523 section 2.1). Who the assertion
// speaks for is up to Options.Assertion.
func (s *Server) assertion(client *Client, form url.Values) (g *grant, code, description string) {
	scopes := strings.Fields(form.Get("scope"))
	if !scopesWithin(scopes, s.allowed(client)) {
		return nil, "invalid_scope", "the scope is not known or not allowed"
	}
	if len(scopes) == 0 {
		scopes = s.o.DefaultScopes
	}
	user, problem := s.o.Assertion(form.Get("assertion"))
	if problem != "" {
		return nil, "invalid_grant", problem
	}
	return &grant{client: client, family: rand.Text(), resource: form.Get("resource"), user: user, scopes: scopes}, "", ""
}

// exchange is RFC 8693 section 2 for ID-JAGs: the person's ID token of this
// server becomes an assertion for another one. It answers itself.
func (s *Server) exchange(w http.ResponseWriter, form url.Values) {
	const idJAG = "urn:ietf:params:oauth:token-type:id-jag"
	switch {
	case form.Get("requested_token_type") != idJAG || form.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:id_token" ||
		form.Get("audience") == "" || form.Get("resource") == "":
		s.oauthError(w, http.StatusBadRequest, "invalid_request", "requested_token_type, subject_token_type, audience and resource are required")
		return
	case !slices.Contains(s.o.SubjectTokens, form.Get("subject_token")):
		s.oauthError(w, http.StatusBadRequest, "invalid_grant", "the subject token is not valid")
		return
	}
	jag := "SECRETWORD." + rand.Text() + ".jag"
	writeJSON(w, http.StatusOK, map[string]any{"access_token": jag, "issued_token_type": idJAG, "token_type": "N_A", "expires_in": 300})
}
