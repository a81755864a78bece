package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/team"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// ShareProfile makes a team profile of servers in the list. It is searched for
// every secret of the vault before anybody gets it.
func (b *Broker) ShareProfile(ctx context.Context, r local.ShareRequest) (*local.SharedProfile, error) {
	v, err := b.openedVault(ctx)
	if err != nil {
		return nil, err
	}
	cfg := b.config()
	o := team.Options{
		Name: r.Name, Description: r.Description, Config: cfg, Servers: r.Servers,
		IssuedAt: b.opt.Now(), ExpiresAt: r.ExpiresAt, ClientSecrets: map[string]secret.Plain{},
	}
	if !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(o.IssuedAt) {
		return nil, hint.New(hint.Usage, "The day on which the profile ends is over.", "Name a later one.")
	}
	for _, name := range r.PublicApps {
		if o.ClientSecrets[name], err = publicSecret(cfg, v, name); err != nil {
			return nil, err
		}
	}
	p, left, err := team.Build(o)
	if err != nil {
		return nil, err
	}
	text, err := p.Encode()
	if err != nil {
		return nil, err
	}
	if _, err := team.Parse(text); err != nil { // what nobody could join is not shared
		return nil, err
	}
	searched, err := searchSecrets(text, v, o.ClientSecrets)
	if err != nil {
		return nil, err
	}
	b.recordBy(ctx, local.AuditRecord{Event: "share", Name: p.Name, Outcome: "ok"})
	return &local.SharedProfile{
		Profile: text, Servers: append([]string{}, p.ServerNames()...), Accounts: append([]string{}, p.AccountNames()...),
		Left: append([]local.Left{}, left...), Searched: searched,
	}, nil
}

// publicSecret returns the client secret of a Google sign-in, of which the user
// says that it is not confidential.
func publicSecret(cfg *account.Config, v *vault.File, name string) (secret.Plain, error) {
	a, err := lookupAccount(cfg, name)
	if err != nil {
		return secret.Plain{}, err
	}
	if a.Kind != account.Google {
		return secret.Plain{}, hint.New(hint.Usage, fmt.Sprintf("The secret of the account %q is a secret, so it cannot be shared.", name),
			"Only the client secret of a Google desktop client counts as not confidential.")
	}
	var rec accountRecord
	err = readRecord(v, accountKey(name), &rec)
	return rec.Secret, err
}

// searchSecrets looks for every secret of the vault in a text and returns for how
// many. Those that are public may be there.
func searchSecrets(text []byte, v *vault.File, public map[string]secret.Plain) (int, error) {
	n := 0
	for _, key := range v.Keys("") {
		secrets, err := secretsOf(v, key)
		if err != nil {
			return 0, err
		}
		for _, s := range secrets {
			isPublic := slices.ContainsFunc(valuesOf(public), func(p secret.Plain) bool { return p.Equal(s.Value) })
			if !isPublic && team.Holds(text, s.Value) {
				return 0, hint.New(hint.Refused, fmt.Sprintf("The profile would hold a secret of the %s %q, so it was not made.", kindOfKey(key), ownerOf(key)),
					"Look where it stands in the clear (a header, an address) with keyporter show, and give it as a secret header instead.")
			}
			n++
		}
	}
	return n, nil
}

func valuesOf(m map[string]secret.Plain) []secret.Plain {
	var all []secret.Plain
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// ownerOf returns the name of the account or server that a key of the vault is of.
func ownerOf(key string) string {
	switch kind := kindOfKey(key); kind {
	case "account", "server":
		return key[len(kind)+1:]
	case "grant":
		return accountOfGrant(key)
	}
	return key
}

// secretsOf returns the secrets of one record of the vault. A record that has
// none by its kind has none here.
func secretsOf(v *vault.File, key string) ([]secret.Plain, error) {
	var rec any
	switch kindOfKey(key) {
	case "account":
		rec = &accountRecord{}
	case "server":
		rec = &serverRecord{}
	case "grant":
		rec = &grantRecord{}
	case "registration":
		rec = &oauth.ClientRegistration{}
	default:
		return nil, nil
	}
	if err := readRecord(v, key, rec); err != nil {
		return nil, err
	}
	secrets := collect(reflect.ValueOf(rec).Elem())
	for _, s := range secrets {
		var keyFile struct {
			PrivateKey string `json:"private_key"`
		}
		if json.Unmarshal([]byte(s.Reveal()), &keyFile) == nil && keyFile.PrivateKey != "" {
			secrets = append(secrets, secret.Plain{Value: secret.New(keyFile.PrivateKey)})
		}
	}
	return secrets, nil
}

// collect returns the secrets that a value is made of.
func collect(v reflect.Value) []secret.Plain {
	if p, ok := v.Interface().(secret.Plain); ok {
		if p.IsZero() {
			return nil
		}
		return []secret.Plain{p}
	}
	var all []secret.Plain
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				all = append(all, collect(v.Field(i))...)
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			all = append(all, collect(v.MapIndex(k))...)
		}
	case reflect.Pointer, reflect.Slice:
		for i := 0; v.Kind() == reflect.Slice && i < v.Len(); i++ {
			all = append(all, collect(v.Index(i))...)
		}
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			all = append(all, collect(v.Elem())...)
		}
	}
	return all
}
