package authcode

import (
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

// authorizationURL makes the authorization request (RFC 6749 section 4.1.1, RFC
// 7636 section 4.3, RFC 8707 section 2.1).
func (f *Flow) authorizationURL() (string, error) {
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
		v.Set("scope", strings.Join(f.Scopes, " "))
	}
	if f.o.Audience != "" {
		v.Set("audience", f.o.Audience)
	}
	if f.dpop != nil {
		v.Set("dpop_jkt", f.dpop.Thumbprint()) // RFC 9449 section 10
	}
	if f.nonce != "" {
		v.Set("nonce", f.nonce)
	}
	var prompt []string
	if f.o.SelectAccount {
		prompt = append(prompt, "select_account") // OpenID Connect Core section 3.1.2.1
	}
	if slices.Contains(f.Scopes, "offline_access") {
		prompt = append(prompt, "consent") // OpenID Connect Core section 11: no refresh token without
	}
	if len(prompt) > 0 {
		v.Set("prompt", strings.Join(prompt, " "))
	}
	for _, name := range slices.Sorted(maps.Keys(f.o.AuthorizeParams)) {
		if slices.Contains(fixed, name) {
			return "", hint.New(hint.Usage, fmt.Sprintf("The parameter %s is set by Keyporter.", name), "Leave it out of --authorize-param.")
		}
		if value := f.o.AuthorizeParams[name]; value != "" {
			v.Set(name, value)
		} else {
			v.Del(name)
		}
	}
	full := withQuery(f.Discovery.Server.AuthorizationEndpoint, v)
	if err := oauth.CheckBrowserURL(full); err != nil {
		return "", err
	}
	return full, nil
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
