package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/secret"
)

// ClientMetadata is what a client says about itself (RFC 7591 section 2, OpenID
// Connect Registration section 2).
type ClientMetadata struct {
	ClientName              string   `json:"client_name,omitempty"`
	ClientURI               string   `json:"client_uri,omitempty"`
	SoftwareID              string   `json:"software_id,omitempty"`
	SoftwareVersion         string   `json:"software_version,omitempty"`
	ApplicationType         string   `json:"application_type,omitempty"` // "native": redirects to loopback
	RedirectURIs            []string `json:"redirect_uris"`
	GrantTypes              []string `json:"grant_types"`
	ResponseTypes           []string `json:"response_types"`
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method"`
	Scope                   string   `json:"scope,omitempty"`
}

// NativeClient returns the metadata of a program on the user's computer that
// comes back to redirectURI and will ask for scopes, for the server that as
// describes. Servers made with the Python SDK later refuse a scope that was not
// registered.
func NativeClient(name, redirectURI string, scopes []string, as *AuthorizationServerMetadata) ClientMetadata {
	return ClientMetadata{
		Scope:                   strings.Join(scopes, " "),
		ClientName:              name,
		ApplicationType:         "native",
		RedirectURIs:            []string{redirectURI},
		GrantTypes:              []string{"authorization_code", "refresh_token"},
		ResponseTypes:           []string{"code"},
		TokenEndpointAuthMethod: registrationMethod(as.TokenEndpointAuthMethodsSupported),
	}
}

// registrationMethod chooses what to register for. A program on the user's
// computer keeps no secret from its user, so none comes first.
func registrationMethod(supported []string) string {
	for _, m := range []string{AuthNone, AuthSecretBasic, AuthSecretPost} {
		if slices.Contains(supported, m) {
			return m
		}
	}
	return AuthNone
}

// How a client came to its id.
const (
	Preregistered    = "preregistered"
	MetadataDocument = "metadata_document" // the id is the address of a client ID metadata document
	Dynamic          = "dynamic"           // RFC 7591
)

// A ClientRegistration is our identity at one issuer. It must not be used with
// another (MCP authorization, authorization server binding). Its JSON form is
// the vault's record, with the secrets in the clear.
type ClientRegistration struct {
	Issuer       string       `json:"issuer"`
	Kind         string       `json:"kind"` // Preregistered, MetadataDocument or Dynamic
	ClientID     string       `json:"client_id"`
	ClientSecret secret.Plain `json:"client_secret"`
	SecretExpiry time.Time    `json:"secret_expires_at,omitzero"` // zero: never
	Issued       time.Time    `json:"issued_at,omitzero"`
	AuthMethod   string       `json:"auth_method"`
	RedirectURIs []string     `json:"redirect_uris,omitempty"`
	GrantTypes   []string     `json:"grant_types,omitempty"` // Dynamic: those beyond what every client of ours has
	Scope        string       `json:"scope,omitempty"`       // Dynamic: what was registered for

	// RFC 7592, to change or end the registration; empty where not offered.
	AccessToken secret.Plain `json:"registration_access_token"`
	ClientURI   string       `json:"registration_client_uri,omitempty"`
}

// Auth returns the client's authentication at the token endpoint.
func (r *ClientRegistration) Auth() ClientAuth {
	return ClientAuth{Method: r.AuthMethod, ClientID: r.ClientID, Secret: r.ClientSecret.Value}
}

// Usable reports whether the registration may be used at issuer now.
func (r *ClientRegistration) Usable(issuer string, now time.Time) bool {
	return r != nil && r.Issuer == issuer && r.ClientID != "" && (r.SecretExpiry.IsZero() || now.Before(r.SecretExpiry))
}

// Covers reports whether the registration is good for a redirect URI, or for a
// device code if that is empty, and scopes. Only a dynamic one is bound to what it
// was made for, as far as we know.
func (r *ClientRegistration) Covers(redirectURI string, scopes []string) bool {
	if r.Kind != Dynamic {
		return true
	}
	registered := strings.Fields(r.Scope)
	known := slices.ContainsFunc(r.RedirectURIs, func(uri string) bool { return sameRedirect(uri, redirectURI) })
	return (known || redirectURI == "" && slices.Contains(r.GrantTypes, DeviceCodeGrant)) &&
		!slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(registered, s) })
}

