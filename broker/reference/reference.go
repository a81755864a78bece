// Package reference reads secrets that rest in a store which a team has: K/V
// engines of HashiCorp Vault and OpenBao (vault://), their Transit keys, which sign
// and never leave (vault-transit://), and Google Secret Manager (gcpsm://). The
// member's own login reads them, each time they are used; nothing is stored.
//
//	vault://MOUNT/PATH[?address=URL&namespace=N&version=N][#FIELD]
//	vault-transit://MOUNT/KEY[?address=URL&namespace=N&version=N&kid=ID]
//	gcpsm://PROJECT/SECRET[/VERSION][?location=L][#FIELD]
//
// Parse reads a reference, a Store resolves it. A reference is no secret: it may
// stand in config.json and in a team profile. What it decides, the address above
// all, is the caller's to bind. The package starts no goroutines.
package reference

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/internal/hint"
	"keyporter/internal/lazy"
)

// A Ref says where a secret rests.
type Ref struct {
	Scheme string // account.RefVault, RefTransit or RefGoogle

	// Of Vault and OpenBao.
	Address   string // of the store; empty: not said
	Namespace string
	Mount     string
	Path      string // below the mount; of RefTransit: the key's name
	KeyID     string // of RefTransit: kid of what is signed

	// Of Secret Manager.
	Project  string
	Secret   string
	Location string // of a regional secret

	Version string // empty: the newest
	Field   string // of a document; empty: all of it, or its only field
}

var (
	mountForm   = lazy.Regexp(`^[A-Za-z0-9._-]{1,100}$`)
	pathForm    = lazy.Regexp(`^[A-Za-z0-9._ -]{1,200}(/[A-Za-z0-9._ -]{1,200})*$`)
	placeForm   = lazy.Regexp(`^[a-z0-9-]{0,40}$`)
	wordForm    = lazy.Regexp(`^[A-Za-z0-9_.:/-]{0,200}$`)
	versionForm = lazy.Regexp(`^([0-9]{0,10}|latest|[A-Za-z][A-Za-z0-9_-]{0,62})$`)
	projectForm = lazy.Regexp(`^[a-z0-9][a-z0-9.:-]{0,99}$`)
	secretForm  = lazy.Regexp(`^[A-Za-z0-9_-]{1,255}$`)
)

// options are the words behind the question mark, by scheme.
var options = map[string][]string{
	account.RefVault:   {"address", "namespace", "version"},
	account.RefTransit: {"address", "namespace", "version", "kid"},
	account.RefGoogle:  {"location"},
}

func wrong(s, do string) error {
	return hint.New(hint.Usage, fmt.Sprintf("%q is not a reference to a secret.", clip(s)), do)
}

const (
	vaultDo   = "Write vault://MOUNT/PATH#FIELD, such as vault://secret/team/search#token."
	transitDo = "Write vault-transit://MOUNT/KEY, such as vault-transit://transit/etl."
	googleDo  = "Write gcpsm://PROJECT/SECRET, such as gcpsm://my-project/search-token."
)

// Parse reads a reference. It decides nothing about where it leads.
func Parse(s string) (*Ref, error) {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Opaque != "" || u.Port() != "" || options[u.Scheme] == nil {
		return nil, wrong(s, vaultDo)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, wrong(s, vaultDo)
	}
	for name, values := range q {
		if len(values) != 1 || !slices.Contains(options[u.Scheme], name) {
			return nil, wrong(s, fmt.Sprintf("Behind the question mark there can be %s.", strings.Join(options[u.Scheme], ", ")))
		}
	}
	r := &Ref{
		Scheme: u.Scheme, Address: strings.TrimRight(q.Get("address"), "/"), Namespace: q.Get("namespace"), Location: q.Get("location"),
		KeyID: q.Get("kid"), Version: q.Get("version"), Field: u.Fragment,
	}
	if !wordForm().MatchString(r.Namespace) || !wordForm().MatchString(r.KeyID) || !versionForm().MatchString(r.Version) {
		return nil, wrong(s, "What stands behind the question mark has odd characters.")
	}
	path := strings.Trim(u.Path, "/")
	if strings.Contains("/"+path+"/", "/./") || strings.Contains("/"+path+"/", "/../") {
		return nil, wrong(s, "Write the path without dots.")
	}
	switch u.Scheme {
	case account.RefGoogle:
		return r, r.readGoogle(s, u.Host, path)
	case account.RefTransit:
		if !mountForm().MatchString(u.Host) || !mountForm().MatchString(path) || r.Field != "" {
			return nil, wrong(s, transitDo)
		}
	default:
		if !mountForm().MatchString(u.Host) || !pathForm().MatchString(path) {
			return nil, wrong(s, vaultDo)
		}
	}
	r.Mount, r.Path = u.Host, path
	return r, r.CheckAddress()
}

func (r *Ref) readGoogle(s, host, path string) error {
	r.Project = host
	r.Secret, r.Version, _ = strings.Cut(path, "/")
	if !projectForm().MatchString(r.Project) || !secretForm().MatchString(r.Secret) || !versionForm().MatchString(r.Version) || !placeForm().MatchString(r.Location) {
		return wrong(s, googleDo)
	}
	return nil
}

// CheckAddress reports whether a login may be sent to the address: https, or this
// computer. An empty one is fine.
func (r *Ref) CheckAddress() error {
	if r.Address == "" {
		return nil
	}
	u, err := url.Parse(r.Address)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" ||
		u.Scheme != "https" && !(u.Scheme == "http" && account.Loopback(u.Hostname())) {
		return hint.New(hint.Usage, fmt.Sprintf("%q is not the address of a Vault or OpenBao.", clip(r.Address)),
			"It begins with https://, or is on this computer, and has no path; see VAULT_ADDR.")
	}
	return nil
}

// Own reports whether the secret rests in a Vault or OpenBao, at an address.
func (r *Ref) Own() bool { return r.Scheme != account.RefGoogle }

// String returns the reference as Parse takes it.
func (r *Ref) String() string {
	u := url.URL{Scheme: r.Scheme, Host: r.Mount, Path: "/" + r.Path, Fragment: r.Field}
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("address", r.Address)
	set("namespace", r.Namespace)
	set("location", r.Location)
	set("kid", r.KeyID)
	if r.Own() {
		set("version", r.Version)
	} else if u.Host, u.Path = r.Project, "/"+r.Secret; r.Version != "" {
		u.Path += "/" + r.Version
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// host names the store in a sentence.
func (r *Ref) host() string {
	if u, err := url.Parse(r.Address); err == nil && u.Host != "" {
		return u.Host
	}
	return "Vault"
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
