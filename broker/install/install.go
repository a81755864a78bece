// Package install puts the command that launches a bridge into MCP clients'
// configuration files, and takes it out again. The clients are rows of a table;
// a file format is a set of functions on the file's text.
//
// An edit changes the bytes that it has to and no others: comments, order,
// indentation, line ends, a byte order mark and other entries stay as they are.
// The file is replaced as a whole, after a copy of it was put beside it; one that
// does not parse is left alone, and so is one where the result would differ from
// what was there in more than our entry. Taking out what was put in gives the
// bytes back that were there before, with the help of a Trace for what cannot be
// seen in the text.
//
// An entry holds the absolute path of keyporter and the server's name, beside the
// fields that its client asks for: no secret has a place in it. The package
// starts no goroutine.
package install

import (
	"errors"
	"fmt"
	"slices"

	"keyporter/internal/hint"
)

// A format reads and edits the text of one kind of file. The text may be empty.
type format interface {
	// parse reads a text whose root is an object. A blank text has none: nil.
	parse(text []byte) (*Value, error)
	// add adds an entry to the object at path, which has none with that key.
	add(text []byte, path []string, key string, fields []field) ([]byte, error)
	// take removes the entry with that key, which is there.
	take(text []byte, path []string, key string) ([]byte, error)
	// replace puts fields in the place of the entry with that key, and returns what
	// stood there, for putBack.
	replace(text []byte, path []string, key string, fields []field) (out, old []byte, err error)
	putBack(text []byte, path []string, key string, old []byte) ([]byte, error)
	// trace describes the object at path before its first entry is put in.
	trace(text []byte, path []string) (Trace, error)
	// restore puts the object back as the trace says, now that it is empty.
	restore(text []byte, path []string, t Trace) ([]byte, error)
	// quote writes a string.
	quote(s string) string
}

// A Trace says what an edit made that was not there before the first of our
// entries, so that taking out the last one can leave the file as it was. The
// zero value says that nothing had to be made.
type Trace struct {
	NoFolder bool   `json:"no_folder,omitempty"` // there was no folder
	NoFile   bool   `json:"no_file,omitempty"`   // there was no file
	Made     int    `json:"made,omitempty"`      // how many of the objects around the entries
	Empty    string `json:"empty,omitempty"`     // the innermost object that was there, if it was empty; or the blank file
}

// A change is the outcome of an edit of a text.
type change struct {
	text    []byte
	changed []string // servers
	remove  bool     // the file has to go
	trace   Trace    // what to remember from now on
}

// errForm says that a text is written in a way that cannot be edited without
// changing more than our entry.
var errForm = errors.New("the edit would change more than one entry")

// entries returns our entries in the client's object, in order, and the names of
// all entries there.
func (c *Client) entries(text []byte, path []string) (ours []Entry, all []string, err error) {
	v, _, err := find(c.format, text, path)
	if err != nil || v == nil {
		return nil, nil, err
	}
	for i := range v.Members {
		all = append(all, v.Members[i].Key)
		if e, ok := c.ours(&v.Members[i]); ok {
			ours = append(ours, e)
		}
	}
	return ours, all, nil
}

// add puts an entry in and looks at the result.
func (c *Client) add(text []byte, path []string, e Entry) ([]byte, error) {
	out, err := c.format.add(text, path, e.Key, c.fields(e))
	if err != nil {
		return nil, err
	}
	if ours, _, err := c.entries(out, path); err != nil || !slices.Contains(ours, e) {
		return nil, errors.Join(errForm, err)
	}
	return out, c.check(out, text, path, e.Key, false)
}

// take takes an entry out and looks at the result.
func (c *Client) take(text []byte, path []string, key string) ([]byte, error) {
	out, err := c.format.take(text, path, key)
	if err != nil {
		return nil, err
	}
	return out, c.check(text, out, path, key, false)
}

// check reads two texts and compares what they mean: they differ in one entry and
// in nothing else. The first one has it.
func (c *Client) check(with, other []byte, path []string, key string, inBoth bool) error {
	a, errA := c.format.parse(with)
	b, errB := c.format.parse(other)
	if errA != nil || errB != nil || !differsInOne(a, b, path, key, inBoth) {
		return errors.Join(errForm, errA, errB)
	}
	return nil
}

// retarget gives one of our entries another command or another server, in its
// place.
func (c *Client) retarget(text []byte, path []string, e Entry) ([]byte, error) {
	v, _, err := find(c.format, text, path)
	if err != nil {
		return nil, err
	}
	entry := v.Get(e.Key)
	command, server := entry.Get(c.slot(program)), &entry.Get(c.slot(arguments)).Elements[1]
	changes := []struct {
		at *Value
		to string
	}{{command, e.Command}, {server, e.Server}}
	if command.Start < server.Start {
		slices.Reverse(changes) // from the end, so that offsets stay right
	}
	for _, ch := range changes {
		switch {
		case ch.at.Text == ch.to:
		case ch.at.End == 0:
			return nil, errForm
		default:
			text = splice(text, ch.at.Start, ch.at.End, c.format.quote(ch.to))
		}
	}
	if ours, _, err := c.entries(text, path); err != nil || !slices.Contains(ours, e) {
		return nil, errors.Join(errForm, err)
	}
	return text, nil
}

// install puts the servers in. text is nil if there is no file.
func (c *Client) install(text []byte, t Trace, servers []string, command string) (change, error) {
	out := change{text: text, trace: t}
	ours, all, err := c.entries(text, c.path)
	if err != nil {
		return out, err
	}
	if len(ours) == 0 {
		if out.trace, err = c.format.trace(text, c.path); err != nil {
			return out, err
		}
		out.trace.NoFile = text == nil
	}
	for _, s := range servers {
		e := Entry{Server: s, Command: command}
		switch i := slices.IndexFunc(ours, func(o Entry) bool { return o.Server == s }); {
		case i >= 0 && ours[i].Command == command:
			continue
		case i >= 0:
			e.Key = ours[i].Key
			out.text, err = c.retarget(out.text, c.path, e)
		default:
			if e.Key = c.key(s, ours); slices.Contains(all, e.Key) {
				return out, hint.New(hint.Exists, fmt.Sprintf("%s has an entry named %q already, which is not Keyporter's.", c.Name, e.Key),
					"Rename or remove that entry, or rename the server with keyporter rename.")
			}
			out.text, err = c.add(out.text, c.path, e)
			ours = append(ours, e)
		}
		if err != nil {
			return out, err
		}
		out.changed = append(out.changed, s)
	}
	return out, nil
}

// uninstall takes our entries for the servers out; nil means all of them.
func (c *Client) uninstall(text []byte, t Trace, servers []string) (change, error) {
	out := change{text: text, trace: t}
	ours, _, err := c.entries(text, c.path)
	if err != nil {
		return out, err
	}
	left := 0
	for _, e := range ours {
		if servers != nil && !slices.Contains(servers, e.Server) {
			left++
			continue
		}
		if out.text, err = c.take(out.text, c.path, e.Key); err != nil {
			return out, err
		}
		if !slices.Contains(out.changed, e.Server) {
			out.changed = append(out.changed, e.Server)
		}
	}
	if left > 0 || len(out.changed) == 0 {
		return out, nil
	}
	if out.text, err = c.format.restore(out.text, c.path, t); err != nil {
		return out, err
	}
	out.remove, out.trace = t.NoFile && len(out.text) == 0, Trace{}
	return out, nil
}
