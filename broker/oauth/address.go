package oauth

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// CheckEndpoint reports whether requests may go to an address that a server
// named, as far as that can be said without looking it up. The error is a hint.
func (c *Client) CheckEndpoint(rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil || u.Fragment != "" {
		return hint.New(hint.Refused, fmt.Sprintf("A server named %q, which is not an address.", clean(rawURL, 200)),
			"Ask the owner of the server to correct its metadata.")
	}
	return c.rule.checkURL(u)
}

// CheckBrowserURL reports whether an address that a server named may be opened
// in a browser: https, or http on loopback, and nothing that a program which
// opens it, or a terminal that shows it, could take for something else. The error
// is a hint.
func CheckBrowserURL(rawURL string) error {
	u, err := url.Parse(rawURL)
	odd := strings.ContainsFunc(rawURL, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(" \"\\`", r) })
	if err == nil && !odd && !strings.HasPrefix(rawURL, "-") && u.Hostname() != "" && u.User == nil && u.Fragment == "" &&
		plainHost(u.Host) && (u.Scheme == "https" || u.Scheme == "http" && account.Loopback(u.Hostname())) {
		return nil
	}
	return hint.New(hint.Refused, fmt.Sprintf("The authorization server wants to open %q, which is not a safe address.", clean(rawURL, 200)),
		"Do not sign in there; ask the owner of the server to correct its metadata.")
}

// plainHost reports whether a host, with its port, is written in the letters of
// the DNS: other ones look like these.
func plainHost(host string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	return !strings.HasPrefix(host, "-") && strings.Trim(strings.ToLower(host), letters+".-_:[]%") == ""
}
