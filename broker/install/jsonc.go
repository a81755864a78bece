package install

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// jsonc is the format of JSON files, with comments or without.
type jsonc struct {
	last *lastParsed // for one edit with many steps; nil remembers nothing
}

var _ format = jsonc{}

// A lastParsed is the last two texts that were parsed: the file before a step and
// after it. Some files hold megabytes beside the entries.
type lastParsed struct {
	text [2][]byte // own copies
	root [2]*Value
}

// remembering is f for an edit with many steps.
func remembering(f format) format {
	if _, ok := f.(jsonc); ok {
		return jsonc{last: &lastParsed{}}
	}
	return f // the others' files are small
}

func (jsonc) quote(s string) string { return quote(s) }

// literal writes a value as JSON, on one line.
func literal(v any, quote func(string) string) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case []string:
		words := make([]string, len(v))
		for i, s := range v {
			words[i] = quote(s)
		}
		return "[" + strings.Join(words, ", ") + "]"
	case bool:
		if v {
			return "true"
		}
	}
	return "false"
}

func (f jsonc) add(text []byte, path []string, key string, fields []field) ([]byte, error) {
	out, err := makeObjects(text, path)
	if err != nil {
		return nil, err
	}
	v, _, err := find(f, out, path)
	if err != nil {
		return nil, err
	}
	in := styleOf(f, out, v)
	return in.add(quote(key) + ": " + in.object(jsonMembers(fields)...)), nil
}

func jsonMembers(fields []field) []string {
	var members []string
	for _, x := range fields {
		members = append(members, quote(x.name)+": "+literal(x.value, quote))
	}
	return members
}

func (f jsonc) replace(text []byte, path []string, key string, fields []field) (out, old []byte, err error) {
	v, _, err := find(f, text, path)
	if err != nil {
		return nil, nil, err
	}
	e := v.Get(key)
	in := styleOf(f, text, v)
	if bytes.IndexByte(text[e.Start:e.End], '\n') < 0 {
		in.inline = true // as the old one was
	}
	return splice(text, e.Start, e.End, in.object(jsonMembers(fields)...)), text[e.Start:e.End], nil
}

func (f jsonc) putBack(text []byte, path []string, key string, old []byte) ([]byte, error) {
	v, _, err := find(f, text, path)
	if err != nil {
		return nil, err
	}
	e := v.Get(key)
	return splice(text, e.Start, e.End, string(old)), nil
}

// makeObjects adds what is missing of the objects at path.
func makeObjects(text []byte, path []string) ([]byte, error) {
	_, around, err := find(jsonc{}, text, path)
	if err != nil {
		return nil, err
	}
	if around == nil {
		text = slices.Concat(bytes.TrimSpace(text), []byte("{}\n")) // a blank file; its mark stays
	}
	for range path {
		at, around, err := find(jsonc{}, text, path)
		if err != nil || at != nil {
			return text, err
		}
		text = styleOf(jsonc{}, text, around[len(around)-1]).add(quote(path[len(around)-1]) + ": {}")
	}
	return text, nil
}

func (f jsonc) take(text []byte, path []string, key string) ([]byte, error) {
	v, _, err := find(f, text, path)
	if err != nil {
		return nil, err
	}
	i, _ := v.member(key)
	return cut(text, v, i), nil
}

func (f jsonc) trace(text []byte, path []string) (Trace, error) {
	v, around, err := find(f, text, path)
	t := Trace{Made: len(path) - len(around) + 1}
	switch {
	case err != nil:
		return Trace{}, err
	case v != nil:
		t.Made = 0
	case len(around) == 0:
		t.Empty, t.Made = string(text), len(path)
		return t, nil
	default:
		v = around[len(around)-1]
	}
	if len(v.Members) == 0 {
		t.Empty = string(text[v.Start:v.End])
	}
	return t, nil
}

func (f jsonc) restore(data []byte, path []string, t Trace) ([]byte, error) {
	keep := path[:max(len(path)-t.Made, 0)] // these were there
	for n := len(path); n > len(keep); n-- {
		v, around, err := find(f, data, path[:n])
		if err != nil || v == nil || len(v.Members) > 0 || comments(data, v) {
			return data, err
		}
		holder := around[len(around)-1]
		i, _ := holder.member(path[n-1])
		data = cut(data, holder, i)
	}
	v, _, err := find(f, data, keep)
	if err != nil || v == nil || len(v.Members) > 0 {
		return data, err
	}
	wasFile := t.NoFile || strings.TrimSpace(strings.TrimPrefix(t.Empty, string(bom))) == "" && t.Made == len(path)
	switch {
	case wasFile && len(keep) == 0 && !comments(data, v) && onlyRoot(data, v):
		if t.NoFile {
			return nil, nil
		}
		return []byte(t.Empty), nil
	case t.Empty == "" || wasFile:
		return data, nil
	case squeezed(t.Empty) == squeezed(string(data[v.Start:v.End])):
		return splice(data, v.Start, v.End, t.Empty), nil
	}
	return data, nil
}

// onlyRoot reports whether nothing but the root stands in the file.
func onlyRoot(text []byte, root *Value) bool {
	return len(bytes.TrimSpace(bytes.TrimPrefix(text[:root.Start], bom))) == 0 && len(bytes.TrimSpace(text[root.End:])) == 0
}

// comments reports whether an empty object has more than white space in it.
func comments(text []byte, v *Value) bool {
	return len(bytes.TrimSpace(text[v.Start+1:v.End-1])) > 0
}

// squeezed returns s without white space.
func squeezed(s string) string { return strings.Join(strings.Fields(s), "") }

func splice(text []byte, from, to int, s string) []byte {
	return slices.Concat(text[:from], []byte(s), text[to:])
}

// quote writes a string as JSON, without escapes for HTML. YAML and TOML take it
// too, but for the one control character that JSON leaves alone.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings always can be
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}
