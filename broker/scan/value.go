package scan

import (
	"net/url"
	"strings"
	"unicode"

	"keyporter/internal/lazy"
)

// known are forms that only secrets have, as their vendors document them.
var known = lazy.Regexp(`^(` + strings.Join([]string{
	`gh[pousr]_[A-Za-z0-9]{16,}`, `github_pat_[A-Za-z0-9_]{20,}`, // GitHub
	`gl(pat|ptt|dt|rt|cbt|ft|soat)-[A-Za-z0-9_-]{16,}`,            // GitLab
	`sk-[A-Za-z0-9_-]{16,}`, `[rs]k_(live|test)_[A-Za-z0-9]{16,}`, // OpenAI, Anthropic, OpenRouter; Stripe
	`xox[abeoprs]-[A-Za-z0-9-]{10,}`, `xapp-[A-Za-z0-9-]{10,}`, // Slack
	`AIza[A-Za-z0-9_-]{30,}`, `ya29\.[A-Za-z0-9_-]{16,}`, `GOCSPX-\S{16,}`, // Google
	`ntn_[A-Za-z0-9]{20,}`, `secret_[A-Za-z0-9]{30,}`, // Notion
	`lin_(api|oauth)_[A-Za-z0-9]{20,}`, `figd_[A-Za-z0-9_-]{20,}`, `hf_[A-Za-z0-9]{20,}`, `npm_[A-Za-z0-9]{20,}`,
	`dop_v1_[a-f0-9A-Z]{20,}`, `SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}`, `pat[A-Za-z0-9]{14}\.[A-Za-z0-9]{32,}`,
	`tvly-[A-Za-z0-9-]{16,}`, `pplx-[A-Za-z0-9]{20,}`, `fc-[A-Za-z0-9]{24,}`, `sntry[su]_[A-Za-z0-9+/=_-]{20,}`, `ATATT[A-Za-z0-9_=-]{20,}`,
	`eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*`, // a JWT
	`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+`,
}, `|`) + `)$`)

// secretWords are words of names under which secrets stand. What follows the word
// can turn it into something else: the file, the kind or the length of a secret.
var secretWords = map[string]Kind{
	"KEY": APIKey, "APIKEY": APIKey, "TOKEN": APIKey, "SECRET": APIKey, "PAT": APIKey, "CREDENTIAL": APIKey, "CREDENTIALS": APIKey, "AUTH": APIKey,
	"BEARER": Bearer, "AUTHORIZATION": Bearer, "JWT": APIKey, "COOKIE": APIKey, "APITOKEN": APIKey, "ACCESSTOKEN": APIKey, "CLIENTSECRET": APIKey,
	"PASSWORD": Password, "PASSWD": Password, "PASS": Password, "PASSPHRASE": Password, "PWD": Password,
}

// about are words that, at the end of a name, say something about a secret.
var about = set(`ID IDS NAME URL URI FILE PATH DIR DIRECTORY SOCK SOCKET HEADER TYPE METHOD MODE LIMIT LENGTH SIZE TTL EXPIRY EXPIRES
	ALG ALGORITHM PREFIX SUFFIX POLICY SCOPE SCOPES REGION HOST PORT ENDPOINT ISSUER COUNT TIMEOUT ENABLED DISABLED VERSION AUDIENCE PROVIDER STORE BACKEND
	SERVER DOMAIN REALM REQUIRED COMMAND CMD HELPER FORMAT LAYOUT USER USERNAME EMAIL`)

// other are words before KEY that make it another thing than a secret.
var other = set("PRIMARY PARTITION SORT FOREIGN PUBLIC PUBLISHABLE CACHE HOT ISSUE PROJECT SPACE")

func set(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(list) {
		m[w] = true
	}
	return m
}

// stages are words behind a name that say which one of several it is.
var stages = set("VALUE STRING DEV PROD PRODUCTION STAGING TEST LIVE")

// words splits a name into its words: at what is no letter or digit, and where a
// small letter is followed by a capital.
func words(name string) []string {
	var out []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, strings.ToUpper(b.String()))
			b.Reset()
		}
	}
	small := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
		case unicode.IsUpper(r) && small:
			flush()
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
		small = unicode.IsLower(r) || small && unicode.IsDigit(r)
	}
	flush()
	return out
}

// named says of what kind the value under a name would be, if the name says that
// it is a secret. It is not sure of a name in which something follows that word, as
// in TOKEN_ENCODING, nor of one that has no other word.
func named(name string) (kind Kind, sure, ok bool) {
	ws := words(name)
	for len(ws) > 1 && (stages[ws[len(ws)-1]] || number().MatchString(ws[len(ws)-1])) {
		ws = ws[:len(ws)-1]
	}
	if len(ws) == 0 || about[ws[len(ws)-1]] {
		return "", false, false
	}
	for i := len(ws) - 1; i >= 0; i-- {
		kind, ok := secretWords[ws[i]]
		if ok && !(ws[i] == "KEY" && i > 0 && other[ws[i-1]]) {
			alone := len(ws) == 1 && (ws[i] == "KEY" || ws[i] == "AUTH")
			return kind, i == len(ws)-1 && !alone, true
		}
	}
	return "", false, false
}

