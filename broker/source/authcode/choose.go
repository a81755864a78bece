package authcode

import (
	"fmt"
	"slices"

	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

// chooseResource sets the resource: the user's, else byte for byte what the
// metadata says, else the server's address. Providers that take an audience in its
// place get the same value there, unless the user set one.
func (f *Flow) chooseResource() (err error) {
	f.audience = f.o.Audience
	resource := f.o.Resource
	switch {
	case resource != "":
	case f.Discovery.Resource != nil:
		resource = f.Discovery.Resource.Resource
	default:
		resource, err = oauth.CanonicalResource(f.o.ServerURL)
	}
	if f.audience == "" && f.Preset.AudienceResource {
		f.audience = resource
	}
	if !f.o.NoResource && (!f.Preset.NoResource || f.o.Resource != "") {
		f.Resource = resource
	}
	return err
}

// chooseScopes is MCP authorization, scope selection: the challenge's, else all
// of the resource's metadata, else none. MoreScopes come on top: the union of what
// was asked for before and what a 403 wants (scope challenge handling).
func (f *Flow) chooseScopes() []string {
	wanted := f.o.Challenge.Scope()
	scopes := f.o.Scopes
	switch {
	case len(scopes) > 0:
	case len(wanted) > 0:
		scopes = wanted
	case f.Discovery.Resource != nil:
		scopes = f.Discovery.Resource.ScopesSupported
	}
	scopes = oauth.Union(scopes, f.o.MoreScopes)
	if f.o.UseIDToken { // without, no ID token comes
		scopes = oauth.Union([]string{"openid"}, scopes)
	}
	if len(scopes) == 0 {
		return nil // offline_access alone would replace the server's defaults
	}
	scopes = f.Preset.Qualify(scopes, f.o.Audience)
	if len(f.o.Scopes) == 0 && f.offlineAccess() {
		scopes = oauth.Union(scopes, []string{"offline_access"})
	}
	return scopes
}

// offlineAccess reports whether to ask for the scope of OpenID Connect Core
// section 11, without which some providers issue no refresh token.
func (f *Flow) offlineAccess() bool {
	switch f.Preset.OfflineAccess {
	case oauth.OfflineAlways:
		return true
	case oauth.OfflineNever:
		return false
	}
	return slices.Contains(f.Discovery.Server.ScopesSupported, "offline_access")
}

// chooseDPoP makes the key that the tokens are bound to, if they are to be.
func (f *Flow) chooseDPoP() (err error) {
	as := f.Discovery.Server
	switch f.o.DPoP {
	case DPoPNever:
		return nil
	case DPoPAlways:
		if algs := as.DPoPSigningAlgValuesSupported; len(algs) > 0 && !slices.Contains(algs, "ES256") {
			return hint.New(hint.Refused, fmt.Sprintf("%s does not bind tokens to keys of the kind ES256.", f.Issuer), "Set the server up with --dpop never.")
		}
	case DPoPAuto, "":
		if !f.Discovery.UsesDPoP(f.o.Challenge) {
			return nil
		}
	default:
		return fmt.Errorf("DPoP: %q is none of auto, always, never", f.o.DPoP)
	}
	f.dpop, err = oauth.NewDPoPKey()
	return err
}
