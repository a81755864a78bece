package broker

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// recordBy records what a program has asked for, with the program.
func (b *Broker) recordBy(ctx context.Context, r local.AuditRecord) {
	r.Program = b.programOf(ctx)
	b.record(r)
}

// changesOf names for the audit log what a command changes of a server; old is nil
// where it adds one. Of addresses it has what they belong to, since what follows may
// be private.
func changesOf(old, s *account.Server, p local.PutServer) string {
	if old == nil {
		old = &account.Server{}
	}
	was, is := fieldsOf(old), fieldsOf(s)
	for name := range was {
		if _, ok := is[name]; !ok {
			is[name] = nil
		}
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if reflect.DeepEqual(was[name], is[name]) {
			continue
		}
		switch value, _ := is[name].(string); name {
		case "url", "proxy", "issuer":
			all = append(all, name+"="+originIn(value))
		case "account", "ca":
			all = append(all, name+"="+clip(value))
		default:
			all = append(all, name)
		}
	}
	for name, given := range map[string]bool{
		"--bind": p.Bind, "secrets": len(p.SecretHeaders)+len(p.SecretQuery) > 0 || p.ClientSecret != nil || p.ClientCert != nil || p.ProxyLogin != nil,
	} {
		if given {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// fieldsOf returns a server's fields by their names in config.json.
func fieldsOf(s *account.Server) map[string]any {
	out := map[string]any{}
	if text, err := json.Marshal(s); err == nil {
		_ = json.Unmarshal(text, &out) // it was just written
	}
	return out
}

// originIn returns the origin of an address, or a word that stands for none.
func originIn(value string) string {
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		return account.Origin(u)
	}
	return clip(value)
}
