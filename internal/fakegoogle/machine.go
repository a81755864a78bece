package fakegoogle

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

const metadataPath = "/computeMetadata/v1/instance/service-accounts/default/"

// serveMetadata is the metadata server of a machine.
func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request) {
	s.count(func(c *Counts) { c.Metadata++ })
	s.mu.Lock()
	email := s.world.machine
	s.mu.Unlock()
	w.Header().Set("Metadata-Flavor", "Google")
	w.Header().Set("Server", "Metadata Server for VM")
	switch {
	case r.Header.Get("Metadata-Flavor") != "Google" || r.Header.Get("X-Forwarded-For") != "":
		http.Error(w, "Missing Metadata-Flavor:Google header.", http.StatusForbidden)
		return
	case email == "" || r.Method != http.MethodGet:
		http.NotFound(w, r)
		return
	}
	q := r.URL.Query()
	switch strings.TrimPrefix(r.URL.Path, metadataPath) {
	case "email":
		io.WriteString(w, email)
	case "identity":
		if q.Get("audience") == "" || q.Get("format") != "full" && q.Get("format") != "standard" && q.Get("format") != "" {
			http.Error(w, "non-empty audience parameter required", http.StatusBadRequest)
			return
		}
		signed, no := s.idToken(email, q.Get("audience"), q.Get("format") == "full")
		if no != nil {
			http.Error(w, "", http.StatusInternalServerError)
			return
		}
		io.WriteString(w, signed)
	case "token":
		var scopes []string
		if v := q.Get("scopes"); v != "" {
			scopes = strings.Split(v, ",")
		}
		value, no := s.accessToken(Access{Email: email, Scopes: scopes, Consumer: projectOf(email)}, s.opts.Life)
		if no != nil {
			http.Error(w, "invalid scope", http.StatusBadRequest)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"access_token": value, "expires_in": int64(s.opts.Life / time.Second), "token_type": "Bearer"})
	default:
		http.NotFound(w, r)
	}
}

// serveSTS is the Security Token Service (RFC 8693) for federated identities.
func (s *Server) serveSTS(w http.ResponseWriter, r *http.Request) {
	s.count(func(c *Counts) { c.Token++ })
	answer, no := s.exchange(r)
	if no != nil {
		s.count(func(c *Counts) { c.Refused++ })
		writeJSON(w, no.status, no)
		return
	}
	s.count(func(c *Counts) { c.Exchanged++ })
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) exchange(r *http.Request) (any, *refusal) {
	fields, no := form(r)
	if no != nil {
		return nil, no
	}
	if fields.Get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" {
		return nil, refuse("unsupported_grant_type", "Invalid grant_type: %s", fields.Get("grant_type"))
	}
	if no := only(fields, "audience", "scope", "requested_token_type", "subject_token", "subject_token_type"); no != nil {
		return nil, no
	}
	s.mu.Lock()
	subject, known := s.world.pools[fields.Get("audience")]
	s.mu.Unlock()
	switch {
	case !known:
		return nil, refuse("invalid_target", "The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist.")
	case fields.Get("requested_token_type") != "urn:ietf:params:oauth:token-type:access_token", fields.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt":
		return nil, refuse("invalid_request", "Invalid token type.")
	case fields.Get("subject_token") != subject:
		return nil, refuse("invalid_grant", "The subject token could not be verified.")
	}
	pool := strings.TrimPrefix(fields.Get("audience"), "//iam.googleapis.com/")
	value, no := s.accessToken(Access{Email: "principal://" + pool, Scopes: strings.Fields(fields.Get("scope")), Consumer: strings.Split(pool, "/")[1]}, s.opts.Life)
	if no != nil {
		return nil, no
	}
	return map[string]any{"access_token": value, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": int64(s.opts.Life / time.Second)}, nil
}

// Federated returns the file of credentials for an identity pool's provider.
// source is its credential_source; as may be empty.
func Federated(audience string, source map[string]any, as string) ([]byte, error) {
	file := map[string]any{
		"type": "external_account", "audience": audience, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url": stsURL, "credential_source": source, "universe_domain": "googleapis.com",
	}
	if as != "" {
		file["service_account_impersonation_url"] = impersonationURL(as)
	}
	return json.MarshalIndent(file, "", "  ")
}

// Impersonated returns the file of credentials that impersonate through others.
func Impersonated(source []byte, as string, delegates ...string) ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"type": "impersonated_service_account", "service_account_impersonation_url": impersonationURL(as), "delegates": delegates,
		"source_credentials": json.RawMessage(source),
	}, "", "  ")
}

func impersonationURL(email string) string {
	return "https://" + iamAPI + "/v1/projects/-/serviceAccounts/" + email + ":generateAccessToken"
}
