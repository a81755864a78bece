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
	case f.o.Registration.Usable(f.Issuer, f.o.Now()) && !f.forgotten(f.o.Registration):
		return f.o.Registration, nil
	}
	return nil, nil
}

// forgotten reports whether the provider no longer knows a registration by now,
// as far as it is known for that.
func (f *Flow) forgotten(r *oauth.ClientRegistration) bool {
	end := f.Preset.RegistrationEnds(r.Issued)
	return r.Kind == oauth.Dynamic && !end.IsZero() && !f.o.Now().Before(end)
}

// register settles our identity now that the redirect URI is known.
func (f *Flow) register(ctx context.Context, kept *oauth.ClientRegistration) error {
	scopes := f.Scopes
	if kept != nil {
		if kept.Covers(f.RedirectURI, scopes) {
			f.Registration, f.Kept = kept, kept.Kind == oauth.Dynamic
			return nil
		}
		// Another server of this issuer may need what is registered already.
		scopes = oauth.Union(strings.Fields(kept.Scope), scopes)
	}
	as := f.Discovery.Server
	if as.RegistrationEndpoint == "" || f.Preset.NoRegistration {
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
	f.Registration, f.Kept = reg, false
	return nil
}

// askAdministrator says what to ask for where registration does not work: all
// that has to be set for the client, word for word.
func (f *Flow) askAdministrator() string {
	var b strings.Builder
	if f.Preset.Ask != "" {
		b.WriteString(f.Preset.Ask + " ")
	}
	b.WriteString("Ask the administrator for the client id of a public, native client with PKCE (S256), refresh tokens")
	if f.o.Device {
		b.WriteString(", device codes")
	}
	if uri := f.RedirectURI; uri != "" {
		if u, err := url.Parse(uri); err == nil && f.fixedRedirect() == "" && !f.Preset.ExactRedirect {
			u.Host = u.Hostname()
			uri = u.String() + " (any port)"
		}
		b.WriteString(", the redirect URI " + uri)
	}
	if len(f.Scopes) > 0 {
		fmt.Fprintf(&b, ", and the scopes %s", strings.Join(f.Scopes, " "))
	}
	b.WriteString("; give it with --client-id")
	if f.RedirectURI != "" && f.fixedRedirect() == "" && f.Preset.ExactRedirect {
		b.WriteString(" and --redirect-uri")
	}
	return b.String() + "."
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
