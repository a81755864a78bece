package fakegoogle

import (
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"net/http"
	"regexp"
)

var secretPath = regexp.MustCompile(`^/v1/projects/([^/]+)/secrets/([^/]+)/versions/([^/:]+):access$`)

// serveSecret is AccessSecretVersion of Secret Manager.
func (s *Server) serveSecret(w http.ResponseWriter, r *http.Request) {
	answer, no := s.secret(r)
	if no != nil {
		s.count(func(c *Counts) { c.Refused++ })
		no.send(w)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) secret(r *http.Request) (any, *apiError) {
	m := secretPath.FindStringSubmatch(r.URL.Path)
	if m == nil || r.Method != http.MethodGet || r.URL.RawQuery != "" {
		return nil, &apiError{status: 404, code: "NOT_FOUND", message: "Method not found."}
	}
	caller, consumer, no := s.authorize(r, secretAPI, "Secret Manager API")
	if no != nil {
		return nil, no
	}
	name := fmt.Sprintf("projects/%s/secrets/%s/versions/%s", m[1], m[2], m[3])
	if !s.may(m[1]+"/"+m[2], caller, SecretAccessor) {
		return nil, &apiError{403, "PERMISSION_DENIED", "Permission 'secretmanager.versions.access' denied for resource '" + name + "' (or it may not exist).",
			"IAM_PERMISSION_DENIED", map[string]string{"permission": "secretmanager.versions.access", "resource": name}}
	}
	s.mu.Lock()
	value, ok := s.world.secrets[m[1]+"/"+m[2]+"/"+m[3]]
	s.mu.Unlock()
	if !ok {
		return nil, &apiError{status: 404, code: "NOT_FOUND", message: "Secret Version [" + name + "] not found."}
	}
	s.called(Call{Method: "accessSecretVersion", Caller: caller, On: m[1] + "/" + m[2], Project: consumer}, func(c *Counts) { c.Secret++ })
	return map[string]any{"name": name, "payload": map[string]string{
		"data":       base64.StdEncoding.EncodeToString(value),
		"dataCrc32c": fmt.Sprint(crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli))),
	}}, nil
}
