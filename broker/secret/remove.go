package secret

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Removed stands where Remove has taken a secret out.
const Removed = "[removed]"

// shortest is how long a value has to be to be taken out: shorter ones are no
// secrets, and would cut words.
const shortest = 4

// Remove takes values out of a text that somebody answered, before it becomes part of
// an error or a log: as they are, percent-encoded (RFC 3986 section 2.1), and in base64
// (RFC 4648 sections 4 and 5).
func Remove(text string, values ...string) string {
	var all []string
	for _, v := range values {
		if len(v) >= shortest {
			all = append(all, spellings(v)...)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) }) // a value may be a part of another one
	for _, s := range all {
		text = strings.ReplaceAll(text, s, Removed)
	}
	return text
}

// Quote makes a text from outside fit for a sentence, an error or a log: on one line,
// without what does not show and without the values, and cut to limit characters; 0
// means that nothing is cut. The escapes of JSON and what does not show go first, and
// the cut comes last, so that none of them keeps a value from being found.
func Quote(text string, limit int, values ...string) string {
	for _, v := range values {
		if seen := visible(unescaped(v)); seen != v {
			values = append(slices.Clip(values), seen)
		}
	}
	text = Remove(visible(unescaped(text)), values...)
	if limit > 0 && utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit-1]) + "…"
	}
	return text
}

// unescaped is a text without the escapes of JSON that need not be there (RFC 8259
// section 7): PHP writes \/ for each slash, .NET \u002B for a plus.
func unescaped(text string) string {
	var b strings.Builder
	for {
		before, escape, found := strings.Cut(text, `\`)
		if b.Len() == 0 && !found {
			return text
		}
		b.WriteString(before)
		if text = escape; !found {
			return b.String()
		}
		switch r, err := strconv.ParseUint(text[min(1, len(text)):min(5, len(text))], 16, 16); {
		case len(text) > 4 && text[0] == 'u' && err == nil:
			b.WriteRune(rune(r))
			text = text[5:]
		case !strings.HasPrefix(text, "/"):
			b.WriteByte('\\')
		}
	}
}

// visible puts a text on one line and leaves out what does not show.
func visible(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r > ' ' && r < unicode.MaxASCII:
			return r
		case unicode.IsSpace(r):
			return ' '
		case r == utf8.RuneError, !unicode.IsPrint(r), unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

func spellings(v string) (all []string) {
	raw := []byte(v)
	for _, s := range []string{v, base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)} {
		for _, encoded := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			all = append(all, encoded, smallDigits(encoded))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// smallDigits writes percent-encoded bytes as %c3, where net/url has %C3.
func smallDigits(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

// kept is how many values Sent remembers.
const kept = 64

// Sent remembers what was sent to somebody, who may send it back. The zero Sent is
// empty. It is safe for concurrent use.
type Sent struct {
	mu     sync.Mutex
	values []string // the oldest first
}

// Add takes note of values.
func (s *Sent) Add(values ...Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		if !v.IsZero() && !slices.Contains(s.values, v.s) {
			s.values = append(s.values, v.s)
		}
	}
	s.values = slices.Delete(s.values, 0, max(0, len(s.values)-kept))
}

// Forget makes s empty.
func (s *Sent) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = nil
}

// Remove is Remove of all of them.
func (s *Sent) Remove(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Remove(text, s.values...)
}

// Quote is Quote without any of them.
func (s *Sent) Quote(text string, limit int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Quote(text, limit, s.values...)
}

// notAWord is how long a value has to be to stand in a longer text by no chance.
const notAWord = 8

// In reports whether one of them stands in a text, which may be JSON. Those that may
// be words do not count.
func (s *Sent) In(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	text = unescaped(text)
	for _, v := range s.values {
		if len(v) >= notAWord && Remove(text, v, unescaped(v)) != text {
			return true
		}
	}
	return false
}

func (s *Sent) String() string               { return redacted }
func (s *Sent) GoString() string             { return redacted }
func (s *Sent) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (s *Sent) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s *Sent) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
