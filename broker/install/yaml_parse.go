package install

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// parse reads YAML. The library says where each node begins; where one ends
// follows from where the next one begins.
func (yamlc) parse(text []byte) (*Value, error) {
	mark, body := cutMark(text)
	r := yamlReader{text: text, lines: yamlLines(text, len(mark))}
	if at := invalidUTF8(body); at >= 0 {
		return nil, wrongAt(text, len(mark)+at, "it is not UTF-8")
	}
	d := yaml.NewDecoder(bytes.NewReader(body))
	var doc, more yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, yamlError(err)
	}
	if err := d.Decode(&more); err == nil {
		return nil, wrongAt(text, r.offset(more.Line, more.Column), "a second document begins")
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(err)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Value == "" && root.ShortTag() == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, wrongAt(text, r.offset(root.Line, root.Column), "it is not a list of names with values")
	}
	v := r.value(root, len(r.lines)+1)
	return &v, nil
}

func yamlError(err error) error {
	p := &ParseError{Line: 1, Column: 1, What: err.Error()}
	var where *yaml.LoadError
	if errors.As(err, &where) {
		p.What = where.Message
		p.Line, p.Column = max(where.Mark.Line, 1), max(where.Mark.Column, 1)
	}
	return p
}

func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// yamlLines returns where lines begin. YAML 1.1, which the library and Goose's
// read, knows five ends of a line (section 4.2).
func yamlLines(text []byte, from int) []int {
	lines := []int{from}
	for i := from; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		i += n
		switch r {
		case '\r':
			if i < len(text) && text[i] == '\n' {
				i++
			}
		case '\n', '\u0085', '\u2028', '\u2029':
		default:
			continue
		}
		lines = append(lines, i)
	}
	return lines
}

// A yamlReader makes a tree with offsets of nodes with lines and columns.
type yamlReader struct {
	text  []byte
	lines []int // where they begin
}

func (r *yamlReader) offset(line, column int) int {
	at := r.start(line)
	for range column - 1 {
		_, n := utf8.DecodeRune(r.text[min(at, len(r.text)):])
		at += n
	}
	return at
}

// start returns where a line begins; behind the last one, the end of the text.
func (r *yamlReader) start(line int) int {
	if line > len(r.lines) {
		return len(r.text)
	}
	return r.lines[max(line, 1)-1]
}

// value makes a tree of a node; no line from upper on belongs to it.
func (r *yamlReader) value(n *yaml.Node, upper int) Value {
	v := Value{Kind: Other, Start: r.offset(n.Line, n.Column), flow: n.Style&yaml.FlowStyle != 0}
	switch n.Kind {
	case yaml.MappingNode:
		v.Kind = Object
		for i := 0; i+1 < len(n.Content); i += 2 {
			next := upper
			if i+2 < len(n.Content) {
				next = n.Content[i+2].Line
			}
			v.Members = append(v.Members, r.member(n.Content[i], n.Content[i+1], next, v.flow))
		}
	case yaml.SequenceNode:
		v.Kind = List
		for i, e := range n.Content {
			next := upper
			if i+1 < len(n.Content) {
				next = n.Content[i+1].Line
			}
			v.Elements = append(v.Elements, r.value(e, next))
		}
	case yaml.AliasNode:
		v.Text = "*" + n.Value
	default:
		r.scalar(&v, n)
	}
	return v
}

func (r *yamlReader) member(key, n *yaml.Node, upper int, flow bool) Member {
	m := Member{Key: key.Value, Start: r.offset(key.Line, key.Column), comma: -1, Value: r.value(n, upper)}
	from := r.start(key.Line)
	if indent := r.text[from:m.Start]; !flow && len(bytes.Trim(indent, " ")) == 0 {
		m.pieces = []span{{from, r.start(r.last(n, key.Line, len(indent), upper) + 1)}}
	}
	return m
}

// last returns the last line of a member whose key is indented so far. What
// stands between the last node in it and the next one outside is the rest of
// that last node, or comments; in a block scalar that is indented deeper, what
// looks like a comment is none.
func (r *yamlReader) last(n *yaml.Node, line, indent, upper int) int {
	end := lastNode(n)
	line = max(line, end.Line)
	block := end.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	for l := line + 1; l < upper; l++ {
		text := r.text[r.start(l):r.start(l+1)]
		body := bytes.TrimLeft(text, " ")
		switch {
		case bytes.HasPrefix(text, []byte("...")):
			return line
		case len(bytes.TrimSpace(body)) == 0:
		case body[0] != '#' || block && len(text)-len(body) > indent:
			line = l
		}
	}
	return line
}

// lastNode returns the node in n that begins last.
func lastNode(n *yaml.Node) *yaml.Node {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return n
}

// scalar sets what a scalar stands for, and its end if it stands on one line.
func (r *yamlReader) scalar(v *Value, n *yaml.Node) {
	v.Text = n.Value
	switch n.ShortTag() {
	case "!!str":
		v.Kind = String
	case "!!null":
		v.Kind = Null
	}
	rest := r.text[v.Start:]
	switch {
	case len(rest) == 0:
	case n.Style&yaml.DoubleQuotedStyle != 0:
		v.End = quotedEnd(rest, v.Start, '"', '\\')
	case n.Style&yaml.SingleQuotedStyle != 0:
		v.End = quotedEnd(rest, v.Start, '\'', '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && n.Value != "" && bytes.HasPrefix(rest, []byte(n.Value)):
		v.End = v.Start + len(n.Value)
	}
}

// quotedEnd returns the offset behind a text in quotes, or 0 if it does not
// stand on one line. A character behind escape is not its end.
func quotedEnd(rest []byte, start int, quote, escape byte) int {
	if rest[0] != quote {
		return 0
	}
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '\n' || c == '\r':
			return 0
		case c == escape && i+1 < len(rest) && (escape != quote || rest[i+1] == quote):
			i++
		case c == quote:
			return start + i + 1
		}
	}
	return 0
}
