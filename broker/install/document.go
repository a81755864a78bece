package install

import (
	"bytes"
	"slices"
	"strconv"

	"keyporter/internal/hint"
)

// A Document is a client's file as it was read.
type Document struct {
	Client *Client
	Path   string
	Text   []byte // nil if there is no file
	Items  []Item // all servers in it, ours and others
}

// An Item is one server in a client's file.
type Item struct {
	At    []string // the names of the objects around it, from the root
	Key   string   // its name there
	Start int      // where the name stands
	Value Value
	Ours  *Entry // if it is one of ours
}

// Read reads a client's file with all servers in it, in order.
func (c *Client) Read(path string) (*Document, error) {
	text, _, err := read(path)
	if err != nil {
		return nil, err
	}
	d, err := c.Parse(text)
	if err != nil {
		return nil, explain(path, err)
	}
	d.Path = path
	return d, nil
}

// Parse is Read for a text.
func (c *Client) Parse(text []byte) (*Document, error) {
	d := &Document{Client: c, Text: text}
	root, err := c.format.parse(text)
	if err != nil {
		return nil, err
	}
	for _, path := range append([][]string{c.path}, c.also...) {
		d.collect(root, nil, path)
	}
	return d, nil
}

// collect adds what stands in the objects that a path with wildcards names.
func (d *Document) collect(v *Value, at, path []string) {
	if v == nil || v.Kind != Object {
		return
	}
	if len(path) == 0 {
		for i := range v.Members {
			m := &v.Members[i]
			item := Item{At: at, Key: m.Key, Start: m.Start, Value: m.Value}
			if e, ok := d.Client.ours(m); ok {
				item.Ours = &e
			}
			d.Items = append(d.Items, item)
		}
		return
	}
	for i := range v.Members {
		m := &v.Members[i]
		if path[0] == m.Key || path[0] == "*" {
			d.collect(&m.Value, append(slices.Clone(at), m.Key), path[1:])
		}
	}
}

// Line returns the line of an offset, from 1.
func (d *Document) Line(at int) int {
	line, _ := Position(d.Text, at)
	return line
}

// A Replacement puts keyporter in the place of one entry, under its name.
type Replacement struct {
	At   []string
	Key  string
	Name string // of the server whose bridge is launched, or of the program
	Run  bool   // it is a program of this computer: keyporter starts it, with the secrets that it needs

	Old []byte // what stood there, for PutBack
	Err error  // why it stands there still
}

// Replace replaces entries of a file in one rewrite. Each says what became of it. What
// stood there may hold a secret: no copy of the file is kept, and one that an earlier
// edit kept is removed.
func (c *Client) Replace(path, command string, all ...*Replacement) {
	with := *c
	with.format = remembering(c.format)
	_, err := edit(path, Trace{}, dropCopy, func(text []byte) (change, error) {
		ch := change{text: text}
		for _, r := range all {
			e := Entry{Key: r.Key, Server: r.Name, Command: command}
			if r.Run {
				e.verb = run
			}
			var out []byte
			if out, r.Old, r.Err = with.replaced(ch.text, r.At, e); r.Err == nil {
				ch.text, ch.changed = out, append(ch.changed, r.Name)
			}
		}
		return ch, nil
	})
	for _, r := range all {
		switch {
		case r.Err != nil:
			r.Err = explain(path, r.Err)
		case err != nil:
			r.Err = err
		}
	}
}

func (c *Client) replaced(text []byte, at []string, e Entry) (out, old []byte, err error) {
	if err := c.has(text, at, e.Key); err != nil {
		return nil, nil, err
	}
	v, _, err := find(c.format, text, at)
	if err != nil {
		return nil, nil, err
	}
	out, old, err = c.format.replace(text, at, e.Key, withSwitches(c.fields(e), text, v.Get(e.Key)))
	if err != nil {
		return nil, nil, err
	}
	return out, slices.Clone(old), c.check(out, text, at, e.Key, true)
}

// switches are the fields that say whether a client uses a server, and which of its
// tools.
var switches = []string{
	"disabled", "enabled", "tools", "disabledTools", "enabled_tools", "disabled_tools", "includeTools", "excludeTools", "available_tools",
}

// withSwitches adds those of the entry that is replaced: a server that was off, or
// had fewer tools, stays so.
func withSwitches(fields []field, text []byte, old *Value) []field {
	for _, name := range switches {
		v := old.Get(name)
		var value any
		switch {
		case v == nil:
			continue
		case v.Kind == List:
			list := []string{}
			for i := range v.Elements {
				list = append(list, v.Elements[i].Text)
			}
			value = list
		case v.Kind == Other && v.End > v.Start:
			on, err := strconv.ParseBool(string(text[v.Start:v.End]))
			if err != nil {
				continue
			}
			value = on
		default:
			continue
		}
		fields = slices.DeleteFunc(fields, func(f field) bool { return f.name == name })
		fields = append(fields, field{name, value})
	}
	return fields
}

// Swap puts a text in the place of another one, and reports false for a file that
// holds neither. It serves to put back what a whole file held; no copy is kept.
func Swap(path string, from, to []byte) (bool, error) {
	swapped := false
	_, err := edit(path, Trace{}, dropCopy, func(text []byte) (change, error) {
		if swapped = bytes.Equal(text, to); swapped || !bytes.Equal(text, from) {
			return change{}, nil
		}
		swapped = true
		return change{text: to, changed: []string{path}}, nil
	})
	return swapped && err == nil, err
}

// PutBack puts back what Replace returned. The entry under that name has to be
// one of ours.
func (c *Client) PutBack(path string, at []string, key string, old []byte) error {
	_, err := edit(path, Trace{}, dropCopy, func(text []byte) (change, error) {
		v, _, err := find(c.format, text, at)
		if err != nil {
			return change{}, err
		}
		_, m := v.member(key)
		if m == nil {
			return change{}, errMoved
		}
		if _, ok := c.launch(m); !ok {
			return change{}, errMoved
		}
		out, err := c.format.putBack(text, at, key, old)
		if err != nil {
			return change{}, err
		}
		return change{text: out, changed: []string{key}}, c.check(out, text, at, key, true)
	})
	return err
}

var errMoved = hint.New(hint.NotFound, "The entry is no longer there as Keyporter wrote it.", "Look at the file and put it back by hand.")

// has returns an error if there is no entry of that name.
func (c *Client) has(text []byte, at []string, key string) error {
	v, _, err := find(c.format, text, at)
	if err == nil && v.Get(key) == nil {
		err = errMoved
	}
	return err
}
