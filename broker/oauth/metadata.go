package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// ProtectedResourceMetadata is RFC 9728 section 2. Left out: what is for people
// to read, signed metadata, and what only other clients need.
type ProtectedResourceMetadata struct {
	Resource                      string   `json:"resource"` // byte for byte as published
	AuthorizationServers          []string `json:"authorization_servers"`
	ScopesSupported               []string `json:"scopes_supported"` // nil: not said; empty: none
	BearerMethodsSupported        []string `json:"bearer_methods_supported"`
	ResourceName                  string   `json:"resource_name"`
	DPoPBoundAccessTokensRequired bool     `json:"dpop_bound_access_tokens_required"`
	DPoPSigningAlgValuesSupported []string `json:"dpop_signing_alg_values_supported"`
}

// AuthorizationServerMetadata is RFC 8414 section 2 and OpenID Connect Discovery
// section 3, with RFC 8628 section 4, RFC 9126 section 5, RFC 9207 section 3, RFC
// 9449 section 5.1 and the client ID metadata document draft. Left out: what is
// for people to read and what only other clients need.
type AuthorizationServerMetadata struct {
	Issuer                                     string   `json:"issuer"`
	AuthorizationEndpoint                      string   `json:"authorization_endpoint"`
	TokenEndpoint                              string   `json:"token_endpoint"`
	RegistrationEndpoint                       string   `json:"registration_endpoint"`
	RevocationEndpoint                         string   `json:"revocation_endpoint"`
	IntrospectionEndpoint                      string   `json:"introspection_endpoint"`
	UserinfoEndpoint                           string   `json:"userinfo_endpoint"`
	EndSessionEndpoint                         string   `json:"end_session_endpoint"`
	DeviceAuthorizationEndpoint                string   `json:"device_authorization_endpoint"`
	PushedAuthorizationRequestEndpoint         string   `json:"pushed_authorization_request_endpoint"`
	RequirePushedAuthorizationRequests         bool     `json:"require_pushed_authorization_requests"`
	JWKSURI                                    string   `json:"jwks_uri"`
	ScopesSupported                            []string `json:"scopes_supported"`
	ResponseTypesSupported                     []string `json:"response_types_supported"`
	ResponseModesSupported                     []string `json:"response_modes_supported"`
	GrantTypesSupported                        []string `json:"grant_types_supported"`
	TokenEndpointAuthMethodsSupported          []string `json:"token_endpoint_auth_methods_supported"`
	TokenEndpointAuthSigningAlgValuesSupported []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	CodeChallengeMethodsSupported              []string `json:"code_challenge_methods_supported"`
	DPoPSigningAlgValuesSupported              []string `json:"dpop_signing_alg_values_supported"`
	AuthorizationResponseIssParameterSupported bool     `json:"authorization_response_iss_parameter_supported"`
	ClientIDMetadataDocumentSupported          bool     `json:"client_id_metadata_document_supported"`
	AuthorizationGrantProfilesSupported        []string `json:"authorization_grant_profiles_supported"`
}

// AuthMethod returns the method with which a client that has a secret, or none,
// authenticates itself at the token endpoint. Without a list the default is
// client_secret_basic (RFC 8414 section 2).
func (m *AuthorizationServerMetadata) AuthMethod(hasSecret bool) string {
	methods := m.TokenEndpointAuthMethodsSupported
	switch {
	case !hasSecret:
		return AuthNone
	case !slices.Contains(methods, AuthSecretBasic) && slices.Contains(methods, AuthSecretPost):
		return AuthSecretPost
	}
	return AuthSecretBasic
}

// CheckResource reports whether resource, as a server's metadata names it, can
// be the server at serverURL: the same origin, and the same path or a parent of
// it; a final slash does not matter. A query has to be the server's own, a
// fragment is forbidden (RFC 8707 section 2). The error is a hint.
func CheckResource(serverURL, resource string) error {
	s, errS := url.Parse(strings.TrimSpace(serverURL))
	r, errR := url.Parse(resource)
	if errS == nil && errR == nil && resourceCovers(r, s) {
		return nil
	}
	return hint.New(hint.Refused,
		fmt.Sprintf("The server's metadata is about another resource, %s.", clean(resource, 200)),
		fmt.Sprintf("Check the address %s, or ask the owner of the server to correct its metadata.", clean(serverURL, 200)))
}

func resourceCovers(r, s *url.URL) bool {
	if r.Host == "" || r.User != nil || r.Fragment != "" || account.Origin(r) != account.Origin(s) {
		return false
	}
	if r.RawQuery != "" && r.RawQuery != s.RawQuery {
		return false
	}
	parent, path := strings.TrimSuffix(r.EscapedPath(), "/"), strings.TrimSuffix(s.EscapedPath(), "/")
	if hasDots(parent) || hasDots(path) {
		return parent == path
	}
	return path == parent || strings.HasPrefix(path, parent+"/")
}

// hasDots reports whether an escaped path has a segment that is "." or "..".
func hasDots(path string) bool {
	for seg := range strings.SplitSeq(path, "/") {
		if plain, err := url.PathUnescape(seg); err != nil || plain == "." || plain == ".." {
			return true
		}
	}
	return false
}

