package team

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"keyporter/broker/account"
)

// A Code says what a Concern is about. A code that a reader does not know is one
// to be careful about.
type Code string

// The concerns.
const (
	AudienceElsewhere Code = "audience"       // tokens for Value, which is not the server, are sent to the server
	ResourceElsewhere Code = "resource"       // the same, of a sign-in
	IssuerElsewhere   Code = "issuer"         // Value, another place than the server, signs in or gets the account's secret
	GoogleAccess      Code = "google_access"  // tokens that are good at Google's own APIs, for Value, are sent to the server
	SeveralServers    Code = "several"        // tokens of Account go to a second place, Value
	NoResource        Code = "no_resource"    // a sign-in does not say which server its tokens are for
	SignInChanged     Code = "sign_in"        // Value changes how a sign-in is asked for
	IDToken           Code = "id_token"       // the server gets the token that says who somebody is
	PrivateHost       Code = "private_host"   // the server may send a sign-in to Value, in a private network
	ThisComputer      Code = "this_computer"  // the server's address is on the computer that joins
	SecretElsewhere   Code = "secret_ref"     // the account's secret is read at Value, with the member's own login
	SignerChanged     Code = "signer_changed" // the profile was signed by somebody else before, who is Value
	NoLongerSigned    Code = "unsigned_now"   // the profile was signed by Value before
	SignerExpired     Code = "signer_expired" // the key of Value is no longer valid
	SourceChanged     Code = "source_changed" // the profile came from Value before
	Older             Code = "older"          // a newer version was joined before, of the day Value
)

// A Concern is something in a profile that could make somebody send a valid token
// to a stranger, and is therefore agreed to by itself.
type Concern struct {
	Code    Code   `json:"code"`
	Server  string `json:"server,omitempty"`  // the name of the server in the profile
	Account string `json:"account,omitempty"` // and of the account
	Value   string `json:"value,omitempty"`
	Origin  string `json:"origin,omitempty"` // of the server: where the tokens go
}

// Concerns returns what is to be agreed to by itself, in a fixed order.
func (p *Profile) Concerns() []Concern {
	var all []Concern
	first := map[string]string{} // by account: the first origin that gets its tokens
	for _, name := range p.ServerNames() {
		s := p.Servers[name]
		origin := originOf(s.URL)
		all = append(all, ofServer(s, origin)...)
		for _, l := range s.Layers() {
			a := p.Accounts[l.Account]
			if a == nil {
				continue
			}
			all = append(all, ofAccount(a, name, origin)...)
			if had, ok := first[a.Name]; ok && had != origin {
				all = append(all, Concern{SeveralServers, name, a.Name, had, origin})
			} else {
				first[a.Name] = origin
			}
		}
	}
	for _, name := range p.AccountNames() {
		if a := p.Accounts[name]; a.SecretRef != "" {
			all = append(all, Concern{Code: SecretElsewhere, Account: name, Value: a.SecretRef})
		}
	}
	return all
}

// ofServer returns the concerns about a server's own members.
func ofServer(s *account.Server, origin string) []Concern {
	var all []Concern
	note := func(code Code, value string) {
		all = append(all, Concern{Code: code, Server: s.Name, Value: value, Origin: origin})
	}
	if u, err := url.Parse(s.URL); err == nil && account.Loopback(u.Hostname()) {
		note(ThisComputer, s.URL)
	}
	if s.Issuer != "" && originOf(s.Issuer) != origin {
		note(IssuerElsewhere, s.Issuer)
	}
	if s.Audience != "" && originOf(s.Audience) != origin {
		note(AudienceElsewhere, s.Audience)
	}
	if s.Resource != "" && originOf(s.Resource) != origin {
		note(ResourceElsewhere, s.Resource)
	}
	if s.NoResource {
		note(NoResource, "")
	}
	if s.UseIDToken {
		note(IDToken, "")
	}
	if len(s.Preset) > 0 {
		note(SignInChanged, "preset "+string(s.Preset))
	}
	for _, name := range slices.Sorted(maps.Keys(s.AuthorizeParams)) {
		if !slices.Contains(harmless, name) {
			note(SignInChanged, name+"="+s.AuthorizeParams[name])
		}
	}
	for _, host := range s.AllowHosts {
		note(PrivateHost, host)
	}
	return all
}

// harmless are sign-in parameters that choose a page or a person and not what a
// token is good for.
var harmless = []string{"access_type", "prompt", "hd", "login_hint", "domain_hint", "kc_idp_hint", "ui_locales", "display", "max_age"}

// ofAccount returns the concerns about an account whose tokens go to a server.
func ofAccount(a *account.Account, server, origin string) []Concern {
	var all []Concern
	note := func(code Code, value string) { all = append(all, Concern{code, server, a.Name, value, origin}) }
	if a.Audience != "" && originOf(a.Audience) != origin {
		note(AudienceElsewhere, a.Audience)
	}
	for _, u := range []string{a.Issuer, a.TokenEndpoint, a.IDPTokenEndpoint} {
		if u != "" && originOf(u) != origin {
			note(IssuerElsewhere, u)
		}
	}
	switch a.Kind {
	case account.Google, account.GoogleKey, account.GoogleImpersonate, account.GoogleADC:
		if a.Audience == "" && !a.SelfSigned && !atGoogle(origin) {
			note(GoogleAccess, strings.Join(a.Scopes, " "))
		}
	}
	return all
}

// atGoogle reports whether an origin is one of Google's APIs, for which its access
// tokens are meant.
func atGoogle(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Scheme == "https" && (u.Host == "googleapis.com" || strings.HasSuffix(u.Host, ".googleapis.com"))
}

// originOf returns the origin of a URL, or "" for what is none.
func originOf(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return ""
	}
	return account.Origin(u)
}
