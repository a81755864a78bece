package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// jsonc is the format of JSON files, with comments or without.
type jsonc struct{}

var _ format = jsonc{}

// find returns the object at path, or nil, with those around it: the root
// first, as far as they are there.
func find(text []byte, path []string) (at *value, around []*value, err error) {
	root, err := parse(text)
	if err != nil || root == nil {
		return nil, nil, err
	}
	v := root
	for _, key := range path {
		around = append(around, v)
		_, m := v.member(key)
		if m == nil {
			return nil, around, nil
		}
		if m.value.kind != '{' {
			p := &parser{text: text, at: m.value.start}
			return nil, nil, p.wrong(fmt.Sprintf("%q is not an object", key))
		}
		v = &m.value
	}
	return v, around, nil
}

func (jsonc) entries(text []byte, path []string) (ours []Entry, all []string, err error) {
	v, _, err := find(text, path)
	if err != nil || v == nil {
		return nil, nil, err
	}
	for i := range v.members {
		m := &v.members[i]
		all = append(all, m.key)
		if e, ok := entryOf(text, m); ok {
			ours = append(ours, e)
		}
	}
	return ours, all, nil
}

// entryOf returns the entry that a member is, if it is one of ours: it launches
// keyporter, whatever its path, with bridge and a name.
func entryOf(data []byte, m *member) (Entry, bool) {
	_, command := m.value.member("command")
	_, args := m.value.member("args")
	if command == nil || args == nil || command.value.kind != '"' || args.value.kind != '[' || len(args.value.elements) != 2 {
		return Entry{}, false
	}
	var words []string
	for _, e := range args.value.elements {
		if e.kind != '"' {
			return Entry{}, false
		}
		words = append(words, text(data[e.start:e.end]))
	}
	path := text(data[command.value.start:command.value.end])
	program := strings.ToLower(path[strings.LastIndexAny(path, `/\`)+1:])
	if words[0] != "bridge" || program != "keyporter" && program != "keyporter.exe" {
		return Entry{}, false
	}
	return Entry{Key: m.key, Server: words[1], Command: path}, true
}

func (jsonc) put(data []byte, path []string, e Entry) ([]byte, error) {
	out, err := makeObjects(data, path)
	if err != nil {
		return nil, err
	}
	v, _, err := find(out, path)
	if err != nil {
		return nil, err
	}
	if _, m := v.member(e.Key); m != nil {
		_, command := m.value.member("command")
		if command == nil {
			return nil, errors.New("put entry: it is not ours")
		}
		return checked(splice(out, command.value.start, command.value.end, quote(e.Command)), path, e)
	}
	in := styleOf(out, v)
	entry := in.object(quote("command")+": "+quote(e.Command), quote("args")+": ["+quote("bridge")+", "+quote(e.Server)+"]")
	return checked(in.add(quote(e.Key)+": "+entry), path, e)
}

// checked parses an edited text once more: whatever the file looked like, the
// entry has to be in the result.
func checked(text []byte, path []string, e Entry) ([]byte, error) {
	ours, _, err := jsonc{}.entries(text, path)
	if err == nil && !slices.Contains(ours, e) {
		err = errors.New("put entry: the result does not have it")
	}
	return text, err
}

// makeObjects adds what is missing of the objects at path.
func makeObjects(text []byte, path []string) ([]byte, error) {
	_, around, err := find(text, path)
	if err != nil {
		return nil, err
	}
	if around == nil {
		text = slices.Concat(bytes.TrimSpace(text), []byte("{}\n")) // a blank file; its mark stays
	}
	for range path {
		at, around, err := find(text, path)
		if err != nil || at != nil {
			return text, err
		}
		text = styleOf(text, around[len(around)-1]).add(quote(path[len(around)-1]) + ": {}")
	}
	return text, nil
}

func (jsonc) take(text []byte, path []string, key string) ([]byte, error) {
	v, _, err := find(text, path)
	if err != nil {
		return nil, err
	}
	i, m := v.member(key)
	if m == nil {
		return text, nil
	}
	out := without(text, v, i)
	now, _, err := find(out, path)
	if err != nil || now == nil || len(now.members) != len(v.members)-1 {
		return nil, errors.Join(errors.New("take entry: the result does not lack just that"), err)
	}
	return out, nil
}

func (jsonc) trace(text []byte, path []string) (Trace, error) {
	v, around, err := find(text, path)
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
	if len(v.members) == 0 {
		t.Empty = string(text[v.start:v.end])
	}
	return t, nil
}

func (jsonc) restore(data []byte, path []string, t Trace) ([]byte, error) {
	keep := path[:max(len(path)-t.Made, 0)] // these were there
	for n := len(path); n > len(keep); n-- {
		v, around, err := find(data, path[:n])
		if err != nil || v == nil || len(v.members) > 0 || comments(data, v) {
			return data, err
		}
		holder := around[len(around)-1]
		i, _ := holder.member(path[n-1])
		data = without(data, holder, i)
	}
	v, _, err := find(data, keep)
	if err != nil || v == nil || len(v.members) > 0 {
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
	case squeezed(t.Empty) == squeezed(string(data[v.start:v.end])):
		return splice(data, v.start, v.end, t.Empty), nil
	}
	return data, nil
}

// onlyRoot reports whether nothing but the root stands in the file.
func onlyRoot(text []byte, root *value) bool {
	return len(bytes.TrimSpace(bytes.TrimPrefix(text[:root.start], bom))) == 0 && len(bytes.TrimSpace(text[root.end:])) == 0
}

// comments reports whether an empty object has more than white space in it.
func comments(text []byte, v *value) bool {
	return len(bytes.TrimSpace(text[v.start+1:v.end-1])) > 0
}

// squeezed returns s without white space.
func squeezed(s string) string { return strings.Join(strings.Fields(s), "") }

func splice(text []byte, from, to int, s string) []byte {
	return slices.Concat(text[:from], []byte(s), text[to:])
}

// quote writes a string as JSON, without escapes for HTML.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings always can be
	return strings.TrimSuffix(b.String(), "\n")
}
