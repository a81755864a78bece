package main

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

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
	if c.ExpiresAt.IsZero() {
		c.ExpiresAt = expiryIn(claims)
	}
	return c
}

// expiryIn returns the time of exp (RFC 7519 section 4.1.4), or zero.
func expiryIn(claims json.RawMessage) time.Time {
	var known struct {
		Exp float64 `json:"exp"`
	}
	if json.Unmarshal(claims, &known) != nil || known.Exp <= 0 || known.Exp > maxTime {
		return time.Time{}
	}
	return time.Unix(int64(known.Exp), 0).UTC()
}

// maxTime is the last second that JSON can hold as a time (RFC 3339), in Unix
// time.
const maxTime = 253402300799

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
