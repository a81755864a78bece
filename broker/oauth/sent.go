package oauth

import (
	"net/url"
	"strings"
)

// secretParams are the parameters of a request that servers have been seen to
// repeat in error_description.
var secretParams = []string{"refresh_token", "code", "code_verifier", "client_secret", "client_assertion", "assertion", "subject_token", "actor_token", "device_code", "token"}

// SentSecrets returns what a token request carried that must not become part of an
// error, for secret.Remove: parameters of its form, and the client's secret, by itself
// as client_secret_basic has it (RFC 6749 section 2.3.1), and unescaped, as some
// clients send it.
func SentSecrets(form url.Values, clientID, clientSecret string) (sent []string) {
	for _, name := range secretParams {
		sent = append(sent, form[name]...)
	}
	if clientSecret != "" {
		sent = append(sent, clientSecret, url.QueryEscape(clientID)+":"+url.QueryEscape(clientSecret), clientID+":"+clientSecret)
	}
	return sent
}

// fieldSecrets returns the same of a header field: its values, and what stands there
// behind the scheme (RFC 9110 section 11.4).
func fieldSecrets(values []string) (sent []string) {
	for _, v := range values {
		if _, credentials, ok := strings.Cut(v, " "); ok {
			sent = append(sent, credentials)
		}
		sent = append(sent, v)
	}
	return sent
}