// CanonicalResource returns the resource of a server without metadata: its
// address without a fragment, and without a path that is only a slash (MCP
// authorization, canonical server URI).
func CanonicalResource(serverURL string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(serverURL))
	if err != nil || u.Host == "" {
		return "", errors.New("the server's address has no host")
	}
	u.Fragment, u.RawFragment, u.User = "", "", nil
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	if u.Path == "/" && u.RawQuery == "" {
		u.Path = ""
	}
	return u.String(), nil
}

// parseResourceMetadata reads and checks a document of RFC 9728.
func parseResourceMetadata(body []byte) (*ProtectedResourceMetadata, error) {
	var m ProtectedResourceMetadata
	if err := decode(body, &m); err != nil {
		return nil, err
	}
	if m.Resource == "" {
		return nil, errors.New("it does not name a resource")
	}
	if len(m.AuthorizationServers) == 0 {
		return nil, errors.New("it names no authorization server")
	}
	return &m, nil
}

// parseServerMetadata reads a document of RFC 8414 or OpenID Connect Discovery
// and checks that it is the one of issuer. Only the slash of an empty path does
// not count: Google's servers name their issuer with it, its metadata without.
func parseServerMetadata(body []byte, issuer string) (*AuthorizationServerMetadata, error) {
	var m AuthorizationServerMetadata
	if err := decode(body, &m); err != nil {
		return nil, err
	}
	switch {
	case m.Issuer == "":
		return nil, errors.New("it names no issuer")
	case presetFor(issuer).tenantOf(m.Issuer, issuer):
		m.Issuer = issuer
	case m.Issuer != issuer && withoutRootSlash(m.Issuer) != withoutRootSlash(issuer):
		return nil, fmt.Errorf("it is about another issuer, %s", clean(m.Issuer, 200))
	}
	if m.TokenEndpoint == "" {
		return nil, errors.New("it names no token endpoint")
	}
	return &m, nil
}

// tenantOf reports whether the provider writes issuer as named; see sharedByTenants.
func (p *Preset) tenantOf(named, issuer string) bool {
	return p.TemplateIssuer && sharedByTenants(named, issuer)
}

// IsIssuer reports whether the iss of a token names issuer. A provider whose
// metadata is shared by tenants writes the person's own tenant there.
func (p *Preset) IsIssuer(iss, issuer string) bool { return iss == issuer || p.tenantOf(iss, issuer) }

// sharedByTenants reports whether document names no tenant of its own, or the
// number of the tenant that issuer names in words, and is issuer otherwise. Entra
// ID answers so under /common, /organizations and a tenant's domain name.
func sharedByTenants(document, issuer string) bool {
	d, errD := url.Parse(document)
	i, errI := url.Parse(issuer)
	if errD != nil || errI != nil || d.Scheme != i.Scheme || d.Host != i.Host {
		return false
	}
	theirs, restD, _ := strings.Cut(strings.TrimPrefix(d.Path, "/"), "/")
	ours, restI, _ := strings.Cut(strings.TrimPrefix(i.Path, "/"), "/")
	return restD == restI && !isGUID(ours) && (theirs == "{tenantid}" || isGUID(theirs))
}

// isGUID reports whether s is written like 72f988bf-86f1-41af-91ab-2d7cd011db47.
func isGUID(s string) bool {
	parts := strings.Split(s, "-")
	if len(parts) != 5 || strings.Trim(strings.ToLower(s), "0123456789abcdef-") != "" {
		return false
	}
	for n, want := range []int{8, 4, 4, 4, 12} {
		if len(parts[n]) != want {
			return false
		}
	}
	return true
}

// withoutRootSlash drops the path of an address if it is only a slash.
func withoutRootSlash(s string) string {
	if u, err := url.Parse(s); err == nil && u.Path == "/" && u.RawQuery == "" && u.Fragment == "" {
		return strings.TrimSuffix(s, "/")
	}
	return s
}

// decode reads a JSON object. A member of the wrong type counts as absent: what
// must be there is asked for by the caller, and the rest is not worth a failed
// sign-in. One whose name is written in another way does too, and a name that
// stands twice makes the document invalid: others could read it differently.
func decode(body []byte, v any) error {
	trimmed := strings.TrimSpace(strings.TrimPrefix(string(body), "\ufeff"))
	switch {
	case strings.HasPrefix(trimmed, "<"):
		return errPage
	case !strings.HasPrefix(trimmed, "{"):
		return errors.New("it is not a JSON object")
	}
	f, err := members([]byte(trimmed))
	if err != nil {
		return fmt.Errorf("it %w", err)
	}
	// encoding/json takes names in other spellings for the same.
	maps.DeleteFunc(f, func(name string, _ json.RawMessage) bool {
		return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != ""
	})
	exact, err := json.Marshal(f)
	if err != nil {
		return err
	}
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(exact, v); err != nil && !errors.As(err, &wrong) {
		return err
	}
	return nil
}

var errPage = errors.New("it is a web page")
