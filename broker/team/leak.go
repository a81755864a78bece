package team

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"keyporter/broker/secret"
)

// shortSecret is the length, in bytes, below which a secret is not searched for:
// it would be found in words.
const shortSecret = 6

// Holds reports whether a JSON text holds a secret: as it is or, of a key with
// several lines, one of them; escaped for a URL; in hexadecimal digits; in either
// base64, also within something longer.
func Holds(text []byte, s secret.Value) bool {
	if len(s.Reveal()) < shortSecret {
		return false
	}
	in := string(text) + unescaped(text)
	in += "\n" + unquoted(in) + "\n" + unquoted(strings.ReplaceAll(in, "+", " ")) // in a query, + is a space
	for _, form := range forms(s.Reveal()) {
		if strings.Contains(in, form) {
			return true
		}
	}
	return false
}

// unescaped returns the strings of a JSON text as they are meant.
func unescaped(text []byte) string {
	var b strings.Builder
	for d := jsontext.NewDecoder(bytes.NewReader(text)); ; {
		t, err := d.ReadToken()
		if err != nil {
			return b.String()
		}
		if t.Kind() == '"' {
			b.WriteString("\n" + t.String())
		}
	}
}

// unquoted returns a text with its percent-encoded bytes (RFC 3986 section 2.1) as
// they are meant, whichever of them a writer chose to encode.
func unquoted(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if c, err := hex.DecodeString(text[i+1 : i+3]); err == nil {
				b.WriteByte(c[0])
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func forms(s string) []string {
	all := []string{s, hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s)))}
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); len(line) >= 40 && !strings.HasPrefix(line, "-----") {
			all = append(all, line)
		}
	}
	for before, skip := range []int{0, 2, 3} { // how many bytes stand before it in a group of three
		padded := append(make([]byte, before), s...)
		whole := len(padded) * 8 / 6 // characters that depend on nothing behind it
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, alphabet.EncodeToString(padded)[skip:whole])
		}
	}
	return all
}
