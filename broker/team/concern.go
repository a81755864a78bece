package team

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// Concerns returns what is to be agreed to by itself, in a fixed order.
func (p *Profile) Concerns() []local.Concern {
	var all []local.Concern
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
				all = append(all, local.Concern{Code: local.SeveralServers, Server: name, Account: a.Name, Value: had, Origin: origin})
			} else {
				first[a.Name] = origin
			}
		}
	}
	for _, name := range p.AccountNames() {
		if a := p.Accounts[name]; a.SecretRef != "" {
			all = append(all, local.Concern{Code: local.SecretElsewhere, Account: name, Value: a.SecretRef})
		}
	}
	return all
}

// ofServer returns the concerns about a server's own members.
func ofServer(s *account.Server, origin string) []local.Concern {
	var all []local.Concern
	note := func(code local.ConcernCode, value string) {
		all = append(all, local.Concern{Code: code, Server: s.Name, Value: value, Origin: origin})
	}
	if u, err := url.Parse(s.URL); err == nil && account.Loopback(u.Hostname()) {
		note(local.ThisComputer, s.URL)
	}
	switch {
	case s.Issuer != "" && originOf(s.Issuer) != origin:
		note(local.IssuerElsewhere, s.Issuer)
	case s.Issuer == "" && s.ClientID != "": // good at an issuer that the server names later, for whatever that gives this client
		note(local.SignInChanged, "client_id="+s.ClientID)
	}
	if s.Audience != "" && originOf(s.Audience) != origin {
		note(local.AudienceElsewhere, s.Audience)
	}
	if s.Resource != "" && originOf(s.Resource) != origin {
		note(local.ResourceElsewhere, s.Resource)
	}
	if s.NoResource {
		note(local.NoResource, "")
	}
	if s.UseIDToken {
		note(local.SendsIDToken, "")
	}
	if len(s.Preset) > 0 {
		note(local.SignInChanged, "preset "+string(s.Preset))
	}
	for _, name := range slices.Sorted(maps.Keys(s.AuthorizeParams)) {
		if !slices.Contains(harmless, name) {
			note(local.SignInChanged, name+"="+s.AuthorizeParams[name])
		}
	}
	for _, host := range s.AllowHosts {
		note(local.PrivateHost, host)
	}
	return all
}

// harmless are sign-in parameters that choose a page or a person and not what a
// token is good for.
var harmless = []string{"access_type", "prompt", "hd", "login_hint", "domain_hint", "kc_idp_hint", "ui_locales", "display", "max_age"}

// ofAccount returns the concerns about an account whose tokens go to a server.
func ofAccount(a *account.Account, server, origin string) []local.Concern {
	var all []local.Concern
	note := func(code local.ConcernCode, value string) {
		all = append(all, local.Concern{Code: code, Server: server, Account: a.Name, Value: value, Origin: origin})
	}
	if a.Audience != "" && originOf(a.Audience) != origin {
		note(local.AudienceElsewhere, a.Audience)
	}
	for _, u := range []string{a.Issuer, a.TokenEndpoint, a.IDPTokenEndpoint} {
		if u != "" && originOf(u) != origin {
			note(local.IssuerElsewhere, u)
		}
	}
	switch a.Kind {
	case account.Google, account.GoogleKey, account.GoogleImpersonate, account.GoogleADC:
		if a.Audience == "" && !a.SelfSigned && !atGoogle(origin) {
			what := strings.Join(a.Scopes, " ")
			if a.TargetPrincipal != "" { // whose they are decides what they open
				what += " as " + a.TargetPrincipal
			}
			note(local.GoogleAccess, what)
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
