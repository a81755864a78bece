package report

import (
	"path/filepath"
	"regexp"
	"unicode/utf8"

	"keyporter/internal/lazy"
)

var (
	// Values behind a word that announces one, whatever they look like.
	announced = lazy.Regexp(`(?i)\b(bearer|basic|dpop|token|secret|password|api[-_]?key|access_token|refresh_token|client_secret|assertion)([ \t]*[:=][ \t]*|[ \t]+(?:[A-Za-z]+[ \t]+)?)([A-Za-z0-9._~+/=-]{16,})`)
	// Authorization codes. The path behind the name VS Code is none.
	code = lazy.Regexp(`(?i)\b(code)([ \t]*[:=][ \t]*|[ \t]+)([A-Za-z0-9._+=-][A-Za-z0-9._~+/=-]{15,})`)
	// Tokens and keys by their form: JWTs (RFC 7519), long runs of letters and
	// digits.
	jsonToken = lazy.Regexp(`\beyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){0,4}`)
	longRun   = lazy.Regexp(`[A-Za-z0-9_+=-]{40,}`)
	// What follows the question mark of an address may be a key.
	query = lazy.Regexp(`(https?://[^\s?"']+)\?[^\s"',;)]+`)
	// user:password@ of an address.
	userinfo = lazy.Regexp(`(https?://)[^\s/@"']+@`)
	email    = lazy.Regexp(`([\pL\pN])[\pL\pN._%+-]*@([\pL\pN.-]+\.\pL{2,})`)
)

// Redact takes out of a text what names its user or could be a key: the home
// folder, the user's name, addresses of people but for the first letter and the
// host, queries of addresses, tokens.
func Redact(text string, getenv func(string) string) string {
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if home := filepath.Clean(getenv(name)); filepath.IsAbs(home) && filepath.Dir(home) != home {
			text = regexp.MustCompile(regexp.QuoteMeta(home)+`($|[^\pL\pN])`).ReplaceAllString(text, "~$1")
		}
	}
	text = userinfo().ReplaceAllString(text, "$1…@")
	text = query().ReplaceAllString(text, "$1?…")
	text = jsonToken().ReplaceAllString(text, "…")
	text = announced().ReplaceAllString(text, "$1$2…")
	text = code().ReplaceAllString(text, "$1$2…")
	text = longRun().ReplaceAllString(text, "…")
	text = email().ReplaceAllString(text, "$1…@$2")
	for _, name := range []string{"USER", "USERNAME", "LOGNAME"} {
		if user := getenv(name); utf8.RuneCountInString(user) >= 3 && user != "root" {
			text = regexp.MustCompile(`(^|[^\pL\pN])`+regexp.QuoteMeta(user)+`($|[^\pL\pN])`).ReplaceAllString(text, "${1}USER$2")
		}
	}
	return text
}
