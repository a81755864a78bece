package view

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// A phrase is something that the agent's doctor says it saw, or a sentence of a
// hint, in the agent's own words and in another language. Both are pieces with a | in between: the first
// is always there, each of the others may be. %s, %d and %v (one word, not quoted) are
// holes; $1, $2 and so on are what stands in those of the same piece.
type phrase struct{ said, says string }

// A reader finds a phrase again.
type reader struct {
	all    *regexp.Regexp
	holes  []int    // of each piece
	pieces []string // in the other language
}

func (p phrase) reader() reader {
	r := reader{pieces: strings.Split(p.says, "|")}
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
	found := r.all.FindStringSubmatch(seen)
	if found == nil {
		return "", false
	}
	var out strings.Builder
	found = found[1:]
	for i, piece := range r.pieces {
		if found[0] != "" {
			for n := range r.holes[i] {
				piece = strings.ReplaceAll(piece, fmt.Sprintf("$%d", n+1), inner(found[1+n]))
			}
			out.WriteString(piece)
		}
		found = found[1+r.holes[i]:]
	}
	return out.String(), true
}

// readersOf makes the readers of phrases when the first text is read.
func readersOf(lists ...[]phrase) func() []reader {
	return sync.OnceValue(func() []reader {
		var all []reader
		for _, list := range lists {
			for _, p := range list {
				all = append(all, p.reader())
			}
		}
		return all
	})
}

var (
	seenReadersJA = readersOf(phrasesJA)
	hintReadersJA = readersOf(hintsJA...)
)

// seen returns what a check saw in the language of t. What it has no words for,
// such as a name or an address, stays as it is.
func (t *Texts) seen(s string) string {
	if t != TextsIn(Japanese) {
		return s
	}
	for _, r := range seenReadersJA() {
		if says, ok := r.say(s, t.seen); ok {
			return says
		}
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
	if says, ok := t.sentencesJA(s); ok {
		return says, true
	}
	return s, false
}

// sentencesJA says a hint sentence by sentence, or else as a whole: some are two
// sentences, or have a name in them that holds a full stop.
func (t *Texts) sentencesJA(s string) (string, bool) {
	for end := strings.Index(s, ". "); end >= 0; {
		if first, ok := t.sentenceJA(s[:end+1]); ok {
			rest, or := strings.CutPrefix(s[end+2:], "Or: ")
			if says, ok := t.sentencesJA(rest); ok && or {
				return first + "または、" + says, true
			} else if ok {
				return first + says, true
			}
		}
		next := strings.Index(s[end+2:], ". ")
		if next < 0 {
			break
		}
		end += 2 + next
	}
	return t.sentenceJA(s)
}

func (t *Texts) sentenceJA(s string) (string, bool) {
	for _, r := range hintReadersJA() {
		if says, ok := r.say(s, t.hint); ok {
			return says, true
		}
	}
	return "", false
}
