// Package secret is the type of a secret in memory: a Value that does not print
// itself, is not compared with ==, and is revealed in one place that can be
// searched for.
//
// It is not a store (that is broker/vault) and does not wipe memory: the Go
// runtime copies strings and slices, so wiping one copy would promise too much.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every printed form of a Value says.
const redacted = "REDACTED"

// A Value holds a token, a key or a passphrase. The zero Value is the empty
// secret. Values are immutable and safe for concurrent use.
type Value struct {
	_ [0]func() // a Value has no ==
	s string
}

// New returns the Value of s.
func New(s string) Value { return Value{s: s} }

// Reveal returns the secret itself. Its callers are the places where a secret
// leaves: a request's header, a token request's form, the vault's file.
func (v Value) Reveal() string { return v.s }

// IsZero reports whether v is the empty secret.
func (v Value) IsZero() bool { return v.s == "" }

// Equal compares in time that does not depend on the content.
func (v Value) Equal(w Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.s), []byte(w.s)) == 1
}

// Hash names the secret without giving it away: the first 16 bytes of its
// SHA-256 in unpadded base64url. It is for secrets with much entropy (tokens),
// not for passphrases. The empty secret's hash is empty.
func (v Value) Hash() string {
	if v.s == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(v.s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (v Value) String() string               { return redacted }
func (v Value) GoString() string             { return redacted }
func (v Value) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (v Value) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Plain is a Value whose JSON form is the secret itself. It is for the vault's
// records and the agent's local API, the two places where a secret is written
// down on purpose. It still prints as REDACTED.
type Plain struct{ Value }

// MarshalJSON writes the secret.
func (p Plain) MarshalJSON() ([]byte, error) { return json.Marshal(p.s) }

// UnmarshalJSON reads the secret. Its error never quotes the input.
func (p *Plain) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("secret is not a JSON string")
	}
	p.Value = New(s)
	return nil
}

// MarshalText would be used for map keys; a secret is none.
func (p Plain) MarshalText() ([]byte, error) { return []byte(redacted), nil }
