package install

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parse reads TOML. go-toml says whether it is valid; its lower half, which
// gives offsets, is stable in fact and unstable in name.
func (tomlc) parse(text []byte) (*Value, error) {
	mark, body := cutMark(text)
	if err := validTOML(body); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	r := tomlReader{text: text, from: len(mark), root: Value{Kind: Object, Start: len(mark)}}
	r.p.Reset(body)
	for r.p.NextExpression() {
		r.expression(r.p.Expression())
	}
	if err := r.p.Error(); err != nil {
		return nil, fmt.Errorf("read TOML: %w", err)
	}
	return &r.root, nil
}

func validTOML(body []byte) error {
	err := toml.Unmarshal(body, &map[string]any{})
	var where *toml.DecodeError
	if errors.As(err, &where) {
		line, column := where.Position()
		return &ParseError{Line: line, Column: column, What: strings.TrimPrefix(where.Error(), "toml: ")}
	}
	if err != nil {
		return &ParseError{Line: 1, Column: 1, What: strings.TrimPrefix(err.Error(), "toml: ")}
	}
	return nil
}

// A tomlReader puts a tree together from a file's lines.
type tomlReader struct {
	p     unstable.Parser
	text  []byte
	from  int // offset of what p reads
	root  Value
	table []string // the one that the lines are in
}

// expression adds a line, or several for a value that goes on: a header or a key
// with its value.
func (r *tomlReader) expression(n *unstable.Node) {
	keys, from, to := r.keys(n)
	if n.Kind == unstable.KeyValue {
		to = r.from + int(n.Raw.Offset+n.Raw.Length)
	}
	lines := span{lineStart(r.text, from), lineEnd(r.text, to)}
	switch n.Kind {
	case unstable.Table:
		r.table = keys
		r.walk(keys, lines, from)
	case unstable.ArrayTable:
		r.table = keys
		list := r.walk(keys, lines, from)
		list.Kind = List
		list.Elements = append(list.Elements, Value{Kind: Object, Start: from})
	case unstable.KeyValue:
		*r.walk(append(r.table[:len(r.table):len(r.table)], keys...), lines, from) = r.pair(n)
	}
}

// keys returns the names of a header or a key, and where they begin and end.
func (r *tomlReader) keys(n *unstable.Node) (keys []string, from, to int) {
	for it := n.Key(); it.Next(); {
		raw := it.Node().Raw
		if len(keys) == 0 {
			from = r.from + int(raw.Offset)
		}
		to = r.from + int(raw.Offset+raw.Length)
		keys = append(keys, string(it.Node().Data))
	}
	return keys, from, to
}

// walk goes down from the root, to the last element of each list, makes what is
// missing, and notes the lines at each member on the way.
func (r *tomlReader) walk(keys []string, lines span, at int) *Value {
	v := &r.root
	for _, key := range keys {
		if v.Kind == List {
			v = &v.Elements[len(v.Elements)-1]
		}
		i, m := v.member(key)
		if m == nil {
			i = len(v.Members)
			v.Members = append(v.Members, Member{Key: key, Start: at, comma: -1, Value: Value{Kind: Object, Start: at}})
		}
		v.Members[i].pieces = append(v.Members[i].pieces, lines)
		v = &v.Members[i].Value
	}
	return v
}

// pair returns the value behind a key.
func (r *tomlReader) pair(n *unstable.Node) Value {
	_, _, at := r.keys(n)
	for c := r.text[at]; c == ' ' || c == '\t' || c == '='; c = r.text[at] {
		at++
	}
	v := r.value(n.Value())
	v.Start, v.End = at, r.from+int(n.Raw.Offset+n.Raw.Length)
	return v
}

func (r *tomlReader) value(n *unstable.Node) Value {
	v := Value{Kind: Other}
	if n.Raw.Length > 0 {
		v.Start = r.from + int(n.Raw.Offset)
		v.End = v.Start + int(n.Raw.Length)
	}
	switch n.Kind {
	case unstable.String:
		v.Kind, v.Text = String, string(n.Data)
	case unstable.Array:
		v.Kind, v.flow = List, true
		for it := n.Children(); it.Next(); {
			v.Elements = append(v.Elements, r.value(it.Node()))
		}
	case unstable.InlineTable:
		v.Kind, v.flow = Object, true
		for it := n.Children(); it.Next(); {
			r.member(&v, it.Node())
		}
	default:
		v.Text = string(n.Data)
	}
	return v
}

// member adds a pair of an inline table, whose key may have dots.
func (r *tomlReader) member(v *Value, n *unstable.Node) {
	keys, from, _ := r.keys(n)
	for _, key := range keys[:len(keys)-1] {
		if v.Get(key) == nil {
			v.Members = append(v.Members, Member{Key: key, Start: from, comma: -1, Value: Value{Kind: Object, Start: from}})
		}
		v = v.Get(key)
	}
	v.Members = append(v.Members, Member{Key: keys[len(keys)-1], Start: from, comma: -1, Value: r.pair(n)})
}

// lineStart returns where the line of at begins, behind a byte order mark.
func lineStart(text []byte, at int) int {
	mark, _ := cutMark(text)
	return max(bytes.LastIndexByte(text[:at], '\n')+1, len(mark))
}

// lineEnd returns the offset behind the line of at, with its line end.
func lineEnd(text []byte, at int) int {
	if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(text)
}
