package main

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"keyporter/broker/local"
)

// tokenClaims is what keyporter token --claims prints: what a token says about
// itself, without what makes it valid.
type tokenClaims struct {
	Kind      string          `json:"kind"`             // jwt, jwe or opaque
	Header    json.RawMessage `json:"header,omitempty"` // of a JWT or JWE
	Claims    json.RawMessage `json:"claims,omitempty"` // of a JWT
	ExpiresAt time.Time       `json:"expires_at,omitzero"`
}

// claimsOf reads a token. A JWS has three parts (RFC 7515 section 3.1), a JWE
// five (RFC 7516 section 3.1); anything else is opaque.
func claimsOf(tok *local.Token) *tokenClaims {
	c := &tokenClaims{Kind: "opaque", ExpiresAt: tok.Expiry}
	parts := strings.Split(tok.Value.Reveal(), ".")
	if len(parts) != 3 && len(parts) != 5 {
		return c
	}
	header := object(parts[0])
	if header == nil {
		return c
	}
	if len(parts) == 5 {
		c.Kind, c.Header = "jwe", header
		return c
	}
	claims := object(parts[1])
	if claims == nil {
		return c
	}
	c.Kind, c.Header, c.Claims = "jwt", header, claims
	return c
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
	return b
}

// hostOf returns the host of a URL, for sentences.
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return "the provider"
	}
	return printable(u.Host)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
