package install

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// An Entry is one server as it stands in a client's configuration.
type Entry struct {
	Key     string // its name in the file
	Server  string // the server that it launches a bridge for
	Command string // absolute path of keyporter

	verb verb // zero means bridge
}

// A verb is what keyporter is told to do.
type verb string

const (
	bridge verb = ""
	run    verb = "run" // start a program with its secrets
)

func (v verb) String() string {
	if v == bridge {
		return "bridge"
	}
	return string(v)
}

// A field is one field of an entry. Its value is a string, a bool, a list of
// strings, or a slot.
type field struct {
	name  string
	value any
}

// A slot is where an entry differs from others of its client.
type slot int

const (
	program   slot = iota // the path of keyporter
	arguments             // bridge and the server's name
	label                 // the server's name, for people
)

// plain is the shape that most clients share.
var plain = []field{{"command", program}, {"args", arguments}}

// fields writes an entry in the client's shape.
func (c *Client) fields(e Entry) []field {
	out := slices.Clone(c.entry)
	for i := range out {
		switch out[i].value {
		case program:
			out[i].value = e.Command
		case arguments:
			out[i].value = []string{e.verb.String(), e.Server}
		case label:
			out[i].value = e.Server
		}
	}
	return out
}

// slot returns the name of the field that has that slot.
func (c *Client) slot(s slot) string {
	i := slices.IndexFunc(c.entry, func(f field) bool { return f.value == s })
	return c.entry[i].name
}

// ours returns the entry that a member is, if it is one of ours: it launches
// keyporter, whatever its path, with bridge and a name.
func (c *Client) ours(m *Member) (Entry, bool) {
	e, ok := c.launch(m)
	return e, ok && e.verb == bridge
}

// launch is ours for entries with any verb.
func (c *Client) launch(m *Member) (Entry, bool) {
	command, args := m.Value.Get(c.slot(program)), m.Value.Get(c.slot(arguments))
	if command == nil || args == nil || command.Kind != String || args.Kind != List || len(args.Elements) != 2 {
		return Entry{}, false
	}
	for _, e := range args.Elements {
		if e.Kind != String {
			return Entry{}, false
		}
	}
	path := command.Text
	name := strings.ToLower(path[strings.LastIndexAny(path, `/\`)+1:])
	e := Entry{Key: m.Key, Server: args.Elements[1].Text, Command: path}
	if args.Elements[0].Text == run.String() {
		e.verb = run
	} else if args.Elements[0].Text != bridge.String() {
		return Entry{}, false
	}
	return e, name == "keyporter" || name == "keyporter.exe"
}

// key returns the name under which a server is put into the client's file.
// There it may have to be plainer than ours; then two servers can have the same,
// and the second one gets a number.
func (c *Client) key(server string, ours []Entry) string {
	base := server
	if c.keyOf != nil {
		base = c.keyOf(server)
	}
	key := base
	for i := 2; slices.ContainsFunc(ours, func(e Entry) bool { return e.Key == key }); i++ {
		key = fmt.Sprintf("%s-%d", base, i)
	}
	return key
}

// ascii keeps letters and digits of ASCII, dashes and underscores.
func ascii(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)), r == '_':
			b.WriteRune(r)
		case !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" {
		return s
	}
	return "keyporter"
}

// squeezedKey is how Goose makes a key of a name.
func squeezedKey(name string) string { return strings.ToLower(squeezed(name)) }
