package fakeas

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// A deviceCode is RFC 8628 section 3.2 in the making.
type deviceCode struct {
	client, user, resource, userCode string
	scopes                           []string
	expiry                           time.Time
	denied, used                     bool
	polls                            int
}

// deviceAuthorization is the device authorization endpoint (RFC 8628 section 3.1).
func (s *Server) deviceAuthorization(w http.ResponseWriter, r *http.Request) {
	client, form := s.clientForm(w, r)
	if client == nil {
		return
	}
	scopes := strings.Fields(form.Get("scope"))
	code, description := s.checkResource(form["resource"])
	switch {
	case !slices.Contains(client.GrantTypes, deviceGrant):
		code, description = "unauthorized_client", "the client may not use device codes"
	case !scopesWithin(scopes, s.allowed(client)):
		code, description = "invalid_scope", "the scope is not known or not allowed"
	}
	if code != "" {
		s.oauthError(w, http.StatusBadRequest, code, description)
		return
	}
	if len(scopes) == 0 {
		scopes = s.o.DefaultScopes
	}
	d := &deviceCode{client: client.ID, resource: form.Get("resource"), scopes: scopes, expiry: s.o.Now().Add(10 * time.Minute), userCode: rand.Text()[:8]}
	value := "SECRETWORD-device-" + rand.Text()
	s.mu.Lock()
	s.devices[value] = d
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code": value, "user_code": d.userCode, "expires_in": 600, "interval": 1,
		"verification_uri": s.Issuer() + "/device", "verification_uri_complete": s.Issuer() + "/device?user_code=" + d.userCode,
	})
}

// ApproveDevice plays the person who typed a code; an empty user says no. It
// reports whether the code is known.
func (s *Server) ApproveDevice(userCode, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.userCode == userCode && !d.used {
			d.user, d.denied = user, user == ""
			return true
		}
	}
	return false
}

// redeemDevice is RFC 8628 section 3.5. The second poll is told to slow down.
func (s *Server) redeemDevice(client *Client, form url.Values) (g *grant, code, description string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[form.Get("device_code")]
	switch {
	case d == nil || d.client != client.ID || d.used:
		return nil, "invalid_grant", "the device code is not known"
	case !s.o.Now().Before(d.expiry):
		return nil, "expired_token", "the device code has expired"
	case form.Get("resource") != d.resource:
		return nil, "invalid_target", "the resource is another one than before"
	}
	d.polls++
	switch {
	case d.denied:
		return nil, "access_denied", "the user said no"
	case d.polls == 2:
		return nil, "slow_down", "too fast"
	case d.user == "":
		return nil, "authorization_pending", "nobody has agreed yet"
	}
	d.used = true
	s.counters.Signins++
	return &grant{client: client, family: rand.Text(), resource: d.resource, user: d.user, scopes: d.scopes,
		refresh: !s.o.NoRefresh && slices.Contains(client.GrantTypes, "refresh_token")}, "", ""
}
