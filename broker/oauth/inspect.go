package oauth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"keyporter/broker/secret"
)

// An Inspection is what can be said of a token by looking at it. It holds nothing
// with which the token could be used.
type Inspection struct {
	Kind   string         `json:"kind"` // jwt, jwe or opaque
	Header map[string]any `json:"header,omitempty"`
	Claims map[string]any `json:"claims,omitempty"` // of a JWT only; not checked
	Expiry time.Time      `json:"expires_at,omitzero"`
}

// Inspect tells the forms of tokens apart: a JWT (RFC 7519), whose claims anybody
// can read, a JWE (RFC 7516), which only its receiver can, and an opaque one.
func Inspect(v secret.Value) Inspection {
	parts := strings.Split(v.Reveal(), ".")
	opaque := Inspection{Kind: "opaque"}
	if len(parts) != 3 && len(parts) != 5 {
		return opaque
	}
	header := object(parts[0])
	if header == nil {
		return opaque
	}
	if _, encrypted := header["enc"]; len(parts) == 5 && encrypted {
		return Inspection{Kind: "jwe", Header: header}
	}
	claims := object(parts[1])
	if len(parts) != 3 || claims == nil {
		return opaque
	}
	i := Inspection{Kind: "jwt", Header: header, Claims: claims}
	if n, ok := claims["exp"].(json.Number); ok {
		if exp, err := n.Float64(); err == nil && exp > 0 && exp < 1e11 {
			i.Expiry = time.Unix(int64(exp), 0).UTC()
		}
	}
	return i
}

// Advice says what the form of a token means for a server that refuses it, one
// sentence, or nothing.
func (i Inspection) Advice() string {
	if i.Kind == "jwe" {
		return "The token is encrypted for somebody else than this server; providers such as Auth0 do so when they are not told the audience, so set the server up with --audience."
	}
	return ""
}

// object reads one part of a compact serialization.
func object(part string) map[string]any {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // numbers of people's ids stay as they are
	var m map[string]any
	if d.Decode(&m) != nil {
		return nil
	}
	return m
}
