package authcode

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// keptRegistration returns our identity at the issuer as far as it is there
// already, in the order of MCP authorization: a pre-registered client, a client
// ID metadata document, a dynamic registration from before. Nil: none.
func (f *Flow) keptRegistration() (*oauth.ClientRegistration, error) {
	as := f.Discovery.Server
	switch {
	case f.o.ClientID != "":
		if f.o.ClientIssuer != "" && f.o.ClientIssuer != f.Issuer {
			return nil, hint.New(hint.Refused,
				fmt.Sprintf("The server now sends sign-ins to %s, but the client id is for %s.", f.Issuer, f.o.ClientIssuer),
				"Ask the owner of the server whether that is right, then set the client id for the new one.")
		}
		method := f.o.AuthMethod
		if method == "" {
			method = as.AuthMethod(!f.o.ClientSecret.IsZero())
		}
		return &oauth.ClientRegistration{Issuer: f.Issuer, Kind: oauth.Preregistered, ClientID: f.o.ClientID,
			ClientSecret: secret.Plain{Value: f.o.ClientSecret}, AuthMethod: method}, nil
	case f.o.ClientMetadataURL != "" && as.ClientIDMetadataDocumentSupported:
		return &oauth.ClientRegistration{Issuer: f.Issuer, Kind: oauth.MetadataDocument, ClientID: f.o.ClientMetadataURL,
			AuthMethod: oauth.AuthNone}, nil
	case f.o.Registration.Usable(f.Issuer, f.o.Now()):
		return f.o.Registration, nil
	}
	return nil, nil
}

// register settles our identity now that the redirect URI is known.
func (f *Flow) register(ctx context.Context, kept *oauth.ClientRegistration) error {
	scopes := f.Scopes
	if kept != nil {
		if kept.Covers(f.RedirectURI, scopes) {
			f.Registration = kept
			return nil
		}
		// Another server of this issuer may need what is registered already.
		scopes = oauth.Union(strings.Fields(kept.Scope), scopes)
	}
	as := f.Discovery.Server
	if as.RegistrationEndpoint == "" {
		return hint.New(hint.Refused, fmt.Sprintf("%s does not register programs by itself.", f.Issuer), f.askAdministrator())
	}
	meta := oauth.NativeClient(f.o.ClientName, f.RedirectURI, scopes, as)
	if f.o.Device { // good for the browser too, so that there is one registration
		meta.RedirectURIs = []string{"http://127.0.0.1/callback"}
		meta.GrantTypes = append(meta.GrantTypes, oauth.DeviceCodeGrant)
	}
	reg, err := f.o.Client.Register(ctx, as, meta)
	var refusal *oauth.Error
	if errors.As(err, &refusal) && !refusal.Temporary() {
		return hint.Wrap(err, hint.Refused, fmt.Sprintf("%s refused to register Keyporter.", f.Issuer), f.askAdministrator())
	}
	if err != nil {
		return err
	}
	if f.o.Registered != nil {
		if err := f.o.Registered(ctx, reg); err != nil {
			return fmt.Errorf("keep registration: %w", err)
		}
	}
	f.Registration = reg
	return nil
}

// askAdministrator says what to ask for where registration does not work.
func (f *Flow) askAdministrator() string {
	uri, port := f.RedirectURI, ""
	if u, err := url.Parse(uri); err == nil && f.o.RedirectURI == "" {
		u.Host = u.Hostname()
		uri, port = u.String(), " (any port)"
	}
	return fmt.Sprintf("Ask its administrator for the client id of a public, native client with the redirect URI %s%s, PKCE and refresh tokens, and give it with --client-id.", uri, port)
}

// portOf returns the port that a registration's redirect URI has, or 0.
func portOf(r *oauth.ClientRegistration) int {
	for _, uri := range r.RedirectURIs {
		if u, err := url.Parse(uri); err == nil {
			if port, err := strconv.Atoi(u.Port()); err == nil {
				return port
			}
		}
	}
	return 0
}
