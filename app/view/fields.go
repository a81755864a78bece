package view

import (
	"cmp"
	"slices"
	"strings"

	"keyporter/broker/account"
)

// A Field is one of a server's advanced settings. Key is its name on the command
// line and for account.Server.Set.
type Field struct {
	Key     string
	Label   string
	Help    string   // may be empty
	Value   string   // "true" or "" for a Switch
	Switch  bool     // yes or no
	Lines   bool     // one value a line
	Choices []string // the values that there are; nil: any
}

// fieldOrder is the order of the fields that have a label; others follow, named
// as on the command line.
var fieldOrder = []string{
	"client-id", "client-metadata-url", "issuer", "preset", "scope", "audience", "resource", "no-resource", "assume-pkce",
	"authorize-param", "redirect-uri", "dpop", "use-id-token", "header", "token-header", "allow-host", "allow-http",
	"allow-tool", "deny-tool", "read-only", "transport", "era", "sign-in", "also-account", "proxy", "ca",
}

// fieldChoices are the values of fields that have a few only, the default first.
var fieldChoices = map[string][]string{
	"sign-in":   {string(account.SignInNotify), string(account.SignInBrowser), string(account.SignInNever)},
	"era":       {"auto", "legacy", "modern"},
	"transport": {"auto", "http", "sse"},
	"dpop":      {"auto", "always", "never"},
}

// FieldsOf returns the advanced settings of a server: all that keyporter set
// knows but its address and its account.
func FieldsOf(t *Texts, s *account.Server) []Field {
	keys := slices.Clone(fieldOrder)
	for _, k := range account.Keys() {
		if k != "url" && k != "account" && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	var fields []Field
	for _, k := range keys {
		value, form := s.Get(k)
		f := Field{Key: k, Label: t.Fields.label(k), Value: value, Switch: form == account.FormFlag, Lines: form == account.FormPairs, Choices: fieldChoices[k]}
		switch {
		case k == "also-account":
			f.Help = t.Fields.AlsoAccountFor
		case k == "proxy":
			f.Help = t.Fields.ProxyFor
		case k == "ca":
			f.Help = t.Fields.CAFor
		case form == account.FormPairs:
			f.Help = t.Fields.Pairs
		case k == "allow-tool", k == "deny-tool":
			f.Help = t.Fields.Globs
		case k == "preset":
			f.Help = t.Fields.PresetFor
		case form == account.FormList:
			f.Help = t.Fields.Several
		}
		fields = append(fields, f)
	}
	return fields
}

// label returns a field's label; the key itself where there is none.
func (w *Fields) label(key string) string {
	labels := map[string]string{
		"client-id": w.ClientID, "client-metadata-url": w.ClientMetadataURL, "issuer": w.Issuer, "preset": w.Preset, "scope": w.Scope,
		"audience": w.Audience, "resource": w.Resource, "no-resource": w.NoResource, "assume-pkce": w.AssumePKCE,
		"authorize-param": w.AuthorizeParam, "redirect-uri": w.RedirectURI, "dpop": w.DPoP, "use-id-token": w.UseIDToken,
		"header": w.Header, "token-header": w.TokenHeader, "allow-host": w.AllowHost, "allow-http": w.AllowHTTP,
		"allow-tool": w.AllowTool, "deny-tool": w.DenyTool, "read-only": w.ReadOnly, "transport": w.Transport, "era": w.Era, "sign-in": w.SignInHow,
		"also-account": w.AlsoAccount, "proxy": w.Proxy, "ca": w.CA,
	}
	return cmp.Or(labels[key], key)
}

// SetFields returns a copy of the server's record with the fields that differ
// changed. The values come from a person.
func SetFields(s *account.Server, fields []Field) (*account.Server, error) {
	c := *s
	was := map[string]string{}
	for _, f := range FieldsOf(&english, s) {
		was[f.Key] = f.Value
	}
	for _, f := range fields {
		if f.Value == was[f.Key] {
			continue
		}
		var err error
		switch f.Key {
		case "authorize-param":
			c.AuthorizeParams = nil
			err = c.Set(f.Key, lines(f.Value)...)
		case "header":
			c.Headers = nil
			err = c.Set(f.Key, lines(f.Value)...)
		case "also-account":
			c.AlsoAccounts = nil
			err = c.Set(f.Key, lines(f.Value)...)
		default:
			err = c.Set(f.Key, strings.TrimSpace(f.Value))
		}
		if err != nil {
			return nil, err
		}
	}
	return &c, c.Check()
}

// lines returns the lines that are not empty.
func lines(s string) []string {
	var out []string
	for l := range strings.Lines(s) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}
