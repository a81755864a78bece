package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"keyporter/internal/hint"
)

// A Preset is what is known about a provider and not said by its metadata. It is
// data: the zero value is a provider that keeps to the standards, and every field
// can be overridden for a server; see FindPreset.
type Preset struct {
	Name string `json:"name"` // as people know the provider; empty: none
	Why  string `json:"-"`    // by what it was recognised, for people
	Note string `json:"note"` // what a person should know beyond that

	// The authorization request.
	NoResource       bool              `json:"no_resource"`       // it refuses resource (RFC 8707)
	AudienceResource bool              `json:"audience_resource"` // it wants audience with the value of resource
	AssumePKCE       bool              `json:"assume_pkce"`       // it does S256 though its metadata does not say so
	AuthorizeParams  map[string]string `json:"authorize_params"`
	OfflineAccess    Offline           `json:"offline_access"`
	NoConsent        bool              `json:"no_consent"`     // prompt=consent is not needed for a refresh token, and may do harm
	SwitchPrompt     string            `json:"switch_prompt"`  // prompt that lets another person sign in; empty is select_account
	DevicePKCE       bool              `json:"device_pkce"`    // it wants PKCE with device codes too
	ScopePrefix      bool              `json:"scope_prefix"`   // scopes carry the name of the resource: api://x/read
	ScopeParam       string            `json:"scope_param"`    // in place of scope
	ScopeParamAt     string            `json:"scope_param_at"` // path of the endpoint that has ScopeParam; empty: any
	ScopeRequired    bool              `json:"scope_required"` // a request without scope is refused

	// Registration and the redirect.
	NoRegistration   bool   `json:"no_registration"`   // there is no dynamic registration, whatever the metadata says
	RegistrationDays int    `json:"registration_days"` // after which the provider forgets a client; 0: it keeps them
	RedirectURI      string `json:"redirect_uri"`      // the one that registered clients have
	ExactRedirect    bool   `json:"exact_redirect"`    // the port counts too
	Ask              string `json:"ask"`               // where an administrator makes a client, one sentence

	// Tokens.
	RepeatScope    bool   `json:"repeat_scope"`    // send scope on refresh
	RepeatURI      bool   `json:"repeat_uri"`      // send redirect_uri on refresh
	CommaScopes    bool   `json:"comma_scopes"`    // it answers with commas between scopes
	TemplateIssuer bool   `json:"template_issuer"` // metadata shared by tenants names its issuer with {tenantid}
	RefreshDays    int    `json:"refresh_days"`    // after which refresh tokens of an app in testing end; 0: they do not
	TargetHelp     string `json:"target_help"`     // what to do about invalid_target, one sentence

	match []string // patterns of host and path, see matches
}

// Offline says whether the scope offline_access is asked for.
type Offline string

const (
	OfflineListed Offline = "" // where the metadata lists it
	OfflineAlways Offline = "always"
	OfflineNever  Offline = "never"
)

// NoPreset is the name that switches presets off.
const NoPreset = "none"

// FindPreset returns the preset for an issuer. override, which may be empty, is
// what the user set for a server: a JSON string names another preset or NoPreset;
// an object changes single fields of the one that was found, or of the one that
// its member name says. The result is never nil without an error and not shared.
func FindPreset(issuer string, override json.RawMessage) (*Preset, error) {
	p := presetFor(issuer)
	if len(bytes.TrimSpace(override)) == 0 || string(bytes.TrimSpace(override)) == "null" {
		return p, nil
	}
	var name string
	if json.Unmarshal(override, &name) == nil {
		return namedPreset(name)
	}
	var base struct {
		Name *string `json:"name"`
	}
	if err := json.Unmarshal(override, &base); err != nil {
		return nil, badPreset(errors.New("it is neither a name nor a JSON object"))
	}
	if base.Name != nil {
		var err error
		if p, err = namedPreset(*base.Name); err != nil {
			return nil, err
		}
	}
	d := json.NewDecoder(bytes.NewReader(override))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		return nil, badPreset(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, badPreset(errors.New("there is more after the object"))
	}
	if p.Why == "" {
		p.Why = "set for this server"
	} else {
		p.Why += ", changed for this server"
	}
	return p, nil
}

