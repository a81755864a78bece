package team

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// Options are what a profile is built from.
type Options struct {
	Name        string          // Required.
	Description string          // Optional.
	Config      *account.Config // Required.
	Servers     []string        // Optional. Names; empty means all.
	IssuedAt    time.Time       // Required.
	ExpiresAt   time.Time       // Optional. Zero means never.

	// ClientSecrets are those of Google sign-ins that their owner said are not
	// confidential, by account. Optional.
	ClientSecrets map[string]secret.Plain
}

// Build makes a profile of servers in the list, with templates of their accounts.
// What it leaves out, it says.
func Build(o Options) (*Profile, []local.Left, error) {
	if err := account.CheckName(o.Name); err != nil {
		return nil, nil, err
	}
	if o.Servers == nil {
		o.Servers = o.Config.ServerNames()
	}
	if len(o.Servers) == 0 {
		return nil, nil, hint.New(hint.Usage, "There is no server to share.", "Add one first: keyporter add NAME URL")
	}
	p := &Profile{
		Name: o.Name, Description: o.Description, IssuedAt: o.IssuedAt, ExpiresAt: o.ExpiresAt,
		Servers: map[string]*account.Server{}, Accounts: map[string]*account.Account{}, ClientSecrets: map[string]string{},
	}
	var left []local.Left
	for _, name := range o.Servers {
		s := o.Config.Servers[name]
		if s == nil {
			return nil, nil, hint.New(hint.NotFound, fmt.Sprintf("There is no server named %q.", clip(name)), "See keyporter list.")
		}
		not, err := p.addServer(s, &o)
		if err != nil {
			return nil, nil, err
		}
		left = append(left, not...)
	}
	return p, left, nil
}

// addServer adds what a profile carries of a server, and of its accounts.
func (p *Profile) addServer(from *account.Server, o *Options) ([]local.Left, error) {
	own := *from
	s := &own
	var left []local.Left
	note := func(what string) { left = append(left, local.Left{Server: from.Name, What: what}) }
	for header := range from.Headers {
		if likeCredential(header) {
			s.Headers = maps.Clone(s.Headers)
			delete(s.Headers, header)
			note("headers." + header)
		}
	}
	u, names := withoutCredentials(from.URL)
	s.URL = u
	for _, name := range names {
		note("url." + name)
	}
	for _, l := range from.Layers() {
		a := o.Config.Accounts[l.Account]
		switch {
		case l.Account == "":
		case a != nil && a.Kind == account.OAuth: // made by the sign-in, there as here
			s.Without(l.Account)
		case a == nil || !p.addAccount(a, o, &left):
			s.Without(l.Account)
			note(local.OwnAccount)
		}
	}
	carried := ServerMembers(s)
	for _, name := range slices.Sorted(maps.Keys(pick(from, notCarried))) {
		note(name)
	}
	if len(s.SecretHeaders) > 0 {
		note(local.OwnSecret)
	}
	back, err := carried.server(from.Name)
	if err != nil {
		return nil, hint.Wrap(err, hint.Usage, fmt.Sprintf("The server %q cannot be shared. %s", from.Name, hint.Of(err).What), "Leave it out, or change it first.")
	}
	p.Servers[from.Name] = back
	return left, nil
}

// notCarried are the members of a server that belong to one computer or person.
var notCarried = []string{"allow_http", "sign_in", "proxy", "ca", "client_cert", "secret_query"}

// addAccount adds a template of an account and of those that it goes through. It
// reports false for one that a profile cannot carry.
func (p *Profile) addAccount(a *account.Account, o *Options, left *[]local.Left) bool {
	if p.Accounts[a.Name] != nil {
		return true
	}
	if !Carries(a.Kind) || a.Kind == account.Enterprise && a.Through == "" {
		return false
	}
	for _, through := range []string{a.Through, a.SecretThrough} {
		if next := o.Config.Accounts[through]; through != "" && (next == nil || !p.addAccount(next, o, left)) {
			return false
		}
	}
	template, err := AccountMembers(a).account(a.Name)
	if err != nil {
		return false
	}
	p.Accounts[a.Name] = template
	if v, ok := o.ClientSecrets[a.Name]; ok && a.Kind == account.Google {
		p.ClientSecrets[a.Name] = v.Reveal()
	} else if NeedsSecret(a) {
		*left = append(*left, local.Left{Account: a.Name, What: local.OwnSecret})
	}
	return true
}

// NeedsSecret reports whether an account of this kind has a secret of its own.
func NeedsSecret(a *account.Account) bool {
	switch a.Kind {
	case account.Google, account.GoogleKey, account.ClientCredentials, account.Enterprise, account.Static:
		return a.SecretRef == ""
	}
	return false
}

// withoutCredentials returns an address without those parameters of its query whose
// names say that they let somebody in, and their names.
func withoutCredentials(address string) (string, []string) {
	u, err := url.Parse(address)
	if err != nil {
		return address, nil
	}
	var names, kept []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		raw, _, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(raw); err != nil || likeCredential(name) {
			names = append(names, raw)
		} else {
			kept = append(kept, part)
		}
	}
	if names == nil {
		return address, nil
	}
	u.RawQuery = strings.Join(kept, "&")
	return u.String(), names
}

// likeCredential reports whether the name of a header or of a query's parameter says that its value lets somebody
// in. Such a value belongs into a secret header, and into no profile.
func likeCredential(header string) bool {
	h := strings.ToLower(header)
	return slices.Contains(credentialHeaders, h) || slices.ContainsFunc([]string{"key", "token", "secret", "password", "auth", "session", "credential"}, func(word string) bool {
		return strings.Contains(h, word)
	})
}