// drawn reports whether a text looks as if a machine had made it: long, and of
// letters and digits.
func drawn(s string) bool {
	return len(s) >= 16 && strings.ContainsAny(s, "0123456789") && strings.ContainsFunc(s, unicode.IsLetter) && !strings.ContainsAny(s, " \n")
}

var (
	number    = lazy.Regexp(`^[0-9][0-9._]*$`)
	reference = lazy.Regexp(`\$\{[^}]*\}|\{\{.*\}\}|^\$[A-Za-z_]|^\$\(|^%[A-Za-z_]+%$|^(op|vault|gcpsm|awssm|keychain|keyring|env|file|bws|doppler)://?|^(keyring|keychain|env|file|cmd|arn):`)
	dummy     = lazy.Regexp(`(?i)^<.*>$|^\[.*\]$|^(x+|\*+|\.+|-+|0+)$|your[-_ ]|[-_ ]your|my[-_]?(api|token|secret|key|pass)|changeme|change[-_]me|replace|placeholder|insert[-_ ]|example|dummy|todo|fixme|redacted|enter[-_ ]|paste[-_ ]|^(none|null|nil|undefined|true|false|yes|no|on|off|default|auto|basic|bearer|oauth2?|oidc|token|secret|password|api[-_]?key|disabled|enabled|required|optional|strict|lax|test|dev|prod)$|\bhere\b|x{6,}`)
	place     = lazy.Regexp(`^(~|\.{0,2}/|[A-Za-z]:[\\/]|\\\\)`)
)

// literal reports whether a text is a value itself and not a reference to one or a
// place to fill in.
func literal(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && !reference().MatchString(s) && !dummy().MatchString(s)
}

// inValue says whether a value under a name is a secret.
func inValue(name, value string) (Kind, bool) {
	v := strings.TrimSpace(value)
	if known().MatchString(v) && literal(v) {
		return APIKey, true
	}
	if _, pass := userinfo(v); pass {
		return Password, true
	}
	kind, sure, ok := named(name)
	least := 8
	if kind == Password {
		least = 5
	}
	switch {
	case !ok || !sure && !drawn(v) || !literal(v) || len(v) < least, number().MatchString(v) && kind != Password, place().MatchString(v) && !strings.HasPrefix(v, "/+"):
		return "", false
	case strings.Contains(v, "://"):
		return "", false
	}
	return kind, true
}

// Secrets in the midst of other text: header fields, and members of JSON or settings
// of a shell's command line.
var (
	bearerInside = lazy.Regexp(`(?i)\b(?:bearer|basic)\s+([A-Za-z0-9._~+/=-]+)`)
	pairInside   = lazy.Regexp(`([A-Za-z][A-Za-z0-9_.-]*)["']?\s*[:=]\s*["']?([^\s"',;/][^\s"',;]*)`)
)

// inside looks for a secret in a longer text. Prose has words like these too, so the
// value has to look like one.
func inside(text string) (kind Kind, value string, ok bool) {
	for _, m := range bearerInside().FindAllStringSubmatch(text, -1) {
		if drawn(m[1]) && literal(m[1]) {
			return Bearer, m[1], true
		}
	}
	for _, m := range pairInside().FindAllStringSubmatch(text, -1) {
		if kind, ok := inValue(m[1], m[2]); ok && drawn(m[2]) {
			return kind, m[2], true
		}
	}
	return "", "", false
}

// userinfo returns the password of an address that has one.
func userinfo(v string) (string, bool) {
	if !strings.Contains(v, "://") || strings.ContainsAny(v, " \n") {
		return "", false
	}
	u, err := url.Parse(v)
	if err != nil || u.User == nil {
		return "", false
	}
	p, ok := u.User.Password()
	return p, ok && literal(p)
}

// inHeader says whether a header field holds a secret. Other fields than those that
// are named for it hold one only if it looks like one.
func inHeader(name, value string) (Kind, bool) {
	v := strings.TrimSpace(value)
	scheme, credentials, two := strings.Cut(v, " ")
	credentials = strings.TrimSpace(credentials)
	if strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "Proxy-Authorization") || strings.EqualFold(name, "X-Serverless-Authorization") {
		switch {
		case !two:
			return Bearer, literal(v) && len(v) >= 8
		case !literal(credentials) || len(credentials) < 4:
			return "", false
		case strings.EqualFold(scheme, "Basic"):
			return Password, true
		}
		return Bearer, true
	}
	if two && strings.EqualFold(scheme, "Bearer") {
		return Bearer, literal(credentials) && len(credentials) >= 8
	}
	return inValue(name, v)
}
