package view

import (
	"encoding/json"
	"maps"
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

// FieldsOf returns the advanced settings of a server: all that keyporter set
// knows but its address and its account.
func FieldsOf(t *Texts, s *account.Server) []Field {
	w := &t.Fields
	yes := map[bool]string{true: "true"}
	return []Field{
		{Key: "client-id", Label: w.ClientID, Value: s.ClientID},
		{Key: "client-metadata-url", Label: w.ClientMetadataURL, Value: s.ClientMetadataURL},
		{Key: "issuer", Label: w.Issuer, Value: s.Issuer},
		{Key: "scope", Label: w.Scope, Help: w.Several, Value: strings.Join(s.Scopes, " ")},
		{Key: "audience", Label: w.Audience, Value: s.Audience},
		{Key: "resource", Label: w.Resource, Value: s.Resource},
		{Key: "no-resource", Label: w.NoResource, Value: yes[s.NoResource], Switch: true},
		{Key: "assume-pkce", Label: w.AssumePKCE, Value: yes[s.AssumePKCE], Switch: true},
		{Key: "authorize-param", Label: w.AuthorizeParam, Help: w.Pairs, Value: pairs(s.AuthorizeParams), Lines: true},
		{Key: "redirect-uri", Label: w.RedirectURI, Value: s.RedirectURI},
		{Key: "header", Label: w.Header, Help: w.Pairs, Value: pairs(s.Headers), Lines: true},
		{Key: "token-header", Label: w.TokenHeader, Value: s.TokenHeader},
		{Key: "allow-host", Label: w.AllowHost, Help: w.Several, Value: strings.Join(s.AllowHosts, " ")},
		{Key: "allow-http", Label: w.AllowHTTP, Value: yes[s.AllowHTTP], Switch: true},
		{Key: "allow-tool", Label: w.AllowTool, Help: w.Globs, Value: strings.Join(s.AllowTools, " ")},
		{Key: "deny-tool", Label: w.DenyTool, Help: w.Globs, Value: strings.Join(s.DenyTools, " ")},
		{Key: "read-only", Label: w.ReadOnly, Value: yes[s.ReadOnly], Switch: true},
		{Key: "preset", Label: w.Preset, Value: preset(s.Preset), Help: w.PresetFor},
		{Key: "era", Label: w.Era, Value: string(s.Era), Choices: []string{"auto", "legacy", "modern"}},
		{Key: "sign-in", Label: w.SignInHow, Value: string(s.SignIn),
			Choices: []string{string(account.SignInNotify), string(account.SignInBrowser), string(account.SignInNever)}},
	}
}

// pairs writes NAME=VALUE, one a line.
func pairs(m map[string]string) string {
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, k+"="+m[k])
	}
	return strings.Join(lines, "\n")
}

// preset writes a preset's name, or the fields that it changes as JSON.
func preset(raw json.RawMessage) string {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return name
	}
	return string(raw)
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
