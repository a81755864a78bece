package view

import (
	"cmp"
	"fmt"

	"keyporter/broker/local"
)

// A RawKeyRow is a secret that stands in the clear in a file.
type RawKeyRow struct {
	Title string // whose it is
	Line  string // where it stands, and how it ends
	File  string
}

// A RawKeys is the section of the page Clients on secrets in the clear.
type RawKeys struct {
	Mark  Mark
	Says  string
	Rows  []RawKeyRow
	Move  bool
	Undo  string // when the last move was, if it can be put back
	Shown int    // how many rows there would be
}

// maxRawKeys is how many rows the section has at most.
const maxRawKeys = 50

// RawKeysOf returns the section.
func RawKeysOf(in Input, s *local.Scanned) RawKeys {
	t := &in.Texts.Keys
	v := RawKeys{Mark: Good, Says: t.None, Shown: len(s.Found)}
	if !s.CanUndo.IsZero() {
		v.Undo = fmt.Sprintf(t.MovedAt, in.Texts.Ago(in.Now.Sub(s.CanUndo)))
	}
	switch n := len(s.Found); {
	case n == 1:
		v.Mark, v.Says, v.Move = Needs, t.One, true
	case n > 1:
		v.Mark, v.Says, v.Move = Needs, fmt.Sprintf(t.Many, n), true
	}
	for i := range s.Found[:min(len(s.Found), maxRawKeys)] {
		v.Rows = append(v.Rows, t.row(&s.Found[i]))
	}
	return v
}

func (t *Keys) row(k *local.RawKey) RawKeyRow {
	r := RawKeyRow{Title: Name(cmp.Or(k.Entry, t.kind(k.Kind))), Line: t.kind(k.Kind), File: fmt.Sprintf("%s:%d", clean(k.File), k.Line)}
	if k.Client != "" {
		r.Title += " ‧ " + Name(k.Client)
	}
	if k.Entry == "" {
		r.Line = "" // the title says it
	} else {
		r.Line += " ‧ " + Name(k.Place)
	}
	if k.Tail != "" {
		r.Line += " ‧ " + fmt.Sprintf(t.Ends, Name(k.Tail))
	}
	return r
}

// kind says what sort of secret it is; one that this version does not know counts
// as a key.
func (t *Keys) kind(kind string) string {
	switch kind {
	case "bearer":
		return t.Bearer
	case "password":
		return t.Password
	case "key_file":
		return t.KeyFile
	case "tokens":
		return t.Tokens
	}
	return t.APIKey
}

// RawKeysMoved says what a move or its undo did, a sentence each.
func RawKeysMoved(in Input, s *local.Scanned) []string {
	t := &in.Texts.Keys
	var says []string
	if n := len(s.Moved) + len(s.Removed); n > 0 {
		says = append(says, fmt.Sprintf(t.Moved, n))
	}
	if n := len(s.Restored); n > 0 {
		says = append(says, fmt.Sprintf(t.Restored, n))
	}
	if len(s.Left) > 0 {
		says = append(says, fmt.Sprintf(t.Left, len(s.Left)))
	}
	if len(s.SignIn) > 0 {
		says = append(says, fmt.Sprintf(t.SignIn, some(&in.Texts.Accounts, s.SignIn, 4)))
	}
	if len(says) == 0 && len(s.Problems) == 0 {
		says = append(says, t.None)
	}
	return says
}