// PresetNames returns the names that a server's setting may have, sorted.
func PresetNames() []string {
	names := []string{NoPreset}
	for _, p := range presets {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func badPreset(cause error) error {
	return hint.Wrap(cause, hint.Usage, "The preset is not valid.",
		fmt.Sprintf("Use a name (%s) or a JSON object with the fields to change.", strings.Join(PresetNames(), ", ")))
}

func namedPreset(name string) (*Preset, error) {
	if name == NoPreset || name == "" {
		return &Preset{Why: "switched off for this server"}, nil
	}
	for _, p := range presets {
		if strings.EqualFold(p.Name, name) {
			c := p.clone()
			c.Why = "set for this server"
			return c, nil
		}
	}
	return nil, badPreset(fmt.Errorf("%q is not known", clean(name, 60)))
}

// presetFor finds the preset of an issuer by its host and path.
func presetFor(issuer string) *Preset {
	u, err := url.Parse(issuer)
	if err != nil {
		return &Preset{}
	}
	host := hostOf(u)
	for _, p := range presets {
		for _, m := range p.match {
			if matches(m, host, strings.Trim(u.Path, "/")) {
				c := p.clone()
				c.Why = "the issuer " + clean(u.Scheme+"://"+u.Host+u.Path, 200)
				return c
			}
		}
	}
	return &Preset{}
}

// matches compares a pattern, HOST or HOST/PATH, with an issuer. In HOST a first
// "*." stands for one or more labels and another "*" for one; "*" alone for any
// host. PATH is a pattern of path.Match for the first segments; without it any
// path will do.
func matches(pattern, host, issuerPath string) bool {
	h, p, hasPath := strings.Cut(pattern, "/")
	switch rest, wild := strings.CutPrefix(h, "*."); {
	case h == "*":
	case wild:
		if !strings.HasSuffix(host, "."+rest) {
			return false
		}
	default:
		want, got := strings.Split(h, "."), strings.Split(host, ".")
		if len(want) != len(got) {
			return false
		}
		for i := range want {
			if want[i] != "*" && want[i] != got[i] {
				return false
			}
		}
	}
	if !hasPath {
		return true
	}
	segments := strings.Split(issuerPath, "/")
	n := strings.Count(p, "/") + 1
	if issuerPath == "" || len(segments) < n {
		return p == "" && issuerPath == ""
	}
	ok, err := path.Match(p, strings.Join(segments[:n], "/"))
	return err == nil && ok
}

func (p *Preset) clone() *Preset {
	c := *p
	c.AuthorizeParams = maps.Clone(p.AuthorizeParams)
	return &c
}

// RegistrationEnds returns when the provider forgets a client that was registered
// at a time; zero if it does not.
func (p *Preset) RegistrationEnds(issued time.Time) time.Time {
	if p.RegistrationDays == 0 || issued.IsZero() {
		return time.Time{}
	}
	return issued.AddDate(0, 0, p.RegistrationDays)
}

// Missing returns those of the scopes asked for that were not granted, whatever
// names the provider answers with. Scopes that are about the sign-in itself do not
// count: many providers leave them out of the answer, and Google answers with
// addresses in place of email and profile.
func (p *Preset) Missing(asked, granted []string) []string {
	var missing []string
	for _, s := range asked {
		switch {
		case slices.Contains(granted, s), signInScope(s):
		case p.ScopePrefix && slices.ContainsFunc(granted, func(g string) bool { return strings.HasSuffix(g, "/"+s) || strings.HasSuffix(s, "/"+g) }):
		default:
			missing = append(missing, s)
		}
	}
	return missing
}

// Qualify writes scopes as the provider wants them: with ScopePrefix, one without
// a resource gets that of audience or of the first scope that has one.
func (p *Preset) Qualify(scopes []string, audience string) []string {
	if !p.ScopePrefix {
		return scopes
	}
	prefix := strings.TrimSuffix(audience, "/")
	for _, s := range scopes {
		if i := strings.LastIndexByte(s, '/'); prefix == "" && i > 0 && strings.Contains(s, "://") {
			prefix = s[:i]
		}
	}
	if prefix == "" {
		return scopes
	}
	out := make([]string, len(scopes))
	for i, s := range scopes {
		if out[i] = s; !signInScope(s) && !strings.Contains(s, "/") {
			out[i] = prefix + "/" + s
		}
	}
	return out
}

// signInScope reports whether a scope is one of OpenID Connect Core section 5.4
// and 11, which are no permissions at a server.
func signInScope(s string) bool {
	return slices.Contains([]string{"openid", "profile", "email", "address", "phone", "offline_access"}, s)
}
