package fakeas

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A refreshToken belongs to a family: all that came from one sign-in. One that
// comes a second time ends its family (RFC 9700 section 4.14.2).
type refreshToken struct {
	family, client, resource, user string
	scopes                         []string
	used                           bool
	jkt                            string // thumbprint of the DPoP key it is bound to
	previous                       string // the refresh token that it replaces
}

// A grant is what a token is issued for.
type grant struct {
	client                        *Client
	family, resource, user, nonce string
	scopes                        []string
	refresh                       bool   // issue a refresh token
	jkt                           string // thumbprint of the DPoP key
	previous                      string // the refresh token that was redeemed
}

// form reads the form of a POST, strictly; it answers itself if there is none.
func (s *Server) form(w http.ResponseWriter, r *http.Request) url.Values {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		s.oauthError(w, http.StatusMethodNotAllowed, "invalid_request", "the method has to be POST")
		return nil
	case kind != "application/x-www-form-urlencoded" || r.ParseForm() != nil:
		s.oauthError(w, http.StatusBadRequest, "invalid_request", "the body has to be a form")
		return nil
	case r.URL.RawQuery != "":
		s.oauthError(w, http.StatusBadRequest, "invalid_request", "parameters belong into the body")
		return nil
	}
	for name, values := range r.PostForm {
		if len(values) > 1 && name != "resource" {
			s.oauthError(w, http.StatusBadRequest, "invalid_request", "a parameter is repeated")
			return nil
		}
	}
	return r.PostForm
}

// clientForm reads the form of a client that authenticates itself; nil if there is
// something wrong with it, which is answered then.
func (s *Server) clientForm(w http.ResponseWriter, r *http.Request) (*Client, url.Values) {
	form := s.form(w, r)
	if form == nil {
		return nil, nil
	}
	client, problem := s.authenticate(r, form)
	if problem != "" {
		s.oauthError(w, http.StatusUnauthorized, "invalid_client", problem)
		return nil, nil
	}
	return client, form
}

// token is the token endpoint (RFC 6749 section 3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	client, form := s.clientForm(w, r)
	if client == nil {
		return
	}
	jkt, problem, description := s.checkDPoP(w, r)
	if problem != "" {
		s.oauthError(w, http.StatusBadRequest, problem, description)
		return
	}
	if s.o.CheckToken != nil {
		if code, description := s.o.CheckToken(form); code != "" {
			s.oauthError(w, http.StatusBadRequest, code, description)
			return
		}
	}
	kind := form.Get("grant_type")
	var g *grant
	var code string
	switch kind {
	case exchangeGrant, jwtBearerGrant:
		if kind == exchangeGrant && s.o.SubjectTokens != nil {
			s.exchange(w, form)
			return
		}
		if kind == exchangeGrant || s.o.Assertion == nil {
			s.oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "the grant_type is not offered")
			return
		}
	case "authorization_code", "refresh_token", "client_credentials", deviceGrant:
		if !slices.Contains(client.GrantTypes, kind) {
			s.oauthError(w, http.StatusBadRequest, "unauthorized_client", "the client may not use this grant")
			return
		}
	case "":
		s.oauthError(w, http.StatusBadRequest, "invalid_request", "grant_type is required")
		return
	default:
		s.oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "the grant_type is not known")
		return
	}
	if code, description = s.checkResource(form["resource"]); code == "" {
		switch kind {
		case "authorization_code":
			g, code, description = s.redeemCode(client, form, jkt)
		case "refresh_token":
			g, code, description = s.redeemRefresh(client, form, jkt)
		case deviceGrant:
			g, code, description = s.redeemDevice(client, form)
		case jwtBearerGrant:
			g, code, description = s.assertion(client, form)
		case "client_credentials":
			g, code, description = s.clientCredentials(client, form)
		}
	}
	if code != "" {
		s.oauthError(w, http.StatusBadRequest, code, description)
		return
	}
	g.jkt = jkt
	s.answer(w, g)
}

func (s *Server) redeemCode(client *Client, form url.Values, jkt string) (g *grant, code, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.codes[form.Get("code")]
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case c == nil || c.client != client.ID || !s.o.Now().Before(c.expiry):
		return nil, "invalid_grant", "the code is not known or has expired"
	case c.used:
		s.revoked[c.family] = true
		return nil, "invalid_grant", "the code was used before"
	case form.Get("redirect_uri") != c.redirectURI:
		return nil, "invalid_grant", "redirect_uri is another one than before"
	case len(form.Get("code_verifier")) < 43 || base64.RawURLEncoding.EncodeToString(sum[:]) != c.challenge:
		return nil, "invalid_grant", "code_verifier does not fit"
	case !s.sameResource(form, c.resource):
		return nil, "invalid_target", "the resource is another one than before"
	case c.jkt != "" && c.jkt != jkt:
		return nil, "invalid_grant", "the code is bound to another key"
	}
	c.used = true
	s.counters.CodesUsed++
	return &grant{client: client, family: c.family, resource: c.resource, user: c.user, nonce: c.nonce, scopes: c.scopes,
		refresh: !s.o.NoRefresh && c.offline && slices.Contains(client.GrantTypes, "refresh_token")}, "", ""
}

