package view

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// A phrase is something that the agent's doctor says it saw, in the agent's own
// words, and in another language. Both are pieces with a | in between: the first
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

// readersJA are those of all phrases. They are made when the page Doctor is opened.
var readersJA = sync.OnceValue(func() []reader {
	var all []reader
	for _, p := range phrasesJA {
		all = append(all, p.reader())
	}
	return all
})

// seen returns what a check saw in the language of t. What it has no words for,
// such as a name or an address, stays as it is.
func (t *Texts) seen(s string) string {
	if t != TextsIn(Japanese) {
		return s
	}
	for _, r := range readersJA() {
		if says, ok := r.say(s, t.seen); ok {
			return says
		}
	}
	return s
}