// sameRedirect compares a redirect URI with a registered one, which on a loopback
// literal may leave the port open (RFC 8252 section 7.3).
func sameRedirect(registered, uri string) bool {
	if registered == uri {
		return true
	}
	r, errR := url.Parse(registered)
	u, errU := url.Parse(uri)
	if errR != nil || errU != nil || r.Port() != "" || !account.Loopback(u.Hostname()) || u.Hostname() == "localhost" {
		return false
	}
	return r.Scheme == u.Scheme && r.Hostname() == u.Hostname() && r.EscapedPath() == u.EscapedPath() && r.RawQuery == u.RawQuery
}

// Forgotten asks the server whether it no longer knows a registered client (RFC
// 7592 section 2.1), where it said how to ask. A sign-in with such a client would
// end at an error page in the browser, of which nobody hears. Only a clear answer
// counts.
func (c *Client) Forgotten(ctx context.Context, as *AuthorizationServerMetadata, r *ClientRegistration) bool {
	if r.ClientURI == "" || r.AccessToken.IsZero() || originOf(r.ClientURI) != originOf(as.RegistrationEndpoint) {
		return false // the token is for nobody else
	}
	header := http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + r.AccessToken.Reveal()}}
	res, err := c.do(ctx, http.MethodGet, r.ClientURI, header, nil)
	return err == nil && res.status == http.StatusUnauthorized
}

// Register registers a client at the server that as describes (RFC 7591 section
// 3). A refusal is an *Error. What the server changed in its answer counts: the
// authentication method first of all.
func (c *Client) Register(ctx context.Context, as *AuthorizationServerMetadata, m ClientMetadata) (*ClientRegistration, error) {
	if as.RegistrationEndpoint == "" {
		return nil, errors.New("register client: the authorization server has no registration endpoint")
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("register client: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}}
	res, err := c.do(ctx, http.MethodPost, as.RegistrationEndpoint, header, body)
	if err != nil {
		return nil, fmt.Errorf("register client: %w", err)
	}
	f, err := readFields(res)
	if err != nil {
		return nil, fmt.Errorf("register client: %w", err)
	}
	r, err := registration(f, m)
	if err != nil {
		return nil, fmt.Errorf("register client: %w", res.unusable(err))
	}
	r.Issuer, r.Scope = as.Issuer, m.Scope
	if slices.Contains(m.GrantTypes, DeviceCodeGrant) {
		r.GrantTypes = []string{DeviceCodeGrant}
	}
	if r.Issued.IsZero() {
		r.Issued = c.now().UTC().Truncate(time.Second)
	}
	return r, nil
}

// registration reads an answer of RFC 7591 section 3.2.1.
func registration(f fields, m ClientMetadata) (*ClientRegistration, error) {
	r := &ClientRegistration{
		Kind:         Dynamic,
		ClientID:     f.str("client_id"),
		ClientSecret: secret.Plain{Value: secret.New(f.str("client_secret"))},
		SecretExpiry: f.unix("client_secret_expires_at"),
		Issued:       f.unix("client_id_issued_at"),
		AuthMethod:   f.str("token_endpoint_auth_method"),
		RedirectURIs: f.list("redirect_uris"),
		AccessToken:  secret.Plain{Value: secret.New(f.str("registration_access_token"))},
		ClientURI:    f.str("registration_client_uri"),
	}
	if r.ClientID == "" || r.ClientID != clean(r.ClientID, 2000) {
		return nil, errors.New("the answer has no usable client_id")
	}
	if len(r.RedirectURIs) == 0 {
		r.RedirectURIs = m.RedirectURIs
	}
	hasSecret := !r.ClientSecret.IsZero()
	switch {
	case r.AuthMethod == AuthNone, r.AuthMethod == AuthSecretBasic && hasSecret, r.AuthMethod == AuthSecretPost && hasSecret:
	case r.AuthMethod == AuthSecretBasic || r.AuthMethod == AuthSecretPost: // named, but no secret came
		r.AuthMethod = AuthNone
	case r.AuthMethod != "":
		return nil, fmt.Errorf("the answer wants the authentication method %q", clean(r.AuthMethod, 60))
	case hasSecret && m.TokenEndpointAuthMethod == AuthNone: // RFC 7591 section 2: the default
		r.AuthMethod = AuthSecretBasic
	case hasSecret:
		r.AuthMethod = m.TokenEndpointAuthMethod
	default:
		r.AuthMethod = AuthNone
	}
	if !hasSecret {
		r.SecretExpiry = time.Time{}
	}
	return r, nil
}
