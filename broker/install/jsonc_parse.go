package install

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxDepth bounds how deep values may be nested.
const maxDepth = 200

// A parser reads JSON (RFC 8259) with comments and commas behind the last member.
type parser struct {
	text []byte
	at   int
}

func (f jsonc) parse(text []byte) (*Value, error) {
	if f.last == nil {
		return parseJSON(text)
	}
	for i, old := range f.last.text {
		if f.last.root[i] != nil && bytes.Equal(old, text) {
			return f.last.root[i], nil
		}
	}
	root, err := parseJSON(text)
	if err == nil && root != nil {
		f.last.text[1], f.last.root[1] = f.last.text[0], f.last.root[0]
		f.last.text[0], f.last.root[0] = bytes.Clone(text), root
	}
	return root, err
}

func parseJSON(text []byte) (*Value, error) {
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

func (p *parser) wrong(what string) *ParseError { return wrongAt(p.text, p.at, what) }

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

func (p *parser) value(depth int) (Value, error) {
	v := Value{Start: p.at, Kind: Kind(p.peek()), flow: true}
	var err error
	switch {
	case depth > maxDepth:
		return v, p.wrong("values are nested too deep")
	case v.Kind == Object:
		err = p.list(&v, '}', func() error { return p.member(&v, depth) })
	case v.Kind == List:
		err = p.list(&v, ']', func() error {
			e, err := p.value(depth + 1)
			v.Elements = append(v.Elements, e)
			return err
		})
	case v.Kind == String:
		err = p.str()
	default:
		v.Kind = Other
		err = p.literal()
	}
	v.End = p.at
	switch {
	case err != nil:
	case v.Kind == String:
		v.Text = unquoted(p.text[v.Start:v.End])
	case v.Kind == Other:
		v.Text = string(p.text[v.Start:v.End])
	}
	return v, err
}

// list reads what stands between brackets, with item for each element.
func (p *parser) list(v *Value, closing byte, item func() error) error {
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
			if n := len(v.Members); n > 0 {
				v.Members[n-1].comma = p.at
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

func (p *parser) member(v *Value, depth int) error {
	m := Member{Start: p.at, comma: -1}
	if p.peek() != '"' {
		return p.wrong("a name in double quotes is missing")
	}
	if err := p.str(); err != nil {
		return err
	}
	m.Key = unquoted(p.text[m.Start:p.at])
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
	m.Value, err = p.value(depth + 1)
	v.Members = append(v.Members, m)
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

// unquoted returns what a string literal stands for.
func unquoted(literal []byte) string {
	var s string
	_ = json.Unmarshal(literal, &s) // the parser has checked it
	return s
}
