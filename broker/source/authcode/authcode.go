// Package authcode gets tokens with a person's sign-in in the browser: the
// authorization code grant with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 8252),
// as MCP authorization 2026-07-28 has it, or a device code (RFC 8628), and refresh
// tokens afterwards. Tokens may be bound to a key (RFC 9449).
//
// Start prepares a sign-in and returns a Flow with the address to open; Wait
// returns the Grant. A Source then turns the grant into fresh tokens. The package
// opens no browser and stores nothing: grants and registrations leave through
// functions in the options.
package authcode

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"keyporter/assets"
	"keyporter/broker/loopback"
	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// Options say whom to sign in to and what the user fixed. What the user did not
// fix follows from the server's metadata.
type Options struct {
	Client    *oauth.Client    // Required.
	ServerURL string           // Required. The MCP server, as the user typed it.
	Challenge *oauth.Challenge // Optional. The Bearer challenge of the server's 401.
	Discovery *oauth.Discovery // Optional. What Client.Discover found; nil asks again.

	// Preset is what is known about the issuer. Optional; nil is what
	// oauth.FindPreset knows. What the options below fix counts before it.
	Preset *oauth.Preset

	Issuer            string       // Optional. The user's choice of authorization server.
	ClientID          string       // Optional. A pre-registered client.
	ClientSecret      secret.Value // Optional. Of ClientID.
	AuthMethod        string       // Optional. Of ClientID; empty follows the metadata.
	ClientIssuer      string       // Optional. The issuer that ClientID belongs to; another one is an error then.
	ClientMetadataURL string       // Optional. Our client ID metadata document, for servers that read such.
	ClientName        string       // Optional. For dynamic registration; empty is Keyporter.

	// Registration is a dynamic one from an earlier sign-in. It is used again if it
	// belongs to the issuer and its port is free. Optional.
	Registration *oauth.ClientRegistration
	// Registered stores a new dynamic registration durably, before the sign-in
	// goes on. Optional.
	Registered func(context.Context, *oauth.ClientRegistration) error

	Scopes          []string          // Optional. In place of what the server names.
	MoreScopes      []string          // Optional. Beyond those: what the server asked for since (step-up).
	Resource        string            // Optional. In place of the resource that the metadata names.
	NoResource      bool              // Optional. Send no resource at all.
	Audience        string            // Optional. The audience parameter that Auth0 wants.
	AuthorizeParams map[string]string // Optional. Further parameters; an empty value removes one that we would add.
	SelectAccount   bool              // Optional. Ask who signs in, although somebody is signed in at the issuer.
	AssumePKCE      bool              // Optional. The issuer does S256 though its metadata does not say so.
	DPoP            DPoP              // Optional. Empty is DPoPAuto.
	UseIDToken      bool              // Optional. The server wants the ID token in place of the access token.
	Device          bool              // Optional. Sign in with a code on another device; no redirect comes back.

	RedirectURI string             // Optional. As for loopback.Options; one beyond loopback works by Paste only.
	Port        int                // Optional. The port to try first.
	Page        *template.Template // Optional. As for loopback.Options.

	Now func() time.Time // Optional. nil is time.Now.
}

// DPoP says whether tokens are bound to a key (RFC 9449).
type DPoP string

const (
	DPoPAuto   DPoP = "auto"   // where the server says that it wants that
	DPoPAlways DPoP = "always" // an authorization server that cannot is refused
	DPoPNever  DPoP = "never"
)

// A Flow is one sign-in under way. Its state, verifier and nonce live nowhere
// else. The fields do not change after Start.
type Flow struct {
	URL          string                    // to open in a browser; checked to be safe to open
	Issuer       string                    // who signs the user in
	UserCode     string                    // to type at URL on a device code sign-in; else empty
	RedirectURI  string                    // where the browser comes back to; empty for a device code
	Resource     string                    // what the tokens are for; empty with NoResource
	Scopes       []string                  // asked for; nil: the server's default
	Kept         bool                      // Registration is from an earlier sign-in
	Registration *oauth.ClientRegistration // our identity at the issuer
	Discovery    *oauth.Discovery          // what was found out
	Preset       *oauth.Preset             // what is known about the issuer; its Name may be empty

	o        Options
	state    string         // binds the answer to this flow
	verifier secret.Value   // RFC 7636 section 4.1
	audience string         // the audience parameter; empty: none
	nonce    string         // OpenID Connect Core section 3.1.2.1; empty without openid
	dpop     *oauth.DPoPKey // nil: plain bearer tokens
	device   *oauth.DeviceAuthorization
	listener *loopback.Listener      // nil for a redirect URI beyond loopback and for a device code
	pasted   chan *loopback.Response // holds one; never closed
}

