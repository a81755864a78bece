// Package team is the team profile: one JSON file with servers and templates of
// accounts that a colleague can join (DESIGN 9). It builds a profile, reads one
// that came from anywhere, checks it, and says what in it a person has to know
// before agreeing. It changes nothing, asks nobody and knows no vault; what a
// profile does to the configuration is broker's.
//
// A profile that was read with Parse is safe to show and to compare: it names no
// command, no file, no proxy and no secret (but see Profile.ClientSecrets), only
// members that are listed in members.go, and no text that a screen would show
// otherwise than it is.
package team

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"keyporter/assets"
	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// version is the newest form that this program reads, and the one it writes.
const version = 1

// Limits of a profile.
const (
	MaxSize    = 256 << 10 // in bytes
	maxEntries = 200       // servers, and accounts
	maxText    = 2000      // characters of one text
)

// A Profile is what a team shares.
type Profile struct {
	Name        string // what it is known by: joining another one of the same name is an update
	Description string
	IssuedAt    time.Time
	ExpiresAt   time.Time // zero: never
	Servers     map[string]*account.Server
	Accounts    map[string]*account.Account // what servers' accounts are made of

	// ClientSecrets are those of the Google sign-ins among the accounts whose owner
	// said that they are not confidential (RFC 8252 section 8.5), by account.
	ClientSecrets map[string]string

	Signature string // with its frame; empty: not signed
}

// A file is a Profile as it is written down.
type file struct {
	Schema      string             `json:"$schema,omitempty"`
	Version     int                `json:"version"`
	Name        string             `json:"name"`
	Description string             `json:"description,omitempty"`
	IssuedAt    time.Time          `json:"issued_at,omitzero"`
	ExpiresAt   time.Time          `json:"expires_at,omitzero"`
	Servers     map[string]members `json:"servers"`
	Accounts    map[string]members `json:"accounts,omitempty"`
	Signature   string             `json:"signature,omitempty"`
}

// ServerNames returns the names of the servers, sorted.
func (p *Profile) ServerNames() []string { return slices.Sorted(maps.Keys(p.Servers)) }

// AccountNames returns the names of the accounts, sorted.
func (p *Profile) AccountNames() []string { return slices.Sorted(maps.Keys(p.Accounts)) }

// Encode writes the profile down.
func (p *Profile) Encode() ([]byte, error) {
	f := file{
		Schema: assets.ProfileSchemaID, Version: version, Name: p.Name, Description: p.Description,
		IssuedAt: p.IssuedAt.UTC().Truncate(time.Second), Signature: p.Signature,
		Servers: map[string]members{}, Accounts: map[string]members{},
	}
	if !p.ExpiresAt.IsZero() {
		f.ExpiresAt = p.ExpiresAt.UTC().Truncate(time.Second)
	}
	for name, s := range p.Servers {
		f.Servers[name] = ServerMembers(s)
	}
	for name, a := range p.Accounts {
		m := AccountMembers(a)
		if v, ok := p.ClientSecrets[name]; ok {
			m[clientSecret], _ = jsontext.AppendQuote(nil, v)
		}
		f.Accounts[name] = m
	}
	b, err := json.Marshal(f, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("write profile: %w", err)
	}
	return append(b, '\n'), nil
}

// Parse reads a profile. Its errors have words. It accepts nothing that it does
// not understand whole: what an older program leaves out, a newer one may rely on.
func Parse(text []byte) (*Profile, error) {
	f, err := read(text)
	if err != nil {
		return nil, err
	}
	p := &Profile{
		Name: f.Name, Description: f.Description, IssuedAt: f.IssuedAt, ExpiresAt: f.ExpiresAt, Signature: f.Signature,
		Servers: map[string]*account.Server{}, Accounts: map[string]*account.Account{}, ClientSecrets: map[string]string{},
	}
	if err := account.CheckName(p.Name); err != nil {
		return nil, bad("its name cannot be one", err)
	}
	if len(f.Servers) > maxEntries || len(f.Accounts) > maxEntries {
		return nil, bad(fmt.Sprintf("it has more than %d servers or accounts", maxEntries), nil)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Servers)) {
		if p.Servers[name], err = f.Servers[name].server(name); err != nil {
			return nil, bad(fmt.Sprintf("its server %q cannot be used", name), err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Accounts)) {
		m := f.Accounts[name]
		if p.Accounts[name], err = m.account(name); err != nil {
			return nil, bad(fmt.Sprintf("its account %q cannot be used", name), err)
		}
		if raw, ok := m[clientSecret]; ok {
			p.ClientSecrets[name] = text1(raw)
		}
	}
	return p, p.check()
}

func read(text []byte) (*file, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if len(text) > MaxSize {
		return nil, bad(fmt.Sprintf("it is larger than %d KiB", MaxSize>>10), nil)
	}
	if err := wholeJSON(text); err != nil {
		return nil, err
	}
	var old struct {
		Version *int `json:"version"`
	}
	switch err := json.Unmarshal(text, &old); {
	case err != nil || old.Version == nil || *old.Version < 1:
		return nil, bad("it has no version, so it is another kind of file", nil)
	case *old.Version > version:
		return nil, hint.New(hint.Failed, "The profile was made by a newer Keyporter.", "Update Keyporter on this computer, then join again; nothing was changed.")
	}
	if err := plainTexts(text); err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(text, &f, json.RejectUnknownMembers(true)); err != nil {
		return nil, bad(whatIsWrong(err), nil)
	}
	return &f, nil
}

// wholeJSON reports whether the text is one JSON value, without a name twice in
// an object.
func wholeJSON(text []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	_, err := d.ReadValue()
	switch {
	case err == nil && len(bytes.TrimSpace(d.UnreadBuffer())) > 0:
		return bad("there is more behind its end", nil)
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return hint.New(hint.Failed, "The profile was cut off: it has no end.", "Get the whole file once more; nothing was changed.")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return bad("a name stands twice in it, so it could be read in two ways", nil)
	}
	return bad("it is not JSON", nil)
}

// whatIsWrong says, without quoting more than names, what the decoder met.
func whatIsWrong(err error) string {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return "it is not JSON of the right form"
	}
	at := strings.TrimPrefix(string(semantic.JSONPointer), "/")
	if errors.Is(err, json.ErrUnknownName) {
		return fmt.Sprintf("it has a member that this version does not know, %s", clip(at))
	}
	return fmt.Sprintf("its member %s is of another kind", clip(at))
}

// bad is the error for a profile that cannot be used; why completes "…, because".
// The words of cause, if it has some, say more.
func bad(why string, cause error) error {
	h := hint.Wrap(cause, hint.Refused, fmt.Sprintf("The profile cannot be used: %s.", why), "Ask whoever made it; nothing was changed.")
	if inner := (*hint.Error)(nil); errors.As(cause, &inner) {
		h.What = fmt.Sprintf("The profile cannot be used: %s. %s", why, inner.What)
	}
	return h
}

// no is a sentence on what is wrong with a part, for bad.
func no(format string, args ...any) error {
	return hint.New(hint.Refused, fmt.Sprintf(format, args...), "")
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
