package view

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxName = 40  // characters of a name or an identity
	maxPath = 60  // characters of a program's path
	maxLine = 100 // characters of a sentence in a menu
	maxText = 600 // characters of what has room for more
)

// Name makes a name fit to be shown: control and format characters (line breaks,
// marks that turn the direction of writing) are removed, the rest is cut to 40
// characters.
func Name(s string) string { return clip(clean(s), maxName) }

// Path makes a program's path fit to be shown. Its end says more than its beginning.
func Path(s string) string {
	s = clean(s)
	if r := []rune(s); len(r) > maxPath {
		return "…" + string(r[len(r)-maxPath+1:])
	}
	return s
}

// line makes a sentence that came from elsewhere fit for one row.
func line(s string) string { return clip(clean(s), maxLine) }

// passage is line for a text that may take several rows.
func passage(s string) string { return clip(clean(s), maxText) }

// clean removes what does not print and makes one space of each run of white space.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, unicode.In(r, unicode.C):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// clip cuts s to n characters, the last of them an ellipsis.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return strings.TrimRight(string(r[:n-1]), " ") + "…"
}
