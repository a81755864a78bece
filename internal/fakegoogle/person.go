package fakegoogle

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A grantOf is what a person's sign-in gave.
type grantOf struct {
	email, client string
	scopes        []string
}

// A codeOf is an authorization code that was not redeemed yet.
type codeOf struct {
	grantOf
	redirect, challenge, nonce string
}

// serveAuth is the page to sign in at. The person agrees at once.
func (s *Server) serveAuth(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	redirect, err := url.Parse(q.Get("redirect_uri"))
	s.mu.Lock()
	_, client := s.world.clients[q.Get("client_id")]
	person := s.world.person
	s.mu.Unlock()
	scopes := strings.Fields(q.Get("scope"))
	switch {
	case !client:
		http.Error(w, "Error 401: invalid_client. The OAuth client was not found.", http.StatusUnauthorized)
		return
	case err != nil || redirect.Scheme != "http" || redirect.Hostname() != "127.0.0.1" && redirect.Hostname() != "localhost":
		http.Error(w, "Error 400: redirect_uri_mismatch", http.StatusBadRequest)
		return
	case q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43:
		http.Error(w, "Error 400: invalid_request", http.StatusBadRequest)
		return
	case q.Get("access_type") != "offline" || q.Get("prompt") == "":
		http.Error(w, "Error 400: invalid_request. No refresh token would come of this.", http.StatusBadRequest)
		return
	case q.Has("resource") || q.Get("state") == "" || len(scopes) == 0 || slices.ContainsFunc(scopes, func(sc string) bool { return !s.knownScope(sc) }):
		http.Error(w, "Error 400: invalid_scope", http.StatusBadRequest)
		return
	}
	code := "4/SECRETWORD-" + rand.Text()
	s.change(func(w *world) {
		w.codes[code] = codeOf{grantOf{person, q.Get("client_id"), scopes}, q.Get("redirect_uri"), q.Get("code_challenge"), q.Get("nonce")}
	})
	back := redirect.Query()
	back.Set("state", q.Get("state"))
	back.Set("code", code)
	back.Set("scope", q.Get("scope"))
	redirect.RawQuery = back.Encode()
	http.Redirect(w, r, redirect.String(), http.StatusFound)
}

// client checks the client's id and secret, which stand in the form.
func (s *Server) client(fields url.Values) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	secret, ok := s.world.clients[fields.Get("client_id")]
	switch {
	case !ok:
		return &refusal{Code: "invalid_client", Description: "The OAuth client was not found.", status: http.StatusUnauthorized}
	case fields.Get("client_secret") != secret:
		return &refusal{Code: "invalid_client", Description: "Unauthorized", status: http.StatusUnauthorized}
	}
	return nil
}

// redeem is the authorization code grant with PKCE.
func (s *Server) redeem(fields url.Values) (any, *refusal) {
	if no := only(fields, "code", "redirect_uri", "code_verifier", "client_id", "client_secret"); no != nil {
		return nil, no
	}
	if no := s.client(fields); no != nil {
		return nil, no
	}
	s.mu.Lock()
	c, ok := s.world.codes[fields.Get("code")]
	delete(s.world.codes, fields.Get("code"))
	s.mu.Unlock()
	sum := sha256.Sum256([]byte(fields.Get("code_verifier")))
	switch {
	case !ok || c.client != fields.Get("client_id") || c.redirect != fields.Get("redirect_uri"):
		return nil, refuse("invalid_grant", "Bad Request")
	case base64.RawURLEncoding.EncodeToString(sum[:]) != c.challenge:
		return nil, refuse("invalid_grant", "Invalid code verifier.")
	}
	refresh := "1//SECRETWORD-" + rand.Text()
	s.change(func(w *world) { w.grants[refresh] = c.grantOf })
	answer, no := s.personTokens(c.grantOf, c.nonce)
	if no != nil {
		return nil, no
	}
	answer["refresh_token"] = refresh
	s.count(func(n *Counts) { n.SignedIn++ })
	return answer, nil
}

// refresh is the refresh token grant; Google does not rotate.
func (s *Server) refresh(fields url.Values) (any, *refusal) {
	if no := only(fields, "refresh_token", "client_id", "client_secret"); no != nil {
		return nil, no
	}
	if no := s.client(fields); no != nil {
		return nil, no
	}
	s.mu.Lock()
	g, ok := s.world.grants[fields.Get("refresh_token")]
	s.mu.Unlock()
	if !ok || g.client != fields.Get("client_id") {
		return nil, refuse("invalid_grant", "Token has been expired or revoked.")
	}
	s.count(func(n *Counts) { n.Refreshed++ })
	answer, no := s.personTokens(g, "")
	return answer, no
}

// personTokens are the tokens of a person.
func (s *Server) personTokens(g grantOf, nonce string) (map[string]any, *refusal) {
	project, _, _ := strings.Cut(g.client, "-")
	value, no := s.accessToken(Access{Email: g.email, Scopes: g.scopes, Consumer: project}, s.opts.Life)
	if no != nil {
		return nil, no
	}
	answer := map[string]any{"access_token": value, "expires_in": int64(s.opts.Life / time.Second), "token_type": "Bearer", "scope": strings.Join(g.scopes, " ")}
	if !slices.Contains(g.scopes, "openid") {
		return answer, nil
	}
	now := s.opts.Now()
	claims := jwt.MapClaims{"iss": Issuer, "aud": g.client, "azp": g.client, "sub": "200000000000000000002", "iat": now.Unix(), "exp": now.Add(s.opts.Life).Unix()}
	if slices.Contains(g.scopes, "email") {
		claims["email"], claims["email_verified"] = g.email, true
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	signed, no := s.signed(claims)
	answer["id_token"] = signed
	return answer, no
}

// serveRevoke is RFC 7009.
func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	token := r.PostFormValue("token")
	s.mu.Lock()
	_, grant := s.world.grants[token]
	_, access := s.tokens[token]
	delete(s.world.grants, token)
	delete(s.tokens, token)
	s.mu.Unlock()
	if !grant && !access {
		writeJSON(w, http.StatusBadRequest, refuse("invalid_token", "Token expired or revoked"))
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{})
}

// NewUserCredentials returns the application-default credentials of a person, as
// gcloud writes them. quotaProject may be empty.
func (s *Server) NewUserCredentials(email, quotaProject string) ([]byte, error) {
	client, refresh := gcloudProject+"-fake.apps.googleusercontent.com", "1//SECRETWORD-adc-"+rand.Text()
	s.NewClient(client, "d-SECRETWORD")
	s.change(func(w *world) {
		w.grants[refresh] = grantOf{email, client, []string{"openid", "email", "https://www.googleapis.com/auth/cloud-platform"}}
	})
	file := map[string]string{"type": "authorized_user", "account": email, "client_id": client, "client_secret": "d-SECRETWORD", "refresh_token": refresh, "universe_domain": "googleapis.com"}
	if quotaProject != "" {
		file["quota_project_id"] = quotaProject
	}
	return json.MarshalIndent(file, "", "  ")
}
