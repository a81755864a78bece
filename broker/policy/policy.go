// Package policy reads what an organisation has fixed for the computers that it
// looks after: a file, a registry value or managed preferences, that the person at
// the computer may read and not write. The agent enforces it; this package only
// reads and decides.
//
// One that cannot be understood allows nothing, as a lock that is broken stays
// shut. KEYPORTER_POLICY may name a second file, for tests: it is asked in addition
// to the system's, and both have to agree, so naming one, or moving
// KEYPORTER_HOME, gets nobody around the system's. For the same reason it cannot
// name a profile.
package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/sshsig"
)

// version is the newest form that this program reads.
const version = 1

// maxSize is how large a policy may be, in bytes.
const maxSize = 1 << 20

// A Policy is what an organisation has fixed. What it leaves out is free.
type Policy struct {
	Version      int               `json:"version"`                   // 1
	Organisation string            `json:"organisation,omitempty"`    // whose policy it is, for sentences
	Origins      []string          `json:"allowed_origins,omitempty"` // of servers: https://mcp.example.com, https://*.example.com
	Kinds        []account.Kind    `json:"allowed_kinds,omitempty"`   // of accounts
	Settings     map[string]string `json:"settings,omitempty"`        // by name, as keyporter settings has them
	Profile      string            `json:"profile,omitempty"`         // that everybody joins: an https address, or a file's whole path
	Signers      []string          `json:"signers,omitempty"`         // lines of allowed_signers: only profiles that they signed are joined

	source  string // where it stands, as people find it
	system  bool
	problem *hint.Error // it cannot be understood
	signers sshsig.Signers
}

// A Set is the policies of this computer: all of them have to allow something.
type Set []*Policy

// Load reads the policies.
func Load(getenv func(string) string) Set {
	var set Set
	switch text, source, err := system(); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		set = append(set, broken(source, err))
	default:
		set = append(set, System(text, source))
	}
	if path := getenv("KEYPORTER_POLICY"); path != "" {
		set = append(set, additional(path))
	}
	return set
}

// System returns the system's own policy, of a text that stands at source.
func System(text []byte, source string) *Policy { return parse(text, source, true) }

// additional returns the policy of a file that the environment names.
func additional(path string) *Policy {
	text, err := readFile(path)
	if err != nil {
		return broken(path, err)
	}
	return parse(text, path, false)
}

func parse(text []byte, source string, isSystem bool) *Policy {
	var form struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(text, &form) == nil && form.Version > version {
		return &Policy{source: source, problem: hint.New(hint.Refused,
			fmt.Sprintf("The policy in %s was made for a newer Keyporter, so nothing is allowed.", source), "Update Keyporter on this computer.")}
	}
	p := &Policy{source: source, system: isSystem}
	err := json.Unmarshal(text, p, json.RejectUnknownMembers(true))
	if err == nil {
		err = p.check()
	}
	if err != nil {
		return broken(source, err)
	}
	return p
}

// broken is a policy that allows nothing, because it cannot be understood.
func broken(source string, err error) *Policy {
	return &Policy{source: source, problem: hint.Wrap(err, hint.Refused,
		fmt.Sprintf("The policy in %s cannot be understood, so nothing is allowed.", source), "Ask whoever looks after this computer.")}
}

func readFile(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err == nil && (!fi.Mode().IsRegular() || fi.Size() > maxSize) {
		err = errors.New("it is no file of ordinary size")
	}
	if err != nil {
		return nil, err
	}
	return atomicfile.ReadFile(path)
}

func (p *Policy) check() error {
	if p.Version != version {
		return fmt.Errorf("version is %d, and this Keyporter understands %d", p.Version, version)
	}
	for _, o := range p.Origins {
		u, err := url.Parse(strings.Replace(o, "://*.", "://", 1))
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Contains(u.Host, "*") || account.Origin(u) != u.String() {
			return fmt.Errorf("allowed_origins: %q is not of the form https://mcp.example.com or https://*.example.com", o)
		}
	}
	var s account.Settings
	for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
		if slices.Contains(account.SettingNames(), name) {
			if err := s.Set(name, p.Settings[name]); err != nil {
				return fmt.Errorf("settings: %v", err)
			}
		}
	}
	var err error
	if p.signers, err = sshsig.ParseSigners([]byte(strings.Join(p.Signers, "\n"))); err != nil {
		return fmt.Errorf("signers: %w", err)
	}
	switch u, err := url.Parse(p.Profile); {
	case p.Profile == "":
	case !p.system:
		return errors.New("profile: only the system's own policy can name one")
	case filepath.IsAbs(p.Profile):
	case err != nil || u.Scheme != "https" || u.Host == "":
		return errors.New("profile: it is neither an https address nor a file's whole path")
	case len(p.signers) == 0:
		return errors.New("profile: one from an address needs signers")
	}
	return nil
}

