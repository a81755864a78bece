package account

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"keyporter/internal/hint"
)

// A setting is one field of a Server by its name on the command line.
type setting struct {
	text  func(*Server) *string            // one text
	flag  func(*Server) *bool              // yes or no
	list  func(*Server) *[]string          // several texts, all given at once
	pairs func(*Server) *map[string]string // NAME=VALUE, added one at a time
}

// settings are the fields that keyporter add and keyporter set can change. The
// names are those of the flags.
var settings = map[string]setting{
	"url":                 {text: func(s *Server) *string { return &s.URL }},
	"account":             {text: func(s *Server) *string { return &s.Account }},
	"client-id":           {text: func(s *Server) *string { return &s.ClientID }},
	"client-metadata-url": {text: func(s *Server) *string { return &s.ClientMetadataURL }},
	"issuer":              {text: func(s *Server) *string { return &s.Issuer }},
	"scope":               {list: func(s *Server) *[]string { return &s.Scopes }},
	"audience":            {text: func(s *Server) *string { return &s.Audience }},
	"resource":            {text: func(s *Server) *string { return &s.Resource }},
	"no-resource":         {flag: func(s *Server) *bool { return &s.NoResource }},
	"assume-pkce":         {flag: func(s *Server) *bool { return &s.AssumePKCE }},
	"dpop":                {text: func(s *Server) *string { return (*string)(&s.DPoP) }},
	"use-id-token":        {flag: func(s *Server) *bool { return &s.UseIDToken }},
	"authorize-param":     {pairs: func(s *Server) *map[string]string { return &s.AuthorizeParams }},
	"redirect-uri":        {text: func(s *Server) *string { return &s.RedirectURI }},
	"header":              {pairs: func(s *Server) *map[string]string { return &s.Headers }},
	"also-account":        {pairs: func(s *Server) *map[string]string { return &s.AlsoAccounts }},
	"token-header":        {text: func(s *Server) *string { return &s.TokenHeader }},
	"allow-host":          {list: func(s *Server) *[]string { return &s.AllowHosts }},
	"allow-http":          {flag: func(s *Server) *bool { return &s.AllowHTTP }},
	"allow-tool":          {list: func(s *Server) *[]string { return &s.AllowTools }},
	"deny-tool":           {list: func(s *Server) *[]string { return &s.DenyTools }},
	"read-only":           {flag: func(s *Server) *bool { return &s.ReadOnly }},
	"proxy":               {text: func(s *Server) *string { return &s.Proxy }},
	"ca":                  {text: func(s *Server) *string { return &s.CA }},
	"transport":           {text: func(s *Server) *string { return (*string)(&s.Transport) }},
	"era":                 {text: func(s *Server) *string { return (*string)(&s.Era) }},
}

// Keys returns the names that Set knows, sorted.
func Keys() []string { return slices.Sorted(maps.Keys(withSignIn())) }

func withSignIn() map[string]setting {
	m := maps.Clone(settings)
	m["sign-in"], m["preset"] = setting{}, setting{}
	return m
}

// Set changes the field that the command line calls key. An empty value clears
// it. A list takes all its values, which may also be separated by commas or
// spaces; NAME=VALUE pairs are added to those that are there, and NAME= takes
// one away.
func (s *Server) Set(key string, values ...string) error {
	value := strings.Join(values, " ")
	switch key {
	case "sign-in":
		s.SignIn = SignIn(value)
		return nil
	case "preset":
		return s.setPreset(strings.TrimSpace(value))
	}
	f, ok := settings[key]
	switch {
	case !ok:
		return hint.New(hint.Usage, fmt.Sprintf("A server has no setting named %q.", clip(key)), "The settings are "+strings.Join(Keys(), ", ")+".")
	case f.text != nil:
		*f.text(s) = value
	case f.flag != nil:
		on, err := strconv.ParseBool(value)
		if err != nil && value != "" {
			return hint.New(hint.Usage, fmt.Sprintf("%q is neither true nor false.", clip(value)), fmt.Sprintf("Use %s=true or %s=false.", key, key))
		}
		*f.flag(s) = on
	case f.list != nil:
		*f.list(s) = strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' })
	default:
		return setPairs(f.pairs(s), key, values)
	}
	return nil
}

// setPreset takes a preset's name, or a JSON object with the fields to change.
func (s *Server) setPreset(value string) error {
	switch {
	case value == "":
		s.Preset = nil
	case !strings.HasPrefix(value, "{"):
		s.Preset, _ = json.Marshal(value) // a string always has a JSON form
	case !json.Valid([]byte(value)):
		return hint.New(hint.Usage, "The preset is not valid JSON.", `Use a name, or an object such as {"no_resource": false}.`)
	default:
		s.Preset = json.RawMessage(value)
	}
	return nil
}

func setPairs(to *map[string]string, key string, values []string) error {
	pairs := maps.Clone(*to)
	if pairs == nil {
		pairs = map[string]string{}
	}
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return hint.New(hint.Usage, fmt.Sprintf("%q is not of the form NAME=VALUE.", clip(v)), fmt.Sprintf("Use --%s NAME=VALUE.", key))
		}
		if value == "" {
			delete(pairs, name)
			continue
		}
		pairs[name] = value
	}
	if len(pairs) == 0 {
		pairs = nil
	}
	*to = pairs
	return nil
}
