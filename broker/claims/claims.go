// Package claims reads what a bearer token says about itself and judges whether
// it is the token that a server expects: audience, issuer, expiry, scope (RFC
// 9068 section 4, RFC 8707 section 2), and the form that a server can read at all.
//
// It is for people who ask why a token was refused, and decides nothing: no
// signature is checked, nothing is asked of the network, and a token is neither
// given out nor held back for what is found here. What it returns holds nothing
// with which a token could be used.
package claims

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"keyporter/broker/secret"
)

// A Form is how a token is written.
type Form string

// The forms.
const (
	JWT    Form = "jwt"    // RFC 7519: anybody can read its claims
	JWE    Form = "jwe"    // RFC 7516: only its receiver can
	Opaque Form = "opaque" // only its issuer knows what it says
)

// A Token is what can be said of a token by looking at it. Its JSON form is what
// keyporter token --claims prints.
type Token struct {
	Form   Form            `json:"kind"`
	Header json.RawMessage `json:"header,omitempty"` // of a JWT or JWE, as it stands there
	Claims json.RawMessage `json:"claims,omitempty"` // of a JWT, as they stand there
	Expiry time.Time       `json:"expires_at,omitzero"`
}

// Read tells the forms of tokens apart. A JWS has three parts (RFC 7515 section
// 3.1), a JWE five (RFC 7516 section 3.1), each with a JSON object in front;
// anything else is opaque.
func Read(v secret.Value) Token {
	opaque := Token{Form: Opaque}
	parts := strings.Split(v.Reveal(), ".")
	if len(parts) != 3 && len(parts) != 5 {
		return opaque
	}
	header := object(parts[0])
	if header == nil {
		return opaque
	}
	if len(parts) == 5 {
		return Token{Form: JWE, Header: header}
	}
	claims := object(parts[1])
	if claims == nil {
		return opaque
	}
	t := Token{Form: JWT, Header: header, Claims: claims}
	t.Expiry = t.read().time("exp")
	return t
}

// object decodes a part of a token that should be a JSON object.
func object(part string) json.RawMessage {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(b, &m) != nil || m == nil {
		return nil
	}
	return bytes.ToValidUTF8(b, []byte("\ufffd"))
}

// members are the claims of a token by name.
type members map[string]json.RawMessage

func (t Token) read() members {
	var m members
	if json.Unmarshal(t.Claims, &m) != nil {
		return nil
	}
	return m
}

// str returns a claim that is a string, or "".
func (m members) str(name string) string {
	var s string
	if json.Unmarshal(m[name], &s) != nil {
		return ""
	}
	return s
}

// list returns a claim that is a string or a list of strings, as aud may be (RFC
// 7519 section 4.1.3).
func (m members) list(name string) []string {
	var l []string
	if json.Unmarshal(m[name], &l) == nil {
		return l
	}
	if s := m.str(name); s != "" {
		return []string{s}
	}
	return nil
}

// words returns a claim that is a list of words, in one string or in several, as
// scope (RFC 9068 section 2.2.3) and scp are.
func (m members) words(name string) []string {
	var words []string
	for _, s := range m.list(name) {
		words = append(words, strings.Fields(s)...)
	}
	return words
}

// has reports whether a claim is there.
func (m members) has(name string) bool { return len(m[name]) > 0 }

// lastTime is the last second that JSON can hold as a time (RFC 3339), in Unix
// time.
const lastTime = 253402300799

// time returns a claim that is a NumericDate (RFC 7519 section 2), or zero.
func (m members) time(name string) time.Time {
	var n float64
	if json.Unmarshal(m[name], &n) != nil || n <= 0 || n > lastTime {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}