// Start finds out about the server, opens the redirect listener, registers a
// client if need be, and makes the authorization URL. Close ends the flow; Wait
// does so too.
func Start(ctx context.Context, o Options) (*Flow, error) {
	if o.Client == nil || o.ServerURL == "" {
		return nil, errors.New("start sign-in: Client and ServerURL are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ClientName == "" {
		o.ClientName = "Keyporter"
	}
	f := &Flow{o: o, Discovery: o.Discovery, state: rand.Text(), verifier: secret.New(oauth2.GenerateVerifier()), pasted: make(chan *loopback.Response, 1)}
	if err := f.prepare(ctx); err != nil {
		f.Close()
		return nil, fmt.Errorf("start sign-in: %w", err)
	}
	return f, nil
}

func (f *Flow) prepare(ctx context.Context) error {
	if f.Discovery == nil {
		d, err := f.o.Client.Discover(ctx, f.o.ServerURL, f.o.Challenge, f.o.Issuer)
		if err != nil {
			return err
		}
		f.Discovery = d
	}
	f.Issuer = f.Discovery.Server.Issuer
	if f.Preset = f.o.Preset; f.Preset == nil {
		var err error
		if f.Preset, err = oauth.FindPreset(f.Issuer, nil); err != nil {
			return err
		}
	}
	if err := f.checkServer(); err != nil {
		return err
	}
	if err := f.chooseResource(); err != nil {
		return err
	}
	f.Scopes = f.chooseScopes()
	if slices.Contains(f.Scopes, "openid") {
		f.nonce = rand.Text()
	}
	if err := f.chooseDPoP(); err != nil {
		return err
	}
	kept, err := f.keptRegistration()
	if err != nil {
		return err
	}
	if kept != nil && kept.Kind == oauth.Dynamic && f.o.Now().Sub(kept.Issued).Abs() > fresh && f.o.Client.Forgotten(ctx, f.Discovery.Server, kept) {
		kept = nil
	}
	if err := f.listen(ctx, kept); err != nil {
		return err
	}
	if err := f.register(ctx, kept); err != nil {
		return err
	}
	if f.o.Device {
		return f.startDevice(ctx)
	}
	f.URL, err = f.authorizationURL(ctx)
	return err
}

// fresh is how long a registration is not doubted.
const fresh = 24 * time.Hour

// checkServer refuses an authorization server that a code cannot safely come from.
func (f *Flow) checkServer() error {
	if f.o.Device {
		return f.checkDevice()
	}
	if err := CheckServer(f.Discovery, f.Preset, f.o.AssumePKCE); err != nil {
		return err
	}
	// A server elsewhere sends no browser into this computer or its network.
	return f.o.Client.CheckEndpoint(f.Discovery.Server.AuthorizationEndpoint)
}

// CheckServer refuses an authorization server that a code cannot safely come from.
// assumePKCE is the user's word that it does S256 though its metadata does not say
// so.
func CheckServer(d *oauth.Discovery, preset *oauth.Preset, assumePKCE bool) error {
	as := d.Server
	switch {
	case as.AuthorizationEndpoint == "":
		return hint.New(hint.Refused, fmt.Sprintf("%s has no page to sign in at.", as.Issuer),
			"If it is for programs only, add the server with a client-credentials account.")
	case !slices.Contains(as.CodeChallengeMethodsSupported, "S256") && !assumePKCE && !preset.AssumePKCE && !d.Guessed:
		// MCP authorization, authorization code protection: refuse.
		return hint.New(hint.Refused, fmt.Sprintf("%s does not say that it protects sign-ins with PKCE (S256).", as.Issuer),
			"If you know that it does, as Entra ID and Cognito do, set the server up with --assume-pkce.")
	}
	return oauth.CheckBrowserURL(as.AuthorizationEndpoint)
}

// auth is our authentication at the authorization server.
func (f *Flow) auth() oauth.ClientAuth {
	a := f.Registration.Auth()
	a.DPoP = f.dpop
	return a
}

// fixedRedirect is the redirect URI that must be used as it is: the user's, or the
// one that a provider's clients have. Empty: any on this computer.
func (f *Flow) fixedRedirect() string {
	if f.o.RedirectURI != "" {
		return f.o.RedirectURI
	}
	return f.Preset.RedirectURI
}

// listen opens the redirect listener, at the port of a kept registration if it
// is free.
func (f *Flow) listen(ctx context.Context, kept *oauth.ClientRegistration) error {
	if f.o.Device {
		return nil
	}
	redirect := f.fixedRedirect()
	if redirect != "" && !loopback.IsLoopback(redirect) {
		u, err := url.Parse(redirect)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
			return hint.New(hint.Usage, "The redirect URI is neither https nor on this computer.",
				"Use http://127.0.0.1:PORT/callback, or the https address that the administrator gave you.")
		}
		f.RedirectURI = redirect
		return nil
	}
	o := loopback.Options{State: f.state, RedirectURI: redirect, Ports: f.ports(kept), Page: f.o.Page}
	l, err := loopback.Listen(ctx, o)
	if err != nil {
		return err
	}
	f.listener, f.RedirectURI = l, l.RedirectURI()
	return nil
}

// ports are those to try first: what a dynamic registration was made with and what
// was used before; for a metadata document only those that ours lists, as some
// providers compare the port too.
func (f *Flow) ports(kept *oauth.ClientRegistration) []int {
	var ports []int
	if kept != nil && kept.Kind == oauth.Dynamic {
		ports = append(ports, portOf(kept))
	}
	listed := f.Preset.ExactRedirect || kept != nil && kept.Kind == oauth.MetadataDocument
	if !listed || slices.Contains(assets.RedirectPorts, f.o.Port) {
		ports = append(ports, f.o.Port)
	}
	if listed {
		ports = append(ports, assets.RedirectPorts...)
	}
	return ports
}

// Close ends the flow, whether or not an answer has come. It may be called more
// than once.
func (f *Flow) Close() {
	if f.listener != nil {
		f.listener.Close()
	}
}
