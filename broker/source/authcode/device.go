package authcode

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

// checkDevice refuses an authorization server that knows no device codes.
func (f *Flow) checkDevice() error {
	if f.Discovery.Server.DeviceAuthorizationEndpoint == "" {
		return hint.New(hint.Refused, fmt.Sprintf("%s knows no sign-in with a device code.", f.Issuer),
			"Sign in without --device; with --no-browser the address can be opened on another computer.")
	}
	return nil
}

// startDevice asks for a code (RFC 8628 section 3.1). There is no redirect, so no
// state protects it, and PKCE only where the provider is known to take it here; the
// person compares the code.
func (f *Flow) startDevice(ctx context.Context) error {
	form := f.resourceForm()
	if len(f.Scopes) > 0 {
		form.Set("scope", strings.Join(f.Scopes, " "))
	}
	if f.Preset.DevicePKCE {
		form.Set("code_challenge", oauth2.S256ChallengeFromVerifier(f.verifier.Reveal()))
		form.Set("code_challenge_method", "S256")
	}
	var d *oauth.DeviceAuthorization
	err := f.registeredAnew(ctx, func() (err error) {
		d, err = f.o.Client.AuthorizeDevice(ctx, f.Discovery.Server.DeviceAuthorizationEndpoint, f.auth(), form)
		return err
	})
	if err != nil {
		return f.explain(err)
	}
	f.device, f.UserCode, f.URL = d, d.UserCode, d.VerificationURI
	if d.VerificationURIComplete != "" {
		f.URL = d.VerificationURIComplete
	}
	f.nonce = "" // the request has none
	return nil
}

// resourceForm has the parameters that say what the tokens are for.
func (f *Flow) resourceForm() url.Values {
	form := url.Values{}
	if f.Resource != "" {
		form.Set("resource", f.Resource)
	}
	if f.audience != "" {
		form.Set("audience", f.audience)
	}
	return form
}

// waitDevice polls until the person has agreed.
func (f *Flow) waitDevice(ctx context.Context) (*Grant, error) {
	form := url.Values{}
	if f.Resource != "" {
		form.Set("resource", f.Resource)
	}
	if f.Preset.DevicePKCE {
		form.Set("code_verifier", f.verifier.Reveal())
	}
	res, err := f.o.Client.PollDevice(ctx, f.Discovery.Server.TokenEndpoint, f.auth(), f.device, form)
	switch oauth.CodeOf(err) {
	case oauth.AccessDenied:
		return nil, hint.Wrap(err, hint.Refused, fmt.Sprintf("The sign-in at %s was declined.", f.Issuer), "Sign in again and agree, or ask the administrator for access.")
	case oauth.ExpiredToken:
		return nil, hint.Wrap(err, hint.SignInNeeded, "Nobody typed the code in time.", "Start the sign-in again when you are ready.")
	}
	if err != nil {
		return nil, f.explain(err)
	}
	return f.grant(res)
}