// sameResource reports whether a token request is for what was authorized.
func (s *Server) sameResource(form url.Values, authorized string) bool {
	return s.o.AudienceParam || s.o.IgnoreResource || form.Get("resource") == authorized
}

func (s *Server) redeemRefresh(client *Client, form url.Values, jkt string) (g *grant, code, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.refresh[form.Get("refresh_token")]
	switch {
	case t == nil || t.client != client.ID || s.revoked[t.family]:
		return nil, "invalid_grant", "the refresh token is not known or has ended"
	case t.used:
		s.counters.Reused++
		s.revoked[t.family] = true
		return nil, "invalid_grant", "the refresh token was used before"
	case !s.sameResource(form, t.resource):
		return nil, "invalid_target", "the resource is another one than before"
	case t.jkt != "" && t.jkt != jkt && client.AuthMethod == "none": // RFC 9449 section 5
		return nil, "invalid_grant", "the refresh token is bound to another key"
	}
	scopes := t.scopes
	if form.Has("scope") {
		if scopes = strings.Fields(form.Get("scope")); !scopesWithin(scopes, t.scopes) || len(scopes) == 0 {
			return nil, "invalid_scope", "the scope is wider than the grant"
		}
	}
	t.used = !s.o.KeepRefresh
	if s.o.KeepPrevious { // the first use of a token ends the one before it, and keeps this one
		if prev := s.refresh[t.previous]; prev != nil {
			prev.used = true
		}
		t.used = false
	}
	if s.o.Forget {
		delete(s.refresh, form.Get("refresh_token"))
	}
	s.counters.Refreshed++
	return &grant{client: client, family: t.family, resource: t.resource, user: t.user, scopes: scopes, refresh: !s.o.KeepRefresh, previous: form.Get("refresh_token")}, "", ""
}

func (s *Server) clientCredentials(client *Client, form url.Values) (g *grant, code, description string) {
	scopes := strings.Fields(form.Get("scope"))
	switch {
	case client.AuthMethod == "none":
		return nil, "unauthorized_client", "only confidential clients may use client credentials"
	case !scopesWithin(scopes, s.allowed(client)):
		return nil, "invalid_scope", "the scope is not known or not allowed"
	case len(scopes) == 0:
		scopes = s.o.DefaultScopes
	}
	return &grant{client: client, family: rand.Text(), resource: form.Get("resource"), user: client.ID, scopes: scopes}, "", ""
}

// answer issues the tokens (RFC 6749 section 5.1).
func (s *Server) answer(w http.ResponseWriter, g *grant) {
	access, err := s.accessToken(g)
	if err != nil {
		s.oauthError(w, http.StatusInternalServerError, "server_error", "the token could not be signed")
		return
	}
	res := map[string]any{
		"access_token": access, "token_type": "Bearer",
		"expires_in": int64(s.o.AccessLife / time.Second), "scope": strings.Join(g.scopes, " "),
	}
	if g.jkt != "" {
		res["token_type"] = "DPoP"
	}
	if g.refresh {
		value := "SECRETWORD-refresh-" + rand.Text()
		s.mu.Lock()
		s.refresh[value] = &refreshToken{family: g.family, client: g.client.ID, resource: g.resource, user: g.user, scopes: g.scopes, jkt: g.jkt, previous: g.previous}
		s.mu.Unlock()
		res["refresh_token"] = value
	}
	if slices.Contains(g.scopes, "openid") {
		if res["id_token"], err = s.idToken(g); err != nil {
			s.oauthError(w, http.StatusInternalServerError, "server_error", "the token could not be signed")
			return
		}
	}
	if s.o.EditToken != nil {
		s.o.EditToken(res)
	}
	if s.o.FormAnswers {
		v := url.Values{}
		for name, value := range res {
			v.Set(name, fmt.Sprint(value))
		}
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		_, _ = io.WriteString(w, v.Encode()) // the client left; nobody to tell
		return
	}
	writeJSON(w, http.StatusOK, res)
}

// revoke is the revocation endpoint (RFC 7009 section 2).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	client, form := s.clientForm(w, r)
	if client == nil {
		return
	}
	value := form.Get("token")
	if value == "" {
		s.oauthError(w, http.StatusBadRequest, "invalid_request", "token is required")
		return
	}
	claims, _ := s.parse(value) // not one of ours: nothing to end, which is success
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.refresh[value]; t != nil && t.client == client.ID {
		s.revoked[t.family] = true
	}
	if family, ok := claims["sid"].(string); ok && claims["client_id"] == client.ID {
		s.revoked[family] = true
	}
	w.WriteHeader(http.StatusOK)
}
