package google

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// googleTokenURL is where a person's refresh token goes.
const googleTokenURL = defaultTokenURI

// DefaultOptions are the settings of a Default.
type DefaultOptions struct {
	Credentials  *Credentials     // Optional; nil means the metadata server of a Google Cloud machine.
	Client       *http.Client     // Required. For Google's addresses and those in the Credentials' Binding.
	Metadata     *http.Client     // Required without Credentials. It should use no proxy.
	MetadataHost string           // Optional. In place of the metadata server's address.
	Now          func() time.Time // Optional; nil means time.Now.
}

// A Default makes tokens with the computer's application-default credentials: an
// access token with the request's Scopes, or an ID token for its Audience where
// the credentials are a service account's.
type Default struct {
	wire
	o        DefaultOptions
	metadata wire
}

var _ token.Source = (*Default)(nil)

// NewDefault checks the options and returns a Default.
func NewDefault(o DefaultOptions) (*Default, error) {
	switch {
	case o.Client == nil:
		return nil, errors.New("google default credentials: Client is required")
	case o.Credentials == nil && o.Metadata == nil:
		return nil, errors.New("google default credentials: Metadata is required")
	}
	d := &Default{wire: newWire(o.Client, o.Now), o: o}
	if o.Credentials == nil {
		d.o.Credentials = &Credentials{Type: MetadataServer}
		d.metadata = newWire(o.Metadata, o.Now)
	}
	return d, nil
}

// Token returns a new token for req.
func (d *Default) Token(ctx context.Context, req token.Request) (*token.Token, error) {
	c := d.o.Credentials
	switch {
	case req.Kind == token.IDToken && req.Audience == "", req.Kind == token.AccessToken && len(req.Scopes) == 0,
		req.Kind != token.IDToken && req.Kind != token.AccessToken:
		return nil, hint.New(hint.Usage, "The Google credentials of this computer need to know what token to make.", "Use --audience or --scope.")
	case c.Type == ServiceAccount:
		s, err := New(Options{Key: c.key, Client: d.o.Client, Now: d.o.Now})
		if err != nil {
			return nil, err
		}
		return s.Token(ctx, req)
	case c.Type == MetadataServer:
		return d.fromMetadata(ctx, req)
	case c.Email != "": // impersonated, or federated with impersonation
		return d.impersonate(ctx, c, req)
	case req.Kind == token.IDToken:
		return nil, d.noIDToken(c, req.Audience)
	case c.Type == AuthorizedUser:
		return d.refresh(ctx, c, req.Scopes)
	}
	return d.exchange(ctx, c, req.Scopes)
}

// noIDToken is for credentials that are no service account's.
func (d *Default) noIDToken(c *Credentials, audience string) error {
	who := "a person's sign-in"
	if c.Type == ExternalAccount {
		who = "those of a federated identity without a service account"
	}
	return hint.New(hint.Usage, fmt.Sprintf("The Google credentials of this computer are %s, which gets no ID tokens for %s.", who, clean(audience, 80)),
		"Use them through a service account: keyporter account add google-impersonate NAME --as EMAIL --through THIS --audience AUDIENCE")
}

// impersonate gets a service account's token with the credentials beneath.
func (d *Default) impersonate(ctx context.Context, c *Credentials, req token.Request) (*token.Token, error) {
	beneath := func(ctx context.Context, _ string) (*Caller, error) {
		caller := &Caller{QuotaProject: c.QuotaProject}
		var err error
		switch {
		case c.Type == ExternalAccount:
			caller.Token, err = d.exchange(ctx, c, []string{CloudPlatform})
		default:
			caller.Identity = c.source.identity()
			below := *d
			below.o.Credentials = c.source
			caller.Token, err = below.Token(ctx, token.Request{Account: req.Account, Kind: token.AccessToken, Scopes: []string{CloudPlatform}})
		}
		return caller, err
	}
	i, err := NewImpersonation(ImpersonationOptions{
		Client: d.o.Client, Caller: beneath, Principal: c.Email, Delegates: c.delegates, Lifetime: time.Duration(c.lifetime) * time.Second, Now: d.o.Now,
	})
	if err != nil {
		return nil, err
	}
	return i.Token(ctx, req)
}

// identity is whose the credentials are, as far as they say.
func (c *Credentials) identity() string {
	if c.Email != "" {
		return c.Email
	}
	return c.Account
}

// refresh gets a person's access token (RFC 6749 section 6). Its scopes are those
// of the sign-in: asking for fewer is no protection here, and for more is refused.
func (d *Default) refresh(ctx context.Context, c *Credentials, scopes []string) (*token.Token, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {c.clientID}, "refresh_token": {c.refreshToken.Reveal()}}
	if !c.clientSecret.IsZero() {
		form.Set("client_secret", c.clientSecret.Reveal())
	}
	ans, no, err := d.form(ctx, googleTokenURL, nil, form)
	switch {
	case err != nil:
		return nil, err
	case no != nil:
		return nil, personRefused(no.Error)
	}
	tok, why := ans.accessToken(d.now(), scopes)
	if why != "" {
		return nil, oddAnswer(hostOf(googleTokenURL), why)
	}
	return tok, nil
}

func personRefused(no *oauth.Error) error {
	const do = "Sign in again: gcloud auth application-default login"
	switch {
	case no.Temporary():
		return hint.Wrap(no, hint.Unreachable, "oauth2.googleapis.com has a problem at the moment.", "Try again later.")
	case no.Code == oauth.InvalidGrant:
		return hint.Wrap(no, hint.SignInNeeded, "The Google sign-in of this computer has ended.", do)
	}
	return hint.Wrap(no, hint.Refused, "Google does not accept the credentials of this computer.", do)
}

// DefaultCredentialsFile returns the place where Google's tools keep a person's
// application-default credentials (AIP-4113), or "" if it cannot be told.
// GOOGLE_APPLICATION_CREDENTIALS goes before.
func DefaultCredentialsFile(getenv func(string) string) string {
	if f := getenv("GOOGLE_APPLICATION_CREDENTIALS"); f != "" {
		return f
	}
	dir := getenv("CLOUDSDK_CONFIG")
	switch {
	case dir != "":
	case runtime.GOOS == "windows": // where it is, for the name of a folder only
		if dir = getenv("APPDATA"); dir == "" {
			return ""
		}
		dir = filepath.Join(dir, "gcloud")
	default:
		if dir = getenv("HOME"); dir == "" {
			return ""
		}
		dir = filepath.Join(dir, ".config", "gcloud")
	}
	return filepath.Join(dir, "application_default_credentials.json")
}
