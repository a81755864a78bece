package install

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"
)

// A Kind is what sort of value stands in a text.
type Kind byte

// The kinds.
const (
	Other  Kind = 0   // a number, true, a date, an alias
	Null   Kind = '~' // nothing, in YAML
	String Kind = '"'
	List   Kind = '['
	Object Kind = '{'
)

// A Value is a value of a client's file, and where it stands. Offsets are in
// bytes. Of a YAML collection, or a TOML table that is written in pieces, only
// Start is known; then End is 0.
type Value struct {
	Kind       Kind
	Start, End int
	Text       string // what a String stands for
	Members    []Member
	Elements   []Value

	flow bool // it stands between brackets, in YAML and TOML too
}

// A Member is one member of an object.
type Member struct {
	Key   string
	Start int // of its key
	Value Value

	comma  int    // offset of the comma behind it, or -1
	pieces []span // whole lines that make it up, in TOML and YAML
}

// A span is a part of a text.
type span struct{ start, end int }

// end returns the offset behind the member, with its comma.
func (m *Member) end() int {
	if m.comma >= 0 {
		return m.comma + 1
	}
	return m.Value.End
}

// Get returns the value of the last member with that key, which is the one that
// readers take, or nil.
func (v *Value) Get(key string) *Value {
	if _, m := v.member(key); m != nil {
		return &m.Value
	}
	return nil
}

func (v *Value) member(key string) (int, *Member) {
	if v != nil {
		for i := len(v.Members) - 1; i >= 0; i-- {
			if v.Members[i].Key == key {
				return i, &v.Members[i]
			}
		}
	}
	return -1, nil
}

// A ParseError says where a text cannot be understood.
type ParseError struct {
	Line, Column int // from 1; columns count characters
	What         string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.What)
}

var bom = []byte("\xef\xbb\xbf")

// cutMark splits a byte order mark off.
func cutMark(text []byte) (mark, body []byte) {
	if bytes.HasPrefix(text, bom) {
		return text[:len(bom)], text[len(bom):]
	}
	return nil, text
}

// wrongAt returns a ParseError for an offset.
func wrongAt(text []byte, at int, what string) *ParseError {
	line, column := Position(text, at)
	return &ParseError{Line: line, Column: column, What: what}
}

// Position returns the line and the column of an offset, from 1. A byte order
// mark is not a character.
func Position(text []byte, at int) (line, column int) {
	before := text[:min(at, len(text))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(bytes.TrimPrefix(before[start:], bom)) + 1
}

// find returns the object at path, or nil, with those around it: the root
// first, as far as they are there.
func find(f format, text []byte, path []string) (at *Value, around []*Value, err error) {
	v, err := f.parse(text)
	if err != nil || v == nil {
		return nil, nil, err
	}
	for _, key := range path {
		around = append(around, v)
		next := v.Get(key)
		if next == nil {
			return nil, around, nil
		}
		if next.Kind != Object && next.Kind != Null {
			return nil, nil, wrongAt(text, next.Start, fmt.Sprintf("%q is not an object", key))
		}
		v = next
	}
	return v, around, nil
}

// same reports whether two values are the same, wherever they stand.
func same(a, b *Value) bool {
	return a.Kind == b.Kind && a.Text == b.Text && sameMembers(a.Members, b.Members) &&
		slices.EqualFunc(a.Elements, b.Elements, func(a, b Value) bool { return same(&a, &b) })
}

func sameMembers(a, b []Member) bool {
	return slices.EqualFunc(a, b, func(a, b Member) bool { return a.Key == b.Key && same(&a.Value, &b.Value) })
}

// without returns the object's members but the last one with that key.
func (v *Value) without(key string) []Member {
	i, m := v.member(key)
	switch {
	case v == nil:
		return nil
	case m == nil:
		return v.Members
	}
	return slices.Concat(v.Members[:i], v.Members[i+1:])
}

// differsInOne reports whether two roots are the same but for one member of the
// object at path, which a has and b may have. What is missing or empty on the way
// counts as the same.
func differsInOne(a, b *Value, path []string, key string, inBoth bool) bool {
	for _, name := range path {
		if !sameMembers(a.without(name), b.without(name)) {
			return false
		}
		a, b = a.Get(name), b.Get(name)
	}
	if _, m := a.member(key); m == nil {
		return false
	}
	if inBoth {
		return sameMembers(a.without(key), b.without(key))
	}
	if b == nil {
		b = &Value{}
	}
	return sameMembers(a.without(key), b.Members)
}
