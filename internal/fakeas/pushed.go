package fakeas

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"time"
)

// A pushed request is an authorization request that came beforehand (RFC 9126).
type pushed struct {
	client string
	params url.Values
	expiry time.Time
}

// push is the pushed authorization request endpoint (RFC 9126 section 2).
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	client, form := s.clientForm(w, r)
	if client == nil {
		return
	}
	code, description := s.checkAuthorize(client, form)
	switch {
	case form.Has("request_uri"):
		code, description = "invalid_request", "request_uri cannot be pushed"
	case !s.redirectKnown(client, form.Get("redirect_uri")):
		code, description = "invalid_request", "the redirect_uri is not registered"
	}
	if code != "" {
		s.oauthError(w, http.StatusBadRequest, code, description)
		return
	}
	uri := "urn:ietf:params:oauth:request_uri:" + rand.Text()
	s.mu.Lock()
	s.pushes[uri] = pushed{client.ID, form, s.o.Now().Add(time.Minute)}
	s.mu.Unlock()
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": 60})
}

// pushedRequest returns the parameters that were pushed by the client of q, or
// nothing.
func (s *Server) pushedRequest(q url.Values) url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pushes[q.Get("request_uri")]
	if p.client == "" || p.client != q.Get("client_id") || !s.o.Now().Before(p.expiry) {
		return url.Values{}
	}
	return p.params
}
