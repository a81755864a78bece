package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A secret is looked for in a text, and in what the text says once it is decoded: up to
// three times, percent-encoding (RFC 3986 section 2.1), escapes with a backslash (RFC
// 8259 section 7) and character references of HTML, in any order. In each of these
// forms it is found as it is; whatever stands between its letters and digits, and
// whether these are large or small; and so in hexadecimal digits and in base64 (RFC
// 4648 sections 4 and 5), also as a part of what was encoded.
//
// Other ways to write it are not found: encrypted, turned round, in parts, in base64
// within base64.

// shortest is how long a spelling has to be to be taken out: shorter ones are no
// secrets, and would cut words.
const shortest = 4

// decodings is how often a text is decoded.
const decodings = 3

// A spelled is a secret with what it is looked for as.
type spelled struct {
	exact   [][]byte
	letters [][]byte // as form.letters has them
	base64  [][]byte // the same
}

func spell(v string) spelled {
	s := spelled{exact: [][]byte{[]byte(v), []byte(visible(v, 0))}}
	if len(v) < shortest {
		return s
	}
	s.letters = [][]byte{letters(v), []byte(hex.EncodeToString([]byte(v)))}
	// Three bytes are four characters, so that there are three ways to begin. The
	// characters at the ends are also those of what stands beside the secret.
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), v...))
		s.base64 = append(s.base64, letters(encoded[(before*8+5)/6:(before+len(v))*8/6]))
	}
	return s
}

func spellAll(values []string) []spelled {
	all := make([]spelled, len(values))
	for i, v := range values {
		all[i] = spell(v)
	}
	return all
}

// letters leaves the letters and digits of ASCII, small, in which the two alphabets of
// base64 are one.
func letters(s string) []byte { return plain(s).letters().text }

// without takes all out of text. If that was cut it may end with the beginning of one.
func without(text string, cut bool, all []spelled) string {
	if len(all) == 0 || len(text) < shortest {
		return text
	}
	marks := make([]mark, len(text))
	found := false
	for _, f := range formsOf(text) {
		letters := f.letters()
		look := func(in form, as mark, spellings [][]byte) {
			for _, s := range spellings {
				found = in.mark(s, marks, as) || found
				found = cut && in.markEnd(s, marks, as) || found
			}
		}
		for _, s := range all {
			look(f, secretHere, s.exact)
			look(letters, secretHere, s.letters)
			look(letters, base64Here, s.base64)
		}
	}
	if !found {
		return text
	}
	wholeWords(text, marks)
	var b strings.Builder
	for i := range marks {
		switch {
		case marks[i] == nothing:
			b.WriteByte(text[i])
		case i == 0 || marks[i-1] == nothing:
			b.WriteString(Removed)
		}
	}
	return b.String()
}

// A mark says of a byte of a text whether it belongs to a secret.
type mark byte

const (
	nothing mark = iota
	secretHere
	base64Here
)

