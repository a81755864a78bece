package secret

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Removed stands where Remove has taken a secret out.
const Removed = "[removed]"

// Remove takes values out of a text that somebody answered, before it becomes part of
// an error or a log: as they are, and in the spellings of spelling.go.
func Remove(text string, values ...string) string {
	return without(text, false, spellAll(values))
}

// Quote makes a text from outside fit for a sentence, an error or a log: on one line,
// without what does not show and without the values, and cut to limit characters; 0
// means that nothing is cut. What does not show goes first, and the cut comes last, so
// that neither keeps a value from being found.
func Quote(text string, limit int, values ...string) string {
	return quote(text, limit, spellAll(values))
}

// looked is how much of a text is looked at where little of it is shown, in bytes.
const looked = 32 << 10

func quote(text string, limit int, all []spelled) string {
	cut := limit > 0 && len(text) > looked // here, or by whoever read no more of it
	n := 0
	if limit > 0 {
		n = max(looked, limit*utf8.UTFMax)
	}
	if text = visible(text, n); n > 0 && len(text) > n {
		text = strings.ToValidUTF8(text[:n], "")
	}
	text = without(text, cut, all)
	if limit > 0 && utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit-1]) + "…"
	}
	return text
}

// visible puts a text on one line and leaves out what does not show. Of a text that is
// longer than most then, a little more is enough; 0 means all of it.
func visible(text string, most int) string {
	var b strings.Builder
	space := false // to be written once something follows
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case r > ' ' && r < unicode.MaxASCII:
		case r == utf8.RuneError, !unicode.IsPrint(r), unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
		if most > 0 && b.Len() > most {
			break
		}
	}
	return b.String()
}

// kept is how many values Sent remembers.
const kept = 64

// Sent remembers what was sent to somebody, who may send it back. The zero Sent is
// empty. It is safe for concurrent use.
type Sent struct {
	mu     sync.Mutex
	values []string // the oldest first; spelled when a text is looked at, which is rare
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

// Remove is Remove of those that are no words, for a text that a program goes on to
// read: an address in it must stay whole.
func (s *Sent) Remove(text string) string { return without(text, false, s.noWords()) }

// Quote is Quote without any of them.
func (s *Sent) Quote(text string, limit int) string { return quote(text, limit, s.all()) }

// notAWord is how many letters and digits a value has to have to stand in a longer text
// by no chance.
const notAWord = 8

// In reports whether one of them stands in a text, which may be long. Those that may be
// words do not count.
func (s *Sent) In(text string) bool {
	all := s.noWords()
	for ; text != ""; text = text[min(len(text), 3*looked/2):] { // looked/2 bytes are in two parts
		if part := text[:min(len(text), 2*looked)]; without(part, false, all) != part {
			return true
		}
	}
	return false
}

// noWords returns those that stand in a longer text by no chance.
func (s *Sent) noWords() []spelled {
	return slices.DeleteFunc(s.all(), func(v spelled) bool { return len(v.letters) == 0 || len(v.letters[0]) < notAWord })
}

func (s *Sent) all() []spelled {
	s.mu.Lock()
	values := slices.Clone(s.values)
	s.mu.Unlock()
	return spellAll(values)
}

func (s *Sent) String() string               { return redacted }
func (s *Sent) GoString() string             { return redacted }
func (s *Sent) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (s *Sent) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s *Sent) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
