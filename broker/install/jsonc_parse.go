package install

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// A value is where a JSON value stands in a text. Offsets are in bytes.
type value struct {
	start, end int
	kind       byte // '{', '[', '"' or 0 for the rest
	members    []member
	elements   []value
}

// A member is one member of an object.
type member struct {
	start int // of its key
	key   string
	value value
	comma int // offset of the comma behind it, or -1
}

// end returns the offset behind the member, with its comma.
func (m *member) end() int {
	if m.comma >= 0 {
		return m.comma + 1
	}
	return m.value.end
}

// member returns the last member with that key, which is the one that readers
// take.
func (v *value) member(key string) (int, *member) {
	for i := len(v.members) - 1; i >= 0; i-- {
		if v.members[i].key == key {
			return i, &v.members[i]
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

// maxDepth bounds how deep values may be nested.
const maxDepth = 200

// A parser reads JSON (RFC 8259) with comments and commas behind the last member.
type parser struct {
	text []byte
	at   int
}

// parse reads a text whose root is an object. A blank text has none: nil.
func parse(text []byte) (*value, error) {
	p := &parser{text: text}
	if bytes.HasPrefix(text, bom) {
		p.at = len(bom)
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	if p.at == len(text) {
		if len(bytes.TrimSpace(bytes.TrimPrefix(text, bom))) > 0 {
			return nil, p.wrong("there are only comments")
		}
		return nil, nil
	}
	if p.peek() != '{' {
		return nil, p.wrong("it does not begin with {")
	}
	root, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	if p.at < len(text) {
		return nil, p.wrong("something stands behind the end")
	}
	return &root, nil
}

func (p *parser) wrong(what string) *ParseError {
	before := p.text[:p.at]
	start := bytes.LastIndexByte(before, '\n') + 1
	line := bytes.TrimPrefix(before[start:], bom)
	return &ParseError{Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(line) + 1, What: what}
}

// peek returns the next byte, or 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// space skips white space and comments.
func (p *parser) space() error {
	for p.at < len(p.text) {
		rest := p.text[p.at:]
		switch {
		case isSpace(rest[0]):
			p.at++
		case bytes.HasPrefix(rest, []byte("//")):
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			p.at += n
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest[2:], []byte("*/"))
			if n < 0 {
				return p.wrong("a comment does not end")
			}
			p.at += n + 4
		default:
			return nil
		}
	}
	return nil
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

func (p *parser) value(depth int) (value, error) {
	v := value{start: p.at, kind: p.peek()}
	var err error
	switch {
	case depth > maxDepth:
		return v, p.wrong("values are nested too deep")
	case v.kind == '{':
		err = p.list(&v, '}', func() error { return p.member(&v, depth) })
	case v.kind == '[':
		err = p.list(&v, ']', func() error {
			e, err := p.value(depth + 1)
			v.elements = append(v.elements, e)
			return err
		})
	case v.kind == '"':
		err = p.str()
	default:
		v.kind = 0
		err = p.literal()
	}
	v.end = p.at
	return v, err
}

// list reads what stands between brackets, with item for each element.
func (p *parser) list(v *value, closing byte, item func() error) error {
	p.at++
	for {
		if err := p.space(); err != nil {
			return err
		}
		if p.peek() == closing {
			p.at++
			return nil
		}
		if err := item(); err != nil {
			return err
		}
		if err := p.space(); err != nil {
			return err
		}
		switch p.peek() {
		case ',':
			if n := len(v.members); n > 0 {
				v.members[n-1].comma = p.at
			}
			p.at++
		case closing:
		case 0:
			return p.wrong(fmt.Sprintf("a %c is missing", closing))
		default:
			return p.wrong(fmt.Sprintf("a comma or %c is missing", closing))
		}
	}
}

func (p *parser) member(v *value, depth int) error {
	m := member{start: p.at, comma: -1}
	if p.peek() != '"' {
		return p.wrong("a name in double quotes is missing")
	}
	if err := p.str(); err != nil {
		return err
	}
	m.key = text(p.text[m.start:p.at])
	if err := p.space(); err != nil {
		return err
	}
	if p.peek() != ':' {
		return p.wrong("a colon is missing")
	}
	p.at++
	if err := p.space(); err != nil {
		return err
	}
	var err error
	m.value, err = p.value(depth + 1)
	v.members = append(v.members, m)
	return err
}

func (p *parser) str() error {
	start := p.at
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '\\':
			p.at++
		case c == '"':
			p.at++
			if !json.Valid(p.text[start:p.at]) {
				p.at = start
				return p.wrong("a text has an escape that JSON does not know")
			}
			return nil
		case c < ' ':
			return p.wrong("a text has a control character or does not end on its line")
		}
	}
	p.at = start
	return p.wrong("a text does not end")
}

// literal reads a number, true, false or null.
func (p *parser) literal() error {
	start := p.at
	for p.at < len(p.text) && !bytes.ContainsRune([]byte(" \t\r\n,:{}[]\"/"), rune(p.text[p.at])) {
		p.at++
	}
	if p.at == start || !json.Valid(p.text[start:p.at]) {
		p.at = start
		return p.wrong("a value is missing or is not JSON")
	}
	return nil
}

// text returns what a string literal stands for.
func text(literal []byte) string {
	var s string
	_ = json.Unmarshal(literal, &s) // the parser has checked it
	return s
}
