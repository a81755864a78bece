package streamable

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Names of header fields, as net/http spells them.
const (
	headerVersion = "Mcp-Protocol-Version"
	headerSession = "Mcp-Session-Id"
	headerLastID  = "Last-Event-Id"
	headerMethod  = "Mcp-Method"
	headerName    = "Mcp-Name"
)

// A Field is a header field made from the body: Mcp-Param-*.
type Field struct{ Name, Value string }

const (
	sentinel    = "=?base64?"
	sentinelEnd = "?="
)

// EncodeValue returns a value as it travels in Mcp-Name and Mcp-Param-*
// (2026-07-28 basic/transports/streamable-http): as it is if it is visible ASCII
// with no space at its ends, otherwise in Base64 between markers.
func EncodeValue(s string) string {
	if plain(s) {
		return s
	}
	return sentinel + base64.StdEncoding.EncodeToString([]byte(s)) + sentinelEnd
}

func plain(s string) bool {
	if s == "" {
		return true
	}
	if s[0] == ' ' || s[len(s)-1] == ' ' || strings.HasPrefix(s, sentinel) && strings.HasSuffix(s, sentinelEnd) {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// IsToken reports whether s can be part of a header field's name (RFC 9110 section 5.6.2).
func IsToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// Meta is what the transport says about a message in header fields. Zero fields
// are left out.
type Meta struct {
	Session string  // Mcp-Session-Id, legacy
	Version string  // MCP-Protocol-Version; since 2025-06-18
	Method  string  // Mcp-Method; since 2026-07-28
	Name    string  // Mcp-Name; since 2026-07-28. Encoded here
	Params  []Field // Mcp-Param-*, values not yet encoded
	Named   bool    // Name is there, though it may be empty
	AsIs    bool    // Name is sent in UTF-8 if it can be; see SentEncoded
}

// SentEncoded reports whether Name travels in Base64 although it could stand in
// a header field in UTF-8. The Go SDK 1.8.0 compares the field without decoding it.
func (m *Meta) SentEncoded() bool { return m.Named && !m.AsIs && !plain(m.Name) && visible(m.Name) }

// visible reports whether s has no control characters and no space at its ends.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return strings.TrimSpace(s) == s && utf8.ValidString(s)
}

func (m *Meta) fill(h http.Header) {
	if m.Session != "" {
		h[headerSession] = []string{m.Session}
	}
	if m.Version != "" {
		h[headerVersion] = []string{m.Version}
	}
	if m.Method != "" {
		h[headerMethod] = []string{m.Method}
	}
	if m.Named {
		name := EncodeValue(m.Name)
		if m.AsIs && visible(m.Name) {
			name = m.Name
		}
		h[headerName] = []string{name}
	}
	for _, f := range m.Params {
		h.Set("Mcp-Param-"+f.Name, EncodeValue(f.Value))
	}
}
