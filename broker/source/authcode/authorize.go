package authcode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

// fixed are the parameters that nobody but this package sets: what protects the
// sign-in hangs on them.
var fixed = []string{"response_type", "client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method", "dpop_jkt",
	"nonce", "request", "request_uri", "response_mode", "scope", "resource", "audience"}

// authorizationURL makes the address to open: the authorization request itself, or
// the reference to one that was pushed where the server wants that (RFC 9126
// section 5).
func (f *Flow) authorizationURL(ctx context.Context) (string, error) {
	v, err := f.request()
	if err != nil {
		return "", err
	}
	if f.Discovery.Server.RequirePushedAuthorizationRequests {
		if v, err = f.push(ctx, v); err != nil {
			return "", err
		}
	}
	full := withQuery(f.Discovery.Server.AuthorizationEndpoint, v)
	if err := oauth.CheckBrowserURL(full); err != nil {
		return "", err
	}
	return full, nil
}

// push sends the authorization request beforehand and returns what stands for it
// (RFC 9126 section 4).
func (f *Flow) push(ctx context.Context, v url.Values) (url.Values, error) {
	endpoint := f.Discovery.Server.PushedAuthorizationRequestEndpoint
	if endpoint == "" {
		return nil, hint.New(hint.Refused, fmt.Sprintf("%s wants sign-ins announced (PAR) and does not say where.", f.Issuer),
			"Ask its administrator to correct its metadata.")
	}
	var uri string
	err := f.registeredAnew(ctx, func() (err error) {
		v.Set("client_id", f.Registration.ClientID)
		uri, err = f.o.Client.Push(ctx, endpoint, f.auth(), v)
		return err
	})
	var e *oauth.Error
	switch {
	case errors.As(err, &e) && !e.Temporary() && !e.Means(oauth.InvalidClient):
		return nil, f.refused(e)
	case err != nil:
		return nil, f.explain(err)
	}
	return url.Values{"client_id": {f.Registration.ClientID}, "request_uri": {uri}}, nil
}

// registeredAnew runs do, and once more with a new registration if the provider
// has forgotten the dynamic one from before.
func (f *Flow) registeredAnew(ctx context.Context, do func() error) error {
	err := do()
	if e := (*oauth.Error)(nil); !errors.As(err, &e) || !e.Means(oauth.InvalidClient) || !f.Kept {
		return err
	}
	if err := f.register(ctx, nil); err != nil {
		return err
	}
	return do()
}

// request makes the authorization request (RFC 6749 section 4.1.1, RFC 7636
// section 4.3, RFC 8707 section 2.1).
func (f *Flow) request() (url.Values, error) {
	v := url.Values{
		"response_type":         {"code"},
		"client_id":             {f.Registration.ClientID},
		"redirect_uri":          {f.RedirectURI},
		"state":                 {f.state},
		"code_challenge":        {oauth2.S256ChallengeFromVerifier(f.verifier.Reveal())},
		"code_challenge_method": {"S256"},
	}
	if f.Resource != "" {
		v.Set("resource", f.Resource)
	}
	if len(f.Scopes) > 0 {
		v.Set(f.scopeParam(), strings.Join(f.Scopes, " "))
	} else if f.Preset.ScopeRequired {
		return nil, hint.New(hint.Usage, fmt.Sprintf("%s wants to know which permissions to ask for, and the server names none.", f.Preset.Name),
			"Name them with --scope.")
	}
	if f.audience != "" {
		v.Set("audience", f.audience)
	}
	if f.dpop != nil {
		v.Set("dpop_jkt", f.dpop.Thumbprint()) // RFC 9449 section 10
	}
	if f.nonce != "" {
		v.Set("nonce", f.nonce)
	}
	if prompt := f.prompt(); prompt != "" {
		v.Set("prompt", prompt)
	}
	return v, f.addParams(v)
}

// scopeParam is the name of the scope parameter.
func (f *Flow) scopeParam() string {
	p := f.Preset
	if p.ScopeParam == "" {
		return "scope"
	}
	if u, err := url.Parse(f.Discovery.Server.AuthorizationEndpoint); p.ScopeParamAt != "" && (err != nil || u.Path != p.ScopeParamAt) {
		return "scope"
	}
	return p.ScopeParam
}

// prompt is OpenID Connect Core section 3.1.2.1.
func (f *Flow) prompt() string {
	var prompt []string
	if f.o.SelectAccount {
		if prompt = strings.Fields(f.Preset.SwitchPrompt); len(prompt) == 0 {
			prompt = []string{"select_account"}
		}
	}
	if slices.Contains(f.Scopes, "offline_access") && !f.Preset.NoConsent {
		prompt = append(prompt, "consent") // section 11: no refresh token without
	}
	return strings.Join(oauth.Union(prompt, strings.Fields(f.Preset.AuthorizeParams["prompt"])), " ")
}

// addParams adds the preset's parameters and then the user's.
func (f *Flow) addParams(v url.Values) error {
	for name, value := range f.Preset.AuthorizeParams {
		if name != "prompt" && !slices.Contains(fixed, name) {
			v.Set(name, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.o.AuthorizeParams)) {
		if slices.Contains(fixed, name) {
			return hint.New(hint.Usage, fmt.Sprintf("The parameter %s is set by Keyporter.", name), "Leave it out of --authorize-param.")
		}
		if value := f.o.AuthorizeParams[name]; value != "" {
			v.Set(name, value)
		} else {
			v.Del(name)
		}
	}
	return nil
}

// withQuery adds parameters to an endpoint's address. Parameters that the
// endpoint has already stay as they are written (RFC 6749 section 3.1), unless
// ours have the same name.
func withQuery(endpoint string, v url.Values) string {
	base, old, _ := strings.Cut(endpoint, "?")
	var parts []string
	for part := range strings.SplitSeq(old, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); part != "" && err == nil && !v.Has(plain) && !slices.Contains(fixed, plain) {
			parts = append(parts, part)
		}
	}
	return base + "?" + strings.Join(append(parts, v.Encode()), "&")
}
