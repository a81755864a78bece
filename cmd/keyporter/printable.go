package main

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// printable replaces in a text that may come from outside what is no text: what
// could move a terminal's cursor, turn the direction of reading or not be seen.
// Line ends stay.
func printable(s string) string {
	before := rune(0)
	return strings.Map(func(r rune) rune {
		joined := before
		before = r
		switch {
		case r == '\n':
			return r
		case isJoiner(r) && joined > unicode.MaxASCII:
			return r // as in an emoji, or in a word of Persian or Hindi
		case unsafe(r):
			return utf8.RuneError
		}
		return r
	}, s)
}

// unsafe reports whether r is a control or format character, a line end that few
// know, or of private use.
func unsafe(r rune) bool { return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) }

func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// oneLine is printable for what must not look like more than one line of ours.
func oneLine(s string) string { return strings.ReplaceAll(printable(s), "\n", " ") }

// below is printable for a text of more lines, all but the first of which get an
// indent, so that none looks like one of ours.
func below(indent, s string) string {
	return strings.ReplaceAll(printable(s), "\n", "\n"+indent)
}

// spelled writes what is no text in JSON as escapes, which mean the same
// (RFC 8259 section 7).
func spelled(text []byte) []byte {
	if !bytes.ContainsFunc(text, hidden) {
		return text
	}
	out := make([]byte, 0, len(text)+64)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case !hidden(r):
			out = append(out, text[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[n:]
	}
	return out
}

// hidden reports whether r has to be spelled in JSON. Below it, encoding/json has
// escaped all but the line ends between members.
func hidden(r rune) bool { return r > '~' && (unsafe(r) || r == utf8.RuneError) }
