package streamable

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"keyporter/internal/hint"
)

// Names of header fields, as net/http spells them.
const (
	headerVersion = "Mcp-Protocol-Version"
	headerSession = "Mcp-Session-Id"
	headerLastID  = "Last-Event-Id"
	headerMethod  = "Mcp-Method"
	headerName    = "Mcp-Name"
)

// maxCarried is how long an id may be that the server gives and gets back on
// requests: servers take header fields of 8 KiB at least.
const maxCarried = 8 << 10

// carriable reports whether a header field can carry an id of the server.
func carriable(id string) bool {
	return len(id) <= maxCarried && !strings.ContainsFunc(id, unicode.IsControl)
}

// Session returns the session id that an answer to initialize gives; empty if
// there is none. It is visible ASCII (2025-03-26 and later, basic/transports,
// session management).
func Session(h http.Header) (string, error) {
	id := h.Get(headerSession)
	if !carriable(id) || strings.ContainsFunc(id, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", errSession
	}
	return id, nil
}

var errSession = hint.New(hint.Refused, "The server names the session in a way that no request can carry.",
	"Ask the owner of the server: a session id is short, visible ASCII.")

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
