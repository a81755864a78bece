package oauth

import (
	"fmt"
	"net/url"
	"strings"

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
// opens it could take for something else. The error is a hint.
func CheckBrowserURL(rawURL string) error {
	u, err := url.Parse(rawURL)
	odd := strings.ContainsFunc(rawURL, func(r rune) bool { return r <= 0x20 || r == 0x7f || r == '"' || r == '\\' || r == '`' })
	if err == nil && !odd && !strings.HasPrefix(rawURL, "-") && u.Hostname() != "" && u.User == nil && u.Fragment == "" &&
		!strings.HasPrefix(u.Host, "-") && (u.Scheme == "https" || u.Scheme == "http" && account.Loopback(u.Hostname())) {
		return nil
	}
	return hint.New(hint.Refused, fmt.Sprintf("The authorization server wants to open %q, which is not a safe address.", clean(rawURL, 200)),
		"Do not sign in there; ask the owner of the server to correct its metadata.")
}
