package frame

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
)

// A scanner moves over one JSON text and checks its grammar. It copies nothing
// but names of members that are written with escapes.
type scanner struct {
	b       []byte
	i       int
	newline bool
	wide    bool // there may be bytes beyond ASCII
}

// at reports whether the next byte is c.
func (s *scanner) at(c byte) bool { return s.i < len(s.b) && s.b[s.i] == c }

// space moves over white space.
func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t':
		case '\n', '\r':
			s.newline = true
		default:
			return
		}
		s.i++
	}
}

// key moves from inside an object to the value of its next member, and returns
// the member's name; more is false behind the closing brace.
func (s *scanner) key(first bool) (name []byte, more bool, err error) {
	s.space()
	if s.at('}') {
		s.i++
		return nil, false, nil
	}
	if !first {
		if !s.at(',') {
			return nil, false, ErrSyntax
		}
		s.i++
		s.space()
	}
	start := s.i
	escaped, err := s.text()
	if err != nil {
		return nil, false, err
	}
	name = s.b[start+1 : s.i-1]
	if escaped {
		var t string
		if json.Unmarshal(s.b[start:s.i], &t) != nil {
			return nil, false, ErrSyntax
		}
		name = []byte(t)
	}
	s.space()
	if !s.at(':') {
		return nil, false, ErrSyntax
	}
	s.i++
	s.space()
	return name, true, nil
}

// value moves over one value that stands depth levels deep.
func (s *scanner) value(depth int) error {
	if s.i >= len(s.b) {
		return ErrSyntax
	}
	switch c := s.b[s.i]; {
	case c == '"':
		_, err := s.text()
		return err
	case c == '{':
		return s.object(depth + 1)
	case c == '[':
		return s.array(depth + 1)
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return ErrSyntax
}

func (s *scanner) object(depth int) error {
	if depth > MaxDepth {
		return ErrDepth
	}
	s.i++
	s.space()
	if s.at('}') {
		s.i++
		return nil
	}
	for {
		if _, err := s.text(); err != nil {
			return err
		}
		s.space()
		if !s.at(':') {
			return ErrSyntax
		}
		s.i++
		s.space()
		if err := s.value(depth); err != nil {
			return err
		}
		s.space()
		switch {
		case s.at(','):
			s.i++
			s.space()
		case s.at('}'):
			s.i++
			return nil
		default:
			return ErrSyntax
		}
	}
}

func (s *scanner) array(depth int) error {
	if depth > MaxDepth {
		return ErrDepth
	}
	s.i++
	s.space()
	if s.at(']') {
		s.i++
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		s.space()
		switch {
		case s.at(','):
			s.i++
			s.space()
		case s.at(']'):
			s.i++
			return nil
		default:
			return ErrSyntax
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// text moves over a string, eight bytes at a time, and reports whether it has escapes.
func (s *scanner) text() (escaped bool, err error) {
	if !s.at('"') {
		return false, ErrSyntax
	}
	b, i := s.b, s.i+1
	var all uint64
	for {
		for i+8 <= len(b) {
			// The lowest high bit of hit marks the first quote, backslash or
			// control character; higher ones may be carried and mean nothing.
			w := binary.LittleEndian.Uint64(b[i:])
			all |= w
			q, e := w^(ones*'"'), w^(ones*'\\')
			hit := ((w-ones*0x20)&^w | (q-ones)&^q | (e-ones)&^e) & highs
			if hit != 0 {
				i += bits.TrailingZeros64(hit) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return false, ErrSyntax
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			s.wide = s.wide || all&highs != 0
			return escaped, nil
		case c == '\\':
			escaped = true
			n := escape(b[i:])
			if n == 0 {
				return false, ErrSyntax
			}
			i += n
		case c < 0x20:
			return false, ErrSyntax
		default:
			all |= uint64(c)
			i++
		}
	}
}

// escape returns the length of the escape that b begins with, or 0.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
				return 0
			}
		}
		return 6
	}
	return 0
}

// number moves over a number (RFC 8259 section 6).
func (s *scanner) number() error {
	if s.at('-') {
		s.i++
	}
	if s.at('0') {
		s.i++
	} else if !s.digits() {
		return ErrSyntax
	}
	if s.at('.') {
		s.i++
		if !s.digits() {
			return ErrSyntax
		}
	}
	if s.at('e') || s.at('E') {
		s.i++
		if s.at('+') || s.at('-') {
			s.i++
		}
		if !s.digits() {
			return ErrSyntax
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

func (s *scanner) word(w string) error {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return ErrSyntax
	}
	s.i += len(w)
	return nil
}
