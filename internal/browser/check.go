package browser

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAddress is how long an address may be, in bytes. Authorization requests
// with everything in them stay under it by far.
const maxAddress = 16 << 10

// check returns the address as it may be given to a program: its bytes as they
// came, with what RFC 3986 allows nowhere in a URI (spaces, quotes, brackets,
// backslashes, bytes beyond ASCII) percent-encoded, as a browser would do.
// Existing percent-encoding stays byte for byte, because a signature or a state
// may depend on it.
func check(raw string) (string, error) {
	if len(raw) > maxAddress {
		return "", fmt.Errorf("longer than %d bytes", maxAddress)
	}
	if !utf8.ValidString(raw) {
		return "", errors.New("not UTF-8")
	}
	if strings.IndexFunc(raw, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) }) >= 0 {
		return "", errors.New("holds control characters")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("not a URL") // err quotes it
	}
	if u.Host == "" || u.Opaque != "" {
		return "", errors.New("not a web address")
	}
	if u.User != nil {
		return "", errors.New("holds a user name, which hides the host")
	}
	host := u.Hostname()
	ip, ipErr := netip.ParseAddr(host)
	if ipErr != nil && strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return "", errors.New("odd host name")
	}
	switch u.Scheme {
	case "https":
	case "http":
		if !strings.EqualFold(host, "localhost") && (ipErr != nil || !ip.IsLoopback()) {
			return "", errors.New("not https")
		}
	default:
		return "", errors.New("not https")
	}
	return encode(raw), nil
}

// encode percent-encodes the bytes that RFC 3986 section 2 has no use for.
func encode(raw string) string {
	const allowed = "-._~:/?#[]@!$&'()*+,;=%"
	var b strings.Builder
	for i := range len(raw) {
		c := raw[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(allowed, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
