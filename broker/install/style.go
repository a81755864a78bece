package install

import "bytes"

// A style is how an object is written, for what is added to it.
type style struct {
	text    []byte
	v       *Value
	newline string // "\n" or "\r\n"
	unit    string // one step of indentation
	indent  string // of the object's members
	outer   string // of its closing brace
	inline  bool   // it stands on one line and goes on so
}

func styleOf(f jsonc, text []byte, v *Value) *style {
	s := &style{text: text, v: v, newline: "\n", unit: "  ", outer: indentation(text, v.Start)}
	body := bytes.TrimSpace(text)
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		s.newline = "\r\n"
	}
	if root, err := f.parse(text); err == nil && root != nil && len(root.Members) > 0 {
		if first := root.Members[0].Start; bytes.IndexByte(text[root.Start:first], '\n') >= 0 {
			if unit := indentation(text, first); unit != "" {
				s.unit = unit
			}
		} else {
			s.inline = bytes.IndexByte(body, '\n') < 0
		}
	}
	s.indent = s.outer + s.unit
	if len(v.Members) > 0 {
		first := v.Members[0].Start
		if s.inline = bytes.IndexByte(text[v.Start:first], '\n') < 0; !s.inline {
			s.indent = indentation(text, first)
		}
	}
	return s
}

// indentation returns the white space at the beginning of the line of at.
func indentation(text []byte, at int) string {
	start := bytes.LastIndexByte(text[:at], '\n') + 1
	if start == 0 && bytes.HasPrefix(text, bom) {
		start = len(bom)
	}
	end := start
	for end < at && (text[end] == ' ' || text[end] == '\t') {
		end++
	}
	return string(text[start:end])
}

// object writes an object whose members are given, as a value of a member.
func (s *style) object(members ...string) string {
	open, between, end := "{"+s.newline+s.indent+s.unit, ","+s.newline+s.indent+s.unit, s.newline+s.indent+"}"
	if s.inline {
		open, between, end = "{", ", ", "}"
	}
	out := open
	for i, m := range members {
		if i > 0 {
			out += between
		}
		out += m
	}
	return out + end
}

// add returns the text with a member added behind the last one. Comments keep
// their places: one that stands on the line of the last member stays there.
func (s *style) add(m string) []byte {
	v := s.v
	if len(v.Members) == 0 {
		return s.addFirst(m)
	}
	last := &v.Members[len(v.Members)-1]
	lead, comma, tail := s.newline+s.indent, ",", ""
	if last.comma >= 0 {
		comma, tail = "", "," // it is written with a comma behind the last one
	}
	at := restOfLine(s.text, last.end())
	if s.inline {
		lead, at = " ", last.end()
	}
	out := append([]byte{}, s.text[:last.Value.End]...)
	out = append(out, comma...)
	out = append(out, s.text[last.Value.End:at]...)
	out = append(out, lead+m+tail...)
	return append(out, s.text[at:]...)
}

// addFirst adds to an empty object; a comment in it stays above.
func (s *style) addFirst(m string) []byte {
	inner := bytes.TrimRight(s.text[s.v.Start+1:s.v.End-1], " \t\r\n")
	lead, end := s.newline+s.indent, s.newline+s.outer
	if s.inline && len(inner) == 0 {
		lead, end = "", ""
	}
	return splice(s.text, s.v.Start+1, s.v.End-1, string(inner)+lead+m+end)
}

// restOfLine returns the offset behind the comments that stand on at's line.
func restOfLine(text []byte, at int) int {
	end := at
	for i := at; i < len(text); {
		rest := text[i:]
		switch {
		case rest[0] == ' ' || rest[0] == '\t':
			i++
		case bytes.HasPrefix(rest, []byte("//")):
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				return len(text)
			}
			return i + len(bytes.TrimSuffix(rest[:n], []byte("\r")))
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest[2:], []byte("*/"))
			if n < 0 || bytes.IndexByte(rest[:n+2], '\n') >= 0 {
				return end
			}
			i += n + 4
			end = i
		default:
			return end
		}
	}
	return end
}

// cut returns the text without the i-th member of an object. Comments stay.
func cut(text []byte, v *Value, i int) []byte {
	m := &v.Members[i]
	from := m.Start
	for from > v.Start+1 && isSpace(text[from-1]) {
		from--
	}
	to := m.end()
	before := text[:from]
	if line := text[bytes.LastIndexByte(text[:from], '\n')+1 : from]; endsInLineComment(line) && !endsLine(text[to:]) {
		before = text[:from+bytes.IndexByte(text[from:], '\n')+1] // the comment's line has to end
	}
	switch last := i == len(v.Members)-1; {
	case len(v.Members) == 1:
		rest := bytes.TrimLeft(text[to:v.End-1], " \t\r\n")
		if len(rest) == 0 && len(bytes.TrimSpace(text[v.Start+1:from])) == 0 {
			return splice(text, v.Start+1, v.End-1, "")
		}
	case last && m.comma < 0:
		// The one before is the last now, and has no comma behind it.
		c := v.Members[i-1].comma
		out := append([]byte{}, before[:c]...)
		out = append(out, before[c+1:]...)
		return append(out, text[to:]...)
	case !last && from == v.Start+1 && bytes.IndexByte(text[from:m.Start], '\n') < 0:
		for to < len(text) && (text[to] == ' ' || text[to] == '\t') {
			to++
		}
	}
	return append(append([]byte{}, before...), text[to:]...)
}

// endsLine reports whether nothing else stands on the line that text begins on.
func endsLine(text []byte) bool {
	rest := bytes.TrimLeft(text, " \t\r")
	return len(rest) == 0 || rest[0] == '\n'
}

// endsInLineComment reports whether what comes next on a line is part of a
// comment that runs to its end.
func endsInLineComment(line []byte) bool {
	for i := 0; i < len(line); i++ {
		rest := line[i:]
		switch {
		case rest[0] == '"':
			for i++; i < len(line) && line[i] != '"'; i++ {
				if line[i] == '\\' {
					i++
				}
			}
		case bytes.HasPrefix(rest, []byte("//")):
			return true
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest[2:], []byte("*/"))
			if n < 0 {
				return false
			}
			i += n + 3
		}
	}
	return false
}