// refused is the error for what the policy does not allow.
func (p *Policy) refused(what, allowed string) error {
	return hint.New(hint.Refused, fmt.Sprintf("%s %s does not allow it: %s.", what, p.name(), allowed),
		"Ask whoever looks after this computer, if you need it.")
}

// name is the policy in a sentence, with where it stands.
func (p *Policy) name() string {
	if p.Organisation != "" {
		return fmt.Sprintf("The policy of %s (%s)", p.Organisation, p.source)
	}
	return fmt.Sprintf("The policy of your organisation (%s)", p.source)
}

// Server returns an error for a server that is not allowed: its address, or a
// secret of its own in a header or the query, which counts as a fixed token.
func (s Set) Server(server *account.Server) error {
	for _, p := range s {
		if p.problem != nil {
			return p.problem
		}
		if u, err := url.Parse(server.URL); len(p.Origins) > 0 && (err != nil || !p.origin(u)) {
			return p.refused(fmt.Sprintf("The server %s is at %s.", server.Name, clip(server.URL)), "servers are at "+strings.Join(p.Origins, ", "))
		}
		if server.HasSecrets() {
			if err := p.kind(account.Static); err != nil {
				return err
			}
		}
	}
	return nil
}

// origin reports whether servers at u are allowed.
func (p *Policy) origin(u *url.URL) bool {
	is := account.Origin(u)
	return slices.ContainsFunc(p.Origins, func(o string) bool {
		scheme, host, wild := strings.Cut(o, "://*.")
		if !wild {
			return is == o
		}
		return strings.HasPrefix(is, scheme+"://") && strings.HasSuffix(is, "."+host)
	})
}

// Kind returns an error for a kind of account that is not allowed.
func (s Set) Kind(k account.Kind) error {
	for _, p := range s {
		if p.problem != nil {
			return p.problem
		}
		if err := p.kind(k); err != nil {
			return err
		}
	}
	return nil
}

func (p *Policy) kind(k account.Kind) error {
	if len(p.Kinds) == 0 || slices.Contains(p.Kinds, k) {
		return nil
	}
	var words []string
	for _, allowed := range p.Kinds {
		words = append(words, allowed.Words())
	}
	return p.refused(fmt.Sprintf("This needs an account of the kind %s.", k.Words()), "accounts are of the kinds "+strings.Join(words, ", "))
}

// Setting returns an error for a setting that is fixed. One that this version does
// not have is not.
func (s Set) Setting(name string) error {
	for _, p := range s {
		if value, fixed := p.Settings[name]; fixed && slices.Contains(account.SettingNames(), name) {
			return p.refused(fmt.Sprintf("The setting %s cannot be changed.", name), fmt.Sprintf("it is fixed to %q", value))
		}
	}
	return nil
}

// Choices returns settings with those that are fixed in their place. The system's
// policy counts before another.
func (s Set) Choices(c account.Choices) account.Choices {
	for _, p := range slices.Backward(s) {
		for name, value := range p.Settings {
			if slices.Contains(account.SettingNames(), name) {
				_ = c.Set(name, value) // check has set it before
			}
		}
	}
	return c
}

// Signers returns the keys that the policies know.
func (s Set) Signers() sshsig.Signers {
	var all sshsig.Signers
	for _, p := range s {
		all = append(all, p.signers...)
	}
	return all
}

// Signed returns an error for a profile whose signer is not one that each policy
// which has signers knows. named says whose key it is in a list.
func (s Set) Signed(named func(sshsig.Signers) bool) error {
	for _, p := range s {
		if p.problem != nil {
			return p.problem
		}
		if len(p.signers) > 0 && !named(p.signers) {
			return p.refused("This profile cannot be joined.", "profiles are signed by those that it names")
		}
	}
	return nil
}

// Profile returns the profile that everybody joins, or "".
func (s Set) Profile() string {
	for _, p := range s {
		if p.system && p.Profile != "" {
			return p.Profile
		}
	}
	return ""
}

// State says what is fixed, for windows and listings; nil without a policy.
func (s Set) State() []local.PolicyState {
	var all []local.PolicyState
	for _, p := range s {
		st := local.PolicyState{
			Source: p.source, Problem: p.problem, Organisation: p.Organisation, Origins: p.Origins, Kinds: p.Kinds, Settings: p.Settings,
			Profile: p.Profile, Signed: len(p.signers) > 0,
		}
		for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
			if !slices.Contains(account.SettingNames(), name) {
				st.Unknown = append(st.Unknown, name)
			}
		}
		all = append(all, st)
	}
	return all
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
