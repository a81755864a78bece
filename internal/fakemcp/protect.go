package fakemcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"keyporter/broker/secret"
)

// identityKey is where TokenInfo.Extra has the Identity.
const identityKey = "identity"

// maxBody is how many bytes a request may have.
const maxBody = 32 << 20

// protect lets requests with a good token and the scopes of what they ask pass
// to next. What they ask stands in their body, so it is read here.
func (s *Server) protect(v *verifier, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, problem := bearer(r)
		switch {
		case problem != "":
			v.refuse(w, http.StatusBadRequest, "invalid_request", problem, nil)
			return
		case token.IsZero():
			v.refuse(w, http.StatusUnauthorized, "", "", v.offered)
			return
		case s.isRefused(token.Hash()):
			v.refuse(w, http.StatusUnauthorized, "invalid_token", "the token was revoked", v.offered)
			return
		}
		id, err := v.verify(r.Context(), token.Reveal())
		switch {
		case errors.Is(err, errKeys):
			writeError(w, http.StatusServiceUnavailable, "temporarily_unavailable", errKeys.Error())
			return
		case errors.Is(err, errForbidden):
			// Another token of this account would not help, so there is no challenge.
			writeError(w, http.StatusForbidden, "access_denied", errForbidden.Error())
			return
		case err != nil:
			v.refuse(w, http.StatusUnauthorized, "invalid_token", err.Error(), v.offered)
			return
		}
		if needed := v.needed(tools(r)); !holds(id.Scopes, needed) {
			v.refuse(w, http.StatusForbidden, "insufficient_scope", "the token lacks a scope that this needs", needed)
			return
		}
		// The SDK has one way to hand what is known of a token to the tools.
		known := func(context.Context, string, *http.Request) (*auth.TokenInfo, error) {
			return &auth.TokenInfo{Scopes: id.Scopes, UserID: id.Issuer + " " + id.Subject, Extra: map[string]any{identityKey: id}}, nil
		}
		auth.RequireBearerToken(known, &auth.RequireBearerTokenOptions{AllowMissingExpiration: true})(next).ServeHTTP(w, r)
	})
}

// bearer returns the token of a request, zero if it has none, or what is wrong
// with how it is sent.
func bearer(r *http.Request) (token secret.Value, problem string) {
	fields := r.Header.Values("Authorization")
	switch {
	case r.URL.Query().Has("access_token"): // RFC 6750 section 2.3; MCP forbids it
		return secret.Value{}, "a token must not stand in the address"
	case len(fields) > 1:
		return secret.Value{}, "there is more than one Authorization field"
	case len(fields) == 0:
		return secret.Value{}, ""
	}
	scheme, value, ok := strings.Cut(fields[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") { // RFC 9110 section 11.1
		return secret.Value{}, ""
	}
	return secret.New(strings.TrimSpace(value)), ""
}

// refuse answers with a challenge (RFC 6750 section 3, RFC 9728 section 5.1). A
// request without any token gets no error code (RFC 6750 section 3.1).
func (v *verifier) refuse(w http.ResponseWriter, status int, code, description string, scopes []string) {
	var params []string
	add := func(name, value string) {
		if value != "" {
			params = append(params, name+`="`+value+`"`)
		}
	}
	add("error", code)
	add("error_description", description)
	if v.metadata != nil {
		add("resource_metadata", v.metadata())
	} else {
		add("realm", "service accounts")
	}
	add("scope", strings.Join(scopes, " "))
	w.Header().Set("WWW-Authenticate", "Bearer "+strings.Join(params, ", "))
	if code == "" {
		code, description = "unauthorized", "a bearer token is needed"
	}
	writeError(w, status, code, description)
}

func writeError(w http.ResponseWriter, status int, code, description string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description}) // the client left
}

// needed returns the scopes for a call of these tools.
func (v *verifier) needed(tools []string) []string {
	needed := slices.Clone(v.scopes)
	for _, tool := range tools {
		for _, scope := range v.toolScopes[tool] {
			if !slices.Contains(needed, scope) {
				needed = append(needed, scope)
			}
		}
	}
	return needed
}

func holds(have, needed []string) bool {
	return !slices.ContainsFunc(needed, func(s string) bool { return !slices.Contains(have, s) })
}

// A message is what is read of a JSON-RPC message.
type message struct {
	Method string         `json:"method"`
	Params jsontext.Value `json:"params"`
	tool   string
}

// messages reads the JSON-RPC messages of a body, one or a batch (2025-03-26).
// A name that stands twice is an error, so that nothing is read in two ways.
func messages(body []byte) ([]message, error) {
	var list []message
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '[' {
		if err := jsonv2.Unmarshal(body, &list); err != nil {
			return nil, err
		}
	} else {
		list = make([]message, 1)
		if err := jsonv2.Unmarshal(body, &list[0]); err != nil {
			return nil, err
		}
	}
	for i := range list {
		var params struct {
			Name string `json:"name"`
		}
		if list[i].Method != "tools/call" {
			continue
		}
		if err := jsonv2.Unmarshal(list[i].Params, &params); err != nil {
			return nil, err
		}
		list[i].tool = params.Name
	}
	return list, nil
}

type messagesKey struct{}

// readMessages reads the body of a POST, leaves it to be read again, and keeps
// its messages in the request's context. It has answered if it returns nil.
func readMessages(w http.ResponseWriter, r *http.Request) *http.Request {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		writeError(w, http.StatusRequestEntityTooLarge, "invalid_request", "the body is too large")
		return nil
	case err != nil:
		writeError(w, http.StatusBadRequest, "invalid_request", "the body ends early")
		return nil
	}
	list, err := messages(body)
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}`)
		return nil
	}
	r = r.WithContext(context.WithValue(r.Context(), messagesKey{}, list))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

// methods returns the methods that a request calls.
func methods(r *http.Request) []string {
	list, _ := r.Context().Value(messagesKey{}).([]message)
	var names []string
	for _, m := range list {
		if m.Method != "" {
			names = append(names, m.Method)
		}
	}
	return names
}

// tools returns the names of the tools that a request calls.
func tools(r *http.Request) []string {
	list, _ := r.Context().Value(messagesKey{}).([]message)
	var names []string
	for _, m := range list {
		if m.tool != "" {
			names = append(names, m.tool)
		}
	}
	return names
}

// metadata serves the resource's metadata (RFC 9728 section 2).
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource:               s.Resource(),
		AuthorizationServers:   []string{s.o.Issuer},
		ScopesSupported:        s.o.allScopes(),
		BearerMethodsSupported: []string{"header"},
		ResourceName:           "Demo server",
	}).ServeHTTP(w, r)
}

// allScopes returns every scope that the server knows, sorted behind Scopes.
func (o Options) allScopes() []string {
	all := slices.Clone(o.Scopes)
	for _, tool := range slices.Sorted(maps.Keys(o.ToolScopes)) {
		for _, scope := range o.ToolScopes[tool] {
			if !slices.Contains(all, scope) {
				all = append(all, scope)
			}
		}
	}
	return all
}
