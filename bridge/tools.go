package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
)

// annotation is the member of a tool's input schema that asks for a value to be
// mirrored into a header field (2026-07-28 server/tools, x-mcp-header).
const annotation = "x-mcp-header"

// A binding is one annotated property.
type binding struct {
	path   []string // names of properties, from the arguments down
	header string   // behind Mcp-Param-
}

// A toolTable knows the annotated properties of the server's tools, as the last
// tools/list had them.
type toolTable struct {
	mu       sync.RWMutex
	bindings map[string][]binding
	readOnly map[string]bool // tools that were listed, and whether they say that they only read
	signIn   bool            // the server has a tool of its own named sign_in
}

// fields returns the header fields of a call of the named tool with params.
func (t *toolTable) fields(tool string, params []byte) []streamable.Field {
	t.mu.RLock()
	bindings := t.bindings[tool]
	t.mu.RUnlock()
	if len(bindings) == 0 {
		return nil
	}
	arguments := frame.Get(params, "arguments")
	var fields []streamable.Field
	for _, b := range bindings {
		if v, ok := b.value(frame.Get(arguments, b.path...)); ok {
			fields = append(fields, streamable.Field{Name: b.header, Value: v})
		}
	}
	return fields
}

// value returns an argument as it is mirrored: a text as it is, a whole number
// in decimal, true or false. An absent or null argument, or one that is none of
// these, is left out.
func (b *binding) value(raw []byte) (string, bool) {
	if len(raw) == 0 {
		return "", false
	}
	switch c := raw[0]; {
	case c == '"':
		return frame.Text(raw)
	case c == 't' || c == 'f':
		return string(raw), true
	case c == '-' || c >= '0' && c <= '9':
		return whole(string(raw))
	}
	return "", false
}

// whole writes a JSON number without fraction or exponent, if it is a whole one.
func whole(s string) (string, bool) {
	if !strings.ContainsAny(s, ".eE") {
		if s == "-0" {
			s = "0"
		}
		return s, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != float64(int64(f)) || f >= 1<<53 || f <= -1<<53 {
		return "", false
	}
	return strconv.FormatInt(int64(f), 10), true
}

// read takes the tools of one page of tools/list and returns the result without
// the tools whose annotations are invalid, which a client must not use
// (2026-07-28 server/tools). If all are valid that is result itself.
func (t *toolTable) read(result []byte, log *slog.Logger) []byte {
	start, end, ok := frame.Member(result, "tools")
	if !ok {
		return result
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bindings == nil {
		t.bindings = map[string][]binding{}
	}
	list := frame.Keep(result[start:end], func(tool []byte) bool {
		name := t.note(tool)
		bindings, err := annotations(frame.Get(tool, "inputSchema"))
		if delete(t.bindings, name); err != nil {
			log.Warn("tool left out: its header annotations are invalid", "tool", name, "error", err)
			return false
		}
		if len(bindings) > 0 {
			t.bindings[name] = bindings
		}
		return true
	})
	if len(list) == end-start {
		return result
	}
	return frame.Set(result, "tools", list)
}

// readLegacy takes the tools of one page of a legacy tools/list, where header
// annotations mean nothing.
func (t *toolTable) readLegacy(result []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for tool := range frame.Elements(frame.Get(result, "tools")) {
		t.note(tool)
	}
}

// note takes what matters of every tool and returns its name. The lock is held.
func (t *toolTable) note(tool []byte) (name string) {
	if t.readOnly == nil {
		t.readOnly = map[string]bool{}
	}
	name, _ = frame.Text(frame.Get(tool, "name"))
	t.readOnly[name] = readsOnly(tool)
	t.signIn = t.signIn || name == signInTool
	return name
}

// reads reports whether a tool says that it only reads; known is false if it was
// never listed.
func (t *toolTable) reads(name string) (reads, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	reads, known = t.readOnly[name]
	return reads, known
}

// ownsSignIn reports whether the server has a tool named sign_in itself.
func (t *toolTable) ownsSignIn() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.signIn
}

// annotations returns the annotated properties of an input schema, or why they
// are invalid.
func annotations(schema []byte) ([]binding, error) {
	w := walker{seen: map[string]bool{}}
	err := w.schema(schema, nil, true)
	return w.found, err
}

// A walker looks for annotations in a schema. Only properties that are reached
// through properties alone may have one.
type walker struct {
	found []binding
	seen  map[string]bool // header names in lower case
}

func (w *walker) schema(raw []byte, path []string, direct bool) error {
	for name, value := range frame.Members(raw) {
		var err error
		switch name {
		case annotation:
			err = w.annotated(raw, value, path, direct)
		case "properties":
			for property, schema := range frame.Members(value) {
				if err = w.schema(schema, append(path[:len(path):len(path)], property), direct); err != nil {
					break
				}
			}
		case "default", "const", "enum", "examples", "example":
			// data, not schemas
		default:
			err = w.elsewhere(value, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// elsewhere looks at a keyword that holds a schema, several, or something else.
func (w *walker) elsewhere(raw []byte, path []string) error {
	for e := range frame.Elements(raw) {
		if err := w.schema(e, path, false); err != nil {
			return err
		}
	}
	if frame.Get(raw, annotation) != nil {
		return errors.New("annotation where no argument is")
	}
	for _, e := range frame.Members(raw) {
		if err := w.elsewhere(e, path); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) annotated(schema, value []byte, path []string, direct bool) error {
	header, ok := frame.Text(value)
	switch where := strings.Join(path, "."); {
	case !direct || len(path) == 0:
		return fmt.Errorf("annotation at %q cannot be reached through properties", where)
	case !ok || !streamable.IsToken(header):
		return fmt.Errorf("annotation at %q is no header name", where)
	case w.seen[strings.ToLower(header)]:
		return fmt.Errorf("annotation at %q is there twice", where)
	case !primitive(frame.Get(schema, "type")):
		return fmt.Errorf("annotation at %q is on a type other than string, integer and boolean", where)
	}
	w.seen[strings.ToLower(header)] = true
	w.found = append(w.found, binding{path: path, header: header})
	return nil
}

// primitive reports whether the type of a schema is string, integer or boolean,
// alone or with null.
func primitive(raw []byte) bool {
	kinds := [][]byte{raw}
	if len(raw) > 0 && raw[0] == '[' {
		kinds = nil
		for k := range frame.Elements(raw) {
			if string(k) != `"null"` {
				kinds = append(kinds, k)
			}
		}
	}
	if len(kinds) != 1 {
		return false
	}
	switch k, _ := frame.Text(kinds[0]); k {
	case "string", "integer", "boolean":
		return true
	}
	return false
}
