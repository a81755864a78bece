package fakeas

import (
	"crypto/rand"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A code is an authorization code (RFC 6749 section 4.1.2).
type code struct {
	client, redirectURI, challenge, resource, nonce, user, family string
	scopes                                                        []string
	jkt                                                           string // dpop_jkt of RFC 9449 section 10
	expiry                                                        time.Time
	used, offline                                                 bool
}

var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`) // an S256 challenge

// single are the parameters that may stand once only (RFC 6749 section 3.1).
var single = []string{"client_id", "redirect_uri", "response_type", "state", "scope", "code_challenge", "code_challenge_method", "nonce", "response_mode", "prompt"}

// authorize is the authorization endpoint: GET shows the page or, with
// AutoApprove, redirects at once; POST is the page's answer.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || r.Method != http.MethodGet && r.Method != http.MethodPost {
		http.Error(w, "invalid request", http.StatusBadRequest)
		return
	}
	if s.o.PushedOnly {
		q = s.pushedRequest(q)
	}
	client := s.client(q.Get("client_id"))
	if client == nil || !s.redirectKnown(client, q.Get("redirect_uri")) {
		// RFC 6749 section 4.1.2.1: the user is told, not redirected.
		http.Error(w, "unknown client_id, or a redirect_uri that is not registered", http.StatusBadRequest)
		return
	}
	if s.o.ScopeParam != "" {
		q.Set("scope", q.Get(s.o.ScopeParam))
	}
	if code, description := s.checkAuthorize(client, q); code != "" {
		s.redirect(w, r, q, url.Values{"error": {code}, "error_description": {description}})
		return
	}
	user := s.o.User
	switch {
	case r.Method == http.MethodPost && r.PostFormValue("decision") != "sign-in":
		s.redirect(w, r, q, url.Values{"error": {"access_denied"}, "error_description": {"the user said no"}})
		return
	case r.Method == http.MethodPost:
		if name := strings.TrimSpace(r.PostFormValue("user")); name != "" {
			user = name
		}
	case !s.o.AutoApprove:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_ = signInPage.Execute(w, map[string]any{
			"User": user, "Client": client.ID, "Resource": q.Get("resource"), "Scope": q.Get("scope"),
			"Action": r.URL.EscapedPath() + "?" + r.URL.RawQuery,
		})
		return
	}
	s.redirect(w, r, q, url.Values{"code": {s.newCode(client, q, user)}})
}

// checkAuthorize returns an error code of RFC 6749 section 4.1.2.1, or "".
func (s *Server) checkAuthorize(client *Client, q url.Values) (code, description string) {
	for _, name := range single {
		if len(q[name]) > 1 {
			return "invalid_request", name + " is repeated"
		}
	}
	switch {
	case !slices.Contains(client.GrantTypes, "authorization_code"):
		return "unauthorized_client", "the client may not use the authorization code grant"
	case q.Get("response_type") != "code":
		return "unsupported_response_type", "response_type has to be code"
	case q.Get("code_challenge") == "":
		return "invalid_request", "code_challenge is required"
	case q.Get("code_challenge_method") != "S256" || !challengeForm.MatchString(q.Get("code_challenge")):
		return "invalid_request", "code_challenge has to be of the method S256"
	case !scopesWithin(strings.Fields(q.Get("scope")), s.allowed(client)):
		return "invalid_scope", "the scope is not known or not allowed"
	case q.Has("scope") && strings.TrimSpace(q.Get("scope")) == "":
		return "invalid_scope", "scope is empty"
	}
	if code, description = s.checkResource(q["resource"]); code == "" && s.o.CheckAuthorize != nil {
		return s.o.CheckAuthorize(q)
	}
	return code, description
}

// checkResource returns invalid_target where resource is missing or wrong (RFC
// 8707 section 2).
func (s *Server) checkResource(values []string) (code, description string) {
	switch {
	case len(values) == 0 && s.o.NoResource, s.o.AudienceParam, s.o.IgnoreResource:
		return "", ""
	case len(values) != 1:
		return "invalid_target", "exactly one resource is required"
	case s.o.Resources != nil && !slices.Contains(s.o.Resources, values[0]):
		return "invalid_target", "the resource is not known"
	}
	u, err := url.Parse(values[0])
	if err != nil || !u.IsAbs() || u.Host == "" || strings.Contains(values[0], "#") {
		return "invalid_target", "the resource is not an absolute URI without a fragment"
	}
	return "", ""
}

// allowed returns the scopes that a client may have.
func (s *Server) allowed(c *Client) []string {
	if len(c.Scopes) > 0 {
		return c.Scopes
	}
	return s.o.Scopes
}

// redirectKnown compares a redirect URI with the registered ones; on a loopback
// literal any port will do (RFC 8252 section 7.3).
func (s *Server) redirectKnown(c *Client, uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	u, err := url.Parse(uri)
	if err != nil || s.o.ExactRedirect {
		return false
	}
	return slices.ContainsFunc(c.RedirectURIs, func(known string) bool {
		k, err := url.Parse(known)
		return err == nil && u.Scheme == "http" && k.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback() &&
			u.Hostname() == k.Hostname() && u.Path == k.Path && u.RawQuery == k.RawQuery && u.Fragment == ""
	})
}

func (s *Server) newCode(client *Client, q url.Values, user string) string {
	scopes := strings.Fields(q.Get("scope"))
	if len(scopes) == 0 {
		scopes = s.o.DefaultScopes
	}
	value := "SECRETWORD-code-" + rand.Text()
	target := q.Get("resource")
	switch {
	case s.o.AudienceParam:
		target = q.Get("audience")
	case s.o.IgnoreResource:
		target = ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters.Signins++
	s.codes[value] = &code{
		client: client.ID, redirectURI: q.Get("redirect_uri"), challenge: q.Get("code_challenge"),
		resource: target, offline: s.o.Offline == nil || s.o.Offline(q), nonce: q.Get("nonce"), user: user, family: rand.Text(),
		scopes: scopes, jkt: q.Get("dpop_jkt"), expiry: s.o.Now().Add(time.Minute),
	}
	return value
}

// redirect sends the browser back with state and iss (RFC 9207 section 2), by
// query or form_post.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request, q, answer url.Values) {
	if q.Has("state") {
		answer.Set("state", q.Get("state"))
	}
	if !s.o.NoIss && !s.o.IssNotSent {
		answer.Set("iss", s.Issuer())
	}
	if s.o.Iss != "" {
		answer.Set("iss", s.o.Iss)
	}
	if q.Get("response_mode") == "form_post" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = postPage.Execute(w, map[string]any{"Action": q.Get("redirect_uri"), "Fields": answer})
		return
	}
	u, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		http.Error(w, "invalid redirect_uri", http.StatusBadRequest)
		return
	}
	old := u.Query()
	for k, v := range answer {
		old[k] = v
	}
	u.RawQuery = old.Encode()
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, u.String(), http.StatusFound)
}

var signInPage = template.Must(template.New("sign-in").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in</title>
<style>body{font:16px system-ui,sans-serif;max-width:26em;margin:12vh auto;padding:0 1em;color:#222}
input,button{font:inherit;padding:.5em .8em;margin:.3em 0}input{width:100%;box-sizing:border-box}dt{color:#666}dd{margin:0 0 .6em;overflow-wrap:anywhere}</style>
<h1>Sign in</h1>
<dl><dt>Program</dt><dd>{{.Client}}</dd><dt>Wants to use</dt><dd>{{.Resource}}</dd>{{if .Scope}}<dt>Permissions</dt><dd>{{.Scope}}</dd>{{end}}</dl>
<form method="post" action="{{.Action}}">
<label>User name <input name="user" value="{{.User}}" autofocus></label>
<p><button name="decision" value="sign-in">Sign in</button> <button name="decision" value="deny">Cancel</button></p>
</form></html>
`))

var postPage = template.Must(template.New("post").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Signing in</title>
<form method="post" action="{{.Action}}">{{range $k, $v := .Fields}}<input type="hidden" name="{{$k}}" value="{{index $v 0}}">{{end}}<button>Continue</button></form>
<script>document.forms[0].submit()</script></html>
`))
