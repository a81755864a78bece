package fakeas

import (
	"encoding/json"
	"net/http"
	"slices"
)

func (s *Server) routes() {
	p := s.o.IssuerPath
	s.handle(p+"/authorize", Authorize, http.HandlerFunc(s.authorize))
	s.handle(p+"/token", Token, http.HandlerFunc(s.token))
	s.handle(p+"/revoke", Revoke, http.HandlerFunc(s.revoke))
	s.handle(p+"/jwks", JWKS, http.HandlerFunc(s.jwks))
	if !s.o.NoRegistration {
		s.handle(p+"/register", Register, http.HandlerFunc(s.register))
		s.handle("GET "+p+"/register/{id}", Registered, http.HandlerFunc(s.registered))
	}
	if s.o.Devices {
		s.handle(p+"/device_authorization", Device, http.HandlerFunc(s.deviceAuthorization))
	}
	if s.o.PushedOnly {
		s.handle(p+"/par", Pushed, http.HandlerFunc(s.push))
	}
	var paths []string
	switch s.o.Shape {
	case Both:
		paths = []string{"/.well-known/oauth-authorization-server" + p, "/.well-known/openid-configuration" + p}
	case OAuthOnly:
		paths = []string{"/.well-known/oauth-authorization-server" + p}
	case OIDCInserted:
		paths = []string{"/.well-known/openid-configuration" + p}
	case OIDCAppended:
		paths = []string{p + "/.well-known/openid-configuration"}
	}
	for _, path := range paths {
		s.handle("GET "+path, Metadata, http.HandlerFunc(s.metadata))
	}
	for path, h := range s.o.ExtraHandlers {
		s.mux.Handle(path, h)
	}
}

// handle registers an endpoint behind its counter, failures and Wrap.
func (s *Server) handle(pattern, endpoint string, h http.Handler) {
	if s.o.Wrap != nil {
		h = s.o.Wrap(endpoint, h)
	}
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.counters.Requests[endpoint]++
		f := s.fail[endpoint]
		if f.n > 0 {
			s.fail[endpoint] = failure{f.n - 1, f.status}
		}
		s.mu.Unlock()
		if f.n > 0 {
			http.Error(w, http.StatusText(f.status), f.status)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		h.ServeHTTP(w, r)
	})
}

func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	iss := s.Issuer()
	m := map[string]any{
		"issuer":                                iss,
		"authorization_endpoint":                iss + "/authorize",
		"token_endpoint":                        iss + "/token",
		"revocation_endpoint":                   iss + "/revoke",
		"jwks_uri":                              iss + "/jwks",
		"scopes_supported":                      s.o.Scopes,
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query", "form_post"},
		"grant_types_supported":                 []string{"authorization_code", "refresh_token", "client_credentials"},
		"token_endpoint_auth_methods_supported": s.o.AuthMethods,
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "ES256", "EdDSA"},
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            []string{"RS256"},
	}
	if s.o.MetadataIssuer != "" {
		m["issuer"] = s.o.MetadataIssuer
	}
	if !s.o.NoRegistration {
		m["registration_endpoint"] = iss + "/register"
	}
	if !s.o.NoPKCEMetadata {
		m["code_challenge_methods_supported"] = []string{"S256"}
	}
	if !s.o.NoIss && !s.o.NoIssMetadata {
		m["authorization_response_iss_parameter_supported"] = true
	}
	if s.o.CIMD {
		m["client_id_metadata_document_supported"] = true
	}
	m["dpop_signing_alg_values_supported"] = []string{"ES256"}
	if s.o.Devices {
		m["device_authorization_endpoint"] = iss + "/device_authorization"
		m["grant_types_supported"] = append(m["grant_types_supported"].([]string), deviceGrant)
	}
	if s.o.PushedOnly {
		m["pushed_authorization_request_endpoint"], m["require_pushed_authorization_requests"] = iss+"/par", true
	}
	if s.o.EditMetadata != nil {
		s.o.EditMetadata(m)
	}
	writeJSON(w, http.StatusOK, m)
}

// scopesWithin reports whether every asked scope is in allowed.
func scopesWithin(asked, allowed []string) bool {
	for _, a := range asked {
		if !slices.Contains(allowed, a) {
			return false
		}
	}
	return true
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client left; nobody to tell
}

// oauthError answers as RFC 6749 section 5.2 has it.
func (s *Server) oauthError(w http.ResponseWriter, status int, code, description string) {
	if code == "invalid_grant" {
		s.mu.Lock()
		s.counters.InvalidGrant++
		s.mu.Unlock()
	}
	if s.o.ErrorStatus != 0 {
		status = s.o.ErrorStatus
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="token endpoint"`)
	}
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}
