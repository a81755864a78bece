// Package install puts the command that launches a bridge into MCP clients'
// configuration files, and takes it out again. The clients are rows of a table;
// a file format is a pair of functions on the file's text.
//
// An edit changes the bytes that it has to and no others: comments, order,
// indentation, line ends, a byte order mark and other entries stay as they are.
// The file is replaced as a whole, after a copy of it was put beside it; one that
// does not parse is left alone. Taking out what was put in gives the bytes back
// that were there before, with the help of a Trace for what cannot be seen in
// the text.
//
// An entry holds the absolute path of keyporter and the server's name, and
// nothing else: no secret has a place in it. The package starts no goroutine.
package install

import (
	"fmt"
	"slices"

	"keyporter/internal/hint"
)

// An Entry is one server as it stands in a client's configuration.
type Entry struct {
	Key     string // its name in the file
	Server  string // the server that it launches a bridge for
	Command string // absolute path of keyporter
}

// A format reads and edits the text of one kind of file. The text may be empty.
type format interface {
	// entries returns our entries in the object at path, in order, and the names
	// of all entries there.
	entries(text []byte, path []string) (ours []Entry, all []string, err error)
	// put adds an entry, or gives the one with its key its command.
	put(text []byte, path []string, e Entry) ([]byte, error)
	// take removes the entry with that key.
	take(text []byte, path []string, key string) ([]byte, error)
	// trace describes the object at path before its first entry is put in.
	trace(text []byte, path []string) (Trace, error)
	// restore puts the object back as the trace says, now that it is empty.
	restore(text []byte, path []string, t Trace) ([]byte, error)
}

// A Trace says what an edit made that was not there before the first of our
// entries, so that taking out the last one can leave the file as it was. The
// zero value says that nothing had to be made.
type Trace struct {
	NoFile bool   `json:"no_file,omitempty"` // there was no file
	Made   int    `json:"made,omitempty"`    // how many of the objects around the entries
	Empty  string `json:"empty,omitempty"`   // the innermost object that was there, if it was empty; or the blank file
}

// A change is the outcome of an edit of a text.
type change struct {
	text    []byte
	changed []string // servers
	remove  bool     // the file has to go
	trace   Trace    // what to remember from now on
}

// install puts the servers in. text is nil if there is no file.
func (c *Client) install(text []byte, t Trace, servers []string, command string) (change, error) {
	out := change{text: text, trace: t}
	ours, all, err := c.format.entries(text, c.path)
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
		e := Entry{Key: s, Server: s, Command: command}
		switch i := slices.IndexFunc(ours, func(o Entry) bool { return o.Server == s }); {
		case i >= 0 && ours[i].Command == command:
			continue
		case i >= 0:
			e.Key = ours[i].Key
		case slices.Contains(all, s):
			return out, hint.New(hint.Exists, fmt.Sprintf("%s has an entry named %q already, which is not Keyporter's.", c.Name, s),
				"Rename or remove that entry, or rename the server with keyporter rename.")
		}
		if out.text, err = c.format.put(out.text, c.path, e); err != nil {
			return out, err
		}
		out.changed = append(out.changed, s)
	}
	return out, nil
}

// uninstall takes our entries for the servers out; nil means all of them.
func (c *Client) uninstall(text []byte, t Trace, servers []string) (change, error) {
	out := change{text: text, trace: t}
	ours, _, err := c.format.entries(text, c.path)
	if err != nil {
		return out, err
	}
	left := 0
	for _, e := range ours {
		if servers != nil && !slices.Contains(servers, e.Server) {
			left++
			continue
		}
		if out.text, err = c.format.take(out.text, c.path, e.Key); err != nil {
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
