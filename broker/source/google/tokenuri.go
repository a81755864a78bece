package google

import (
	"fmt"
	"net/url"
	"strings"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// CheckTokenURI reports whether assertions of the key may go to its token_uri.
// Google's token endpoints may get them, by https at port 443. Any other address needs
// the user's word, below googleapis.com too, where anybody can have a bucket: allow must
// be that very address. Plain http is for loopback only, and only if allowed.
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
	case u.Scheme == "https" && (u.Port() == "" || u.Port() == "443") && tokenEndpoint(u):
		return nil
	}
	what := fmt.Sprintf("The key file gets its tokens from %s, which is not Google.", shown(u))
	if strings.HasSuffix(strings.ToLower(u.Hostname()), "."+defaultUniverse) {
		what = fmt.Sprintf("The key file gets its tokens from %s, where Google gives out no tokens.", shown(u))
	}
	return hint.New(hint.ApprovalNeeded, what,
		"If you know this address and trust it, add the account with --allow-token-uri and the token_uri that stands in the file.")
}

// tokenEndpoint reports whether u is a token endpoint of Google's: the one of today,
// also for client certificates, those of older key files, and that of an endpoint of
// Private Service Connect, whose name only its own network knows. A trailing dot makes
// another name. Other paths are other services: www.googleapis.com takes uploads.
func tokenEndpoint(u *url.URL) bool {
	host, path := strings.ToLower(u.Hostname()), u.EscapedPath()
	switch host {
	case "oauth2.googleapis.com", "oauth2.mtls.googleapis.com":
		return path == "/token"
	case "accounts.google.com":
		return path == "/o/oauth2/token"
	case "www.googleapis.com":
		return path == "/oauth2/v3/token" || path == "/oauth2/v4/token"
	}
	name, ok := strings.CutSuffix(host, ".p.googleapis.com")
	return ok && path == "/token" && strings.HasPrefix(name, "oauth2-") && !strings.Contains(name, ".")
}

// shown returns the origin of u for a sentence.
func shown(u *url.URL) string {
	if o := []rune(account.Origin(u)); len(o) > 80 {
		return string(o[:80]) + "…"
	}
	return account.Origin(u)
}