// wholeWords marks what stands beside a secret in base64 up to the end of the encoding:
// it is a part of the secret too.
func wholeWords(text string, marks []mark) {
	spread := func(i, from int, more string) {
		if marks[i] == nothing && marks[from] == base64Here && (letter(text[i]) || strings.IndexByte(more, text[i]) >= 0) {
			marks[i] = base64Here
		}
	}
	for i := 1; i < len(marks); i++ {
		spread(i, i-1, `+/-_%\=`)
	}
	for i := len(marks) - 2; i >= 0; i-- {
		spread(i, i+1, `+/-_%\`)
	}
}

// A form is a text, or what a text says once it is decoded.
type form struct {
	text     []byte
	from, to []int32 // of each byte, the part of the first text that it stands for
}

func plain(text string) form {
	f := form{[]byte(text), make([]int32, len(text)), make([]int32, len(text))}
	for i := range f.text {
		f.from[i], f.to[i] = int32(i), int32(i+1)
	}
	return f
}

// formsOf returns text and what it says. At most 40 forms, each no longer than the text
// but for the few references of HTML that are shorter than what they stand for.
func formsOf(text string) []form {
	all := []form{plain(text)}
	for done, depth := 0, 0; depth < decodings; depth++ {
		last := all[done:]
		done = len(all)
		for _, f := range last {
			for _, d := range decoders {
				if bytes.IndexByte(f.text, d.first) < 0 {
					continue
				}
				g := f.decode(d)
				if !slices.ContainsFunc(all, func(known form) bool { return bytes.Equal(known.text, g.text) }) {
					all = append(all, g)
				}
			}
		}
	}
	return all
}

// mark marks the part of the first text in which s is found, and reports whether it is.
func (f form) mark(s []byte, marks []mark, as mark) (found bool) {
	for at := 0; len(s) >= shortest; {
		i := bytes.Index(f.text[at:], s)
		if i < 0 {
			break
		}
		found = true
		f.set(at+i, at+i+len(s), marks, as)
		at += i + len(s)
	}
	return found
}

// markEnd marks the end of the text that is a beginning of s, if there is one.
func (f form) markEnd(s []byte, marks []mark, as mark) (found bool) {
	for n := min(len(s), len(f.text)); n >= shortest; n-- {
		if bytes.HasSuffix(f.text, s[:n]) {
			f.set(len(f.text)-n, len(f.text), marks, as)
			return true
		}
	}
	return false
}

func (f form) set(from, to int, marks []mark, as mark) {
	for i := f.from[from]; i < f.to[to-1]; i++ {
		marks[i] = max(marks[i], as)
	}
}

// A decoder knows one way to write a text.
type decoder struct {
	first  byte // with which all begins that it decodes
	decode func(b []byte) (says []byte, n int)
}

// Their functions return what the n bytes at the beginning of b say. With n 0 the first
// byte stands for itself.
var decoders = []decoder{{'%', percent}, {'\\', backslash}, {'&', reference}}

func (f form) decode(d decoder) form {
	g := f.empty()
	for i := 0; i < len(f.text); {
		if n := bytes.IndexByte(f.text[i:], d.first); n != 0 {
			end := i + n
			if n < 0 {
				end = len(f.text)
			}
			g.text, g.from, g.to = append(g.text, f.text[i:end]...), append(g.from, f.from[i:end]...), append(g.to, f.to[i:end]...)
			i = end
			continue
		}
		says, n := d.decode(f.text[i:])
		if n == 0 {
			says, n = f.text[i:i+1], 1
		}
		for _, c := range says {
			g.add(c, f.from[i], f.to[i+n-1])
		}
		i += n
	}
	return g
}

// letters leaves what letters does.
func (f form) letters() form {
	g := f.empty()
	for i, c := range f.text {
		if letter(c) {
			if c <= 'Z' && c >= 'A' {
				c += 'a' - 'A'
			}
			g.add(c, f.from[i], f.to[i])
		}
	}
	return g
}

// empty returns a form with room for what f says.
func (f form) empty() form {
	n := len(f.text)
	return form{make([]byte, 0, n), make([]int32, 0, n), make([]int32, 0, n)}
}

func (f *form) add(c byte, from, to int32) {
	f.text, f.from, f.to = append(f.text, c), append(f.from, from), append(f.to, to)
}

func letter(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}

func percent(b []byte) ([]byte, int) {
	c, ok := digits(b[1:], 2)
	if ok == 0 {
		return nil, 0
	}
	return []byte{byte(c)}, 3
}

func backslash(b []byte) ([]byte, int) {
	if len(b) < 2 {
		return nil, 0
	}
	switch c := b[1]; {
	case c == 'u':
		r, ok := digits(b[2:], 4)
		if utf16.IsSurrogate(r) && len(b) > 8 && b[6] == '\\' && b[7] == 'u' {
			low, also := digits(b[8:], 4)
			return utf8.AppendRune(nil, utf16.DecodeRune(r, low)), 12 * also
		}
		return utf8.AppendRune(nil, r), 6 * ok
	case c == 'x': // of programming languages
		r, ok := digits(b[2:], 2)
		return []byte{byte(r)}, 4 * ok
	case strings.IndexByte("bfnrt", c) >= 0:
		return []byte{' '}, 2
	case letter(c):
		return nil, 0
	}
	return b[1:2], 2
}

// digits reads n hexadecimal digits; ok is 1 or 0.
func digits(b []byte, n int) (value rune, ok int) {
	if len(b) < n {
		return 0, 0
	}
	v, err := strconv.ParseUint(string(b[:n]), 16, 32)
	if err != nil {
		return 0, 0
	}
	return rune(v), 1
}

// longestReference is that of HTML's longest name.
const longestReference = len("&CounterClockwiseContourIntegral;")

func reference(b []byte) ([]byte, int) {
	end := bytes.IndexByte(b[:min(len(b), longestReference)], ';')
	if end < 0 {
		return nil, 0
	}
	name := string(b[:end+1])
	if says := html.UnescapeString(name); says != name {
		return []byte(says), end + 1
	}
	return nil, 0
}
