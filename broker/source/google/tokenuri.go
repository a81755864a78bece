package google

import (
	"fmt"
	"net/url"
	"strings"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// CheckTokenURI reports whether assertions of the key may go to its token_uri.
// Google's own addresses may get them: https, port 443, accounts.google.com or a
// host below googleapis.com. Any other needs the user's word: allow must be that
// very address. Plain http is for loopback only, and only if allowed.
//
// The file's universe_domain opens nothing: whoever wrote the file wrote that
// too. The token endpoint of another universe is allowed like any other address.
func CheckTokenURI(key *Key, allow string) error {
	u, err := url.Parse(key.TokenURI)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(key.TokenURI, " \t\r\n\\") {
		return bad("The token_uri in the key file is not the address of a token endpoint.", getKey)
	}
	switch {
	case u.Scheme == "http" && !account.Loopback(u.Hostname()):
		return hint.New(hint.Refused, fmt.Sprintf("The key file would send its signature to %s without encryption.", shown(u)), getKey)
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("The token_uri in the key file does not begin with https://.", getKey)
	case allow == key.TokenURI:
		return nil
	case u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") && googleHost(u.Hostname()):
		return nil
	}
	return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The key file gets its tokens from %s, which is not Google.", shown(u)),
		"If you know this address and trust it, add the account with --allow-token-uri and the token_uri that stands in the file.")
}

// googleHost reports whether host is one of Google's own. A trailing dot makes
// another name.
func googleHost(host string) bool {
	host = strings.ToLower(host)
	return host == "accounts.google.com" || strings.HasSuffix(host, "."+defaultUniverse)
}

// shown returns the origin of u for a sentence.
func shown(u *url.URL) string {
	if o := []rune(account.Origin(u)); len(o) > 80 {
		return string(o[:80]) + "…"
	}
	return account.Origin(u)
}
