package install

import (
	"bytes"
	"slices"
	"strings"

	"keyporter/internal/lazy"
)

// yamlc is the format of YAML files with one document. Only what is written line
// by line is edited; of what stands between braces, only an empty pair.
type yamlc struct{}

var _ format = yamlc{}

var plainScalar = lazy.Regexp(`^[A-Za-z_/][A-Za-z0-9_./-]*$`)

// quote writes a string, bare where no reader could take it for anything else.
func (yamlc) quote(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return quote(s)
	}
	if plainScalar().MatchString(s) {
		return s
	}
	return quote(s)
}

func (f yamlc) add(text []byte, path []string, key string, fields []field) ([]byte, error) {
	v, around, err := find(f, text, path)
	if err != nil {
		return nil, err
	}
	if bytes.Count(text, []byte("\r")) != bytes.Count(text, []byte("\r\n")) {
		return nil, errForm // line ends of old Macs: what is added would join them
	}
	if v != nil && len(v.Members) == 0 {
		return f.addFirst(text, around, path, key, fields)
	}
	missing, holder := path, v
	switch {
	case v != nil:
		missing = nil
	case len(around) > 0:
		missing, holder = path[len(around)-1:], around[len(around)-1]
	}
	unit, indent, at := unitOf(text, around), "", len(text)
	if holder != nil {
		m := lastMember(holder)
		if m == nil {
			return nil, errForm
		}
		indent, at = string(text[m.pieces[0].start:m.Start]), m.pieces[0].end
	}
	return putLines(text, at, f.lines(missing, key, fields, indent, unit)), nil
}

// lines writes an entry, with the names around it that are missing.
func (f yamlc) lines(missing []string, key string, fields []field, indent, unit string) []string {
	var lines []string
	for _, name := range append(slices.Clone(missing), key) {
		lines = append(lines, indent+f.quote(name)+":")
		indent += unit
	}
	for _, x := range fields {
		lines = append(lines, indent+f.quote(x.name)+": "+literal(x.value, f.quote))
	}
	return lines
}

// lastMember returns the last member of what is written line by line, or nil.
func lastMember(v *Value) *Member {
	if v.flow || len(v.Members) == 0 {
		return nil
	}
	m := &v.Members[len(v.Members)-1]
	if m.pieces == nil {
		return nil
	}
	return m
}

// addFirst adds below a name that has nothing, or an empty pair of braces, which
// goes.
func (f yamlc) addFirst(text []byte, around []*Value, path []string, key string, fields []field) ([]byte, error) {
	if len(path) == 0 {
		return nil, errForm
	}
	from, to, err := emptyOf(text, around, path)
	if err != nil {
		return nil, err
	}
	_, m := around[len(around)-1].member(path[len(path)-1])
	if m.pieces == nil {
		return nil, errForm
	}
	unit := unitOf(text, around)
	indent := string(text[m.pieces[0].start:m.Start]) + unit
	at := lineEnd(text, to) - (to - from)
	return putLines(splice(text, from, to, ""), at, f.lines(nil, key, fields, indent, unit)), nil
}

// emptyOf returns what stands behind the colon of the name at path: nothing,
// null, or an empty pair of braces.
func emptyOf(text []byte, around []*Value, path []string) (from, to int, err error) {
	_, m := around[len(around)-1].member(path[len(path)-1])
	rest := text[m.Start:]
	n := len(m.Key)
	if rest[0] == '"' || rest[0] == '\'' {
		n = bytes.IndexByte(rest[1:], rest[0]) + 2
	}
	skip := len(rest[n:]) - len(bytes.TrimLeft(rest[n:], " "))
	if n+skip >= len(rest) || rest[n+skip] != ':' {
		return 0, 0, errForm
	}
	from = m.Start + n + skip + 1
	switch v := &m.Value; {
	case v.flow:
		inner := bytes.TrimLeft(text[v.Start+1:], " ")
		if len(inner) == 0 || inner[0] != '}' {
			return 0, 0, errForm
		}
		to = len(text) - len(inner) + 1
	case v.Text == "":
		return from, from, nil
	default:
		to = v.End
	}
	if to < from || bytes.ContainsAny(text[from:to], "\r\n") {
		return 0, 0, errForm
	}
	return from, to, nil
}

// putLines puts lines at the beginning of a line, or behind the text.
func putLines(text []byte, at int, lines []string) []byte {
	if at == len(text) {
		return appendLines(text, lines)
	}
	newline := newlineOf(text)
	return splice(text, at, at, strings.Join(lines, newline)+newline)
}

// unitOf returns one step of indentation, as the file has it first.
func unitOf(text []byte, around []*Value) string {
	if len(around) > 0 {
		for i := range around[0].Members {
			m := &around[0].Members[i]
			if m.pieces == nil || m.Value.flow || len(m.Value.Members) == 0 {
				continue
			}
			inner := &m.Value.Members[0]
			if inner.pieces == nil {
				continue
			}
			if n := (inner.Start - inner.pieces[0].start) - (m.Start - m.pieces[0].start); n > 0 {
				return strings.Repeat(" ", n)
			}
		}
	}
	return "  "
}

func (f yamlc) take(text []byte, path []string, key string) ([]byte, error) {
	v, _, err := find(f, text, path)
	if err != nil {
		return nil, err
	}
	_, m := v.member(key)
	if m.pieces == nil {
		return nil, errForm
	}
	return cutLines(text, m.pieces[0], false), nil
}

func (f yamlc) replace(text []byte, path []string, key string, fields []field) (out, old []byte, err error) {
	v, around, err := find(f, text, path)
	if err != nil {
		return nil, nil, err
	}
	_, m := v.member(key)
	if m.pieces == nil {
		return nil, nil, errForm
	}
	p := m.pieces[0]
	lines := f.lines(nil, key, fields, string(text[p.start:m.Start]), unitOf(text, around))
	return swapLines(text, p, lines), text[p.start:p.end], nil
}

func (f yamlc) putBack(text []byte, path []string, key string, old []byte) ([]byte, error) {
	v, _, err := find(f, text, path)
	if err != nil {
		return nil, err
	}
	_, m := v.member(key)
	if m.pieces == nil {
		return nil, errForm
	}
	return splice(text, m.pieces[0].start, m.pieces[0].end, string(old)), nil
}

func (f yamlc) trace(text []byte, path []string) (Trace, error) {
	v, around, err := find(f, text, path)
	switch {
	case err != nil:
		return Trace{}, err
	case v == nil:
		return Trace{Made: len(path) - max(len(around)-1, 0)}, nil
	case len(v.Members) > 0 || len(path) == 0:
		return Trace{}, nil
	}
	from, to, err := emptyOf(text, around, path)
	if err != nil {
		return Trace{}, err
	}
	return Trace{Empty: string(text[from:to])}, nil
}

func (f yamlc) restore(text []byte, path []string, t Trace) ([]byte, error) {
	v, around, err := find(f, text, path)
	if err != nil || v == nil || len(v.Members) > 0 {
		return text, err
	}
	if t.Made > 0 && t.Made <= len(path) {
		depth := len(path) - t.Made
		_, m := around[depth].member(path[depth])
		if m.pieces == nil || bytes.Contains(text[m.pieces[0].start:m.pieces[0].end], []byte("#")) {
			return text, nil // something was written beside it
		}
		return cutLines(text, m.pieces[0], false), nil
	}
	if from, to, err := emptyOf(text, around, path); err == nil && from == to {
		return splice(text, from, from, t.Empty), nil
	}
	return text, nil
}
