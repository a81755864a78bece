package view

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

const (
	maxSaid      = 2000 // bytes of a text for which words are looked for; 600 characters of it are shown
	maxSentences = 12   // of a hint
	maxInner     = 2    // phrases around a phrase
)

// A phrase is something that the agent's doctor says it saw, or a sentence of a
// hint, in the agent's own words and in another language. Both are pieces with a | in between: the first
// is always there, each of the others may be. %s, %d and %v (one word, not quoted) are
// holes; $1, $2 and so on are what stands in those of the same piece.
type phrase struct{ said, says string }

// isSentence says that p is more than a part of a sentence.
func (p phrase) isSentence() bool { return strings.HasSuffix(p.said, ".") }

// A reader finds a phrase again.
type reader struct {
	begins, ends string // with these; most texts are told apart by them, which costs little
	all          *regexp.Regexp
	holes        []int    // of each piece
	pieces       []string // in the other language
}

func (p phrase) reader() reader {
	r := reader{pieces: strings.Split(p.says, "|")}
	first, _, optional := strings.Cut(p.said, "|")
	if hole := strings.Index(first, "%"); hole < 0 {
		r.begins = first
	} else if r.begins = first[:hole]; !optional {
		r.ends = first[strings.LastIndex(first, "%")+len("%s"):]
	}
	var all strings.Builder
	for i, piece := range strings.Split(p.said, "|") {
		exp := regexp.QuoteMeta(piece)
		r.holes = append(r.holes, strings.Count(exp, "%"))
		exp = strings.NewReplacer("%d", `(\d+)`, "%s", `(.+?)`, "%v", `([^\s"]+)`).Replace(exp)
		if all.WriteString("(" + exp + ")"); i > 0 {
			all.WriteByte('?')
		}
	}
	r.all = regexp.MustCompile("^" + all.String() + "$")
	return r
}

// say returns what was seen in the other language, if it is this phrase. What
// stands in a hole may be a phrase itself.
func (r reader) say(seen string, inner func(string) string) (string, bool) {
	if !strings.HasPrefix(seen, r.begins) || !strings.HasSuffix(seen, r.ends) {
		return "", false
	}
	found := r.all.FindStringSubmatch(seen)
	if found == nil {
		return "", false
	}
	var out strings.Builder
	found = found[1:]
	for i, piece := range r.pieces {
		if found[0] != "" {
			var fill []string
			for n := range r.holes[i] {
				fill = append(fill, fmt.Sprintf("$%d", n+1), inner(found[1+n]))
			}
			out.WriteString(strings.NewReplacer(fill...).Replace(piece)) // at once: what stands in a hole may look like another one
		}
		found = found[1+r.holes[i]:]
	}
	return out.String(), true
}

// A sayer says a text in another language, if it has words for it.
type sayer func(s string) (says string, ok bool)

// sayerOf says what one of readers finds again, and what stands in its holes with
// inner.
func sayerOf(readers []reader, inner sayer) sayer {
	return func(s string) (string, bool) {
		for _, r := range readers {
			says, ok := r.say(s, func(hole string) string {
				if says, ok := inner(hole); ok {
					return says
				}
				return hole
			})
			if ok {
				return says, true
			}
		}
		return "", false
	}
}

// sayersOf makes the sayer of phrases when the first text is said. Servers have a
// word in what stands in holes, so that is no sentence of Keyporter, and the holes in it
// come to an end.
func sayersOf(lists ...[]phrase) func() sayer {
	return sync.OnceValue(func() sayer {
		var all, parts []reader
		for _, list := range lists {
			for _, p := range list {
				r := p.reader()
				if all = append(all, r); !p.isSentence() {
					parts = append(parts, r)
				}
			}
		}
		inner := func(string) (string, bool) { return "", false }
		for range maxInner {
			inner = sayerOf(parts, inner)
		}
		return sayerOf(all, inner)
	})
}

var (
	seenJA = sayersOf(phrasesJA)
	hintJA = sayersOf(hintsJA...)
)

// seen returns what a check saw in the language of t. What it has no words for,
// such as a name or an address, stays as it is.
func (t *Texts) seen(s string) string {
	if t != TextsIn(Japanese) || len(s) > maxSaid {
		return s
	}
	if says, ok := seenJA()(s); ok {
		return says
	}
	return s
}

// hint returns what a hint says in the language of t, or as it is if there are no
// words for all of it.
func (t *Texts) hint(s string) string {
	says, _ := t.told(s)
	return says
}

// told is hint; ok is false where there are no words in the language of t.
func (t *Texts) told(s string) (says string, ok bool) {
	s = clean(s)
	if t != TextsIn(Japanese) {
		return s, true
	}
	if len(s) <= maxSaid {
		if says, ok := bySentence(s, hintJA()); ok {
			return says, true
		}
	}
	return s, false
}

// bySentence says a hint sentence by sentence, or else as a whole: some are two
// sentences, or have a name in them that holds a full stop. What comes last is said
// first, so that the rest behind each full stop is looked at once.
func bySentence(s string, say sayer) (string, bool) {
	starts := []int{0}
	for i := range len(s) {
		if strings.HasPrefix(s[i:], ". ") {
			starts = append(starts, i+len(". "))
		}
	}
	if len(starts) > maxSentences {
		return say(s)
	}
	rest := make([]string, len(starts)) // from each start on; empty where there are no words
	for i := len(starts) - 1; i >= 0; i-- {
		from, or := starts[i], ""
		if i > 0 && strings.HasPrefix(s[from:], "Or: ") {
			from, or = from+len("Or: "), "または、"
		}
		for j := i + 1; j < len(starts) && rest[i] == ""; j++ {
			if rest[j] == "" {
				continue
			}
			if says, ok := say(s[from : starts[j]-1]); ok {
				rest[i] = or + says + rest[j]
			}
		}
		if rest[i] == "" {
			if says, ok := say(s[from:]); ok {
				rest[i] = or + says
			}
		}
	}
	return rest[0], rest[0] != ""
}
