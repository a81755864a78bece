// Package frame reads the envelope of a JSON-RPC message and leaves everything
// else as the bytes it came in: it checks that the text is JSON (RFC 8259) and
// notes where the members stand that a bridge has to look at. It decodes no
// payload, keeps no copy, starts no goroutine.
//
// A caller gives Scan one whole message and reads the Frame; the Frame's slices
// are parts of that message and live as long as it does.
package frame

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// MaxDepth is how deeply arrays and objects may be nested, the message included.
const MaxDepth = 512

// ErrSyntax means that a message is not JSON, ErrDepth that it is nested too deeply.
var (
	ErrSyntax = errors.New("not valid JSON")
	ErrDepth  = errors.New("JSON is nested too deeply")
)

// A Kind is what a message is.
type Kind int

const (
	// Invalid is JSON that is no JSON-RPC message: no method and no result, or
	// an id that is neither text nor number (MCP basic: ids are never null).
	Invalid Kind = iota
	Request
	Notification
	Response
	Batch // a JSON array; 2025-03-26 only. See Elements.
)

// A Frame is the envelope of one message. Slices are raw JSON out of Raw, nil if
// the member is absent. Where a name stands twice, the last one counts.
type Frame struct {
	Raw     []byte
	Kind    Kind
	ID      []byte
	Method  string
	Params  []byte
	Result  []byte
	Error   []byte
	Newline bool // Raw has a line break between its tokens; see OneLine
	Wide    bool // Raw may have bytes beyond ASCII; see OneLine

	// Parts of params.
	Name          []byte // params.name
	URI           []byte // params.uri
	TaskID        []byte // params.taskId
	RequestID     []byte // params.requestId, of notifications/cancelled
	Cursor        []byte // params.cursor
	Meta          []byte // params._meta
	ProgressToken []byte // params._meta.progressToken
	Version       []byte // params._meta["io.modelcontextprotocol/protocolVersion"]
}

// MetaVersion is the member of params._meta that marks a message of 2026-07-28
// or later (basic/versioning).
const MetaVersion = "io.modelcontextprotocol/protocolVersion"

// Scan reads the envelope of raw, one JSON text. The error is ErrSyntax or ErrDepth.
func Scan(raw []byte) (Frame, error) {
	f := Frame{Raw: raw}
	s := scanner{b: raw}
	s.space()
	var err error
	if s.at('{') {
		err = f.top(&s)
	} else {
		if s.at('[') {
			f.Kind = Batch
		}
		err = s.value(0)
	}
	if err != nil {
		return f, err
	}
	s.space()
	if s.i != len(raw) {
		return f, ErrSyntax
	}
	f.Newline, f.Wide = s.newline, s.wide
	return f, nil
}

// top reads the message's own members.
func (f *Frame) top(s *scanner) error {
	var method []byte
	s.i++
	for first := true; ; first = false {
		key, more, err := s.key(first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		start := s.i
		params := string(key) == "params" && s.at('{')
		if params {
			f.forgetParams()
			err = f.params(s)
		} else {
			err = s.value(1)
		}
		if err != nil {
			return err
		}
		val := s.b[start:s.i]
		switch string(key) {
		case "id":
			f.ID = val
		case "method":
			method = val
		case "params":
			if f.Params = val; !params {
				f.forgetParams()
			}
		case "result":
			f.Result = val
		case "error":
			f.Error = val
		}
	}
	f.classify(method)
	return nil
}

// forgetParams makes room for a second params.
func (f *Frame) forgetParams() {
	f.Name, f.URI, f.TaskID, f.RequestID, f.Cursor = nil, nil, nil, nil, nil
	f.Meta, f.ProgressToken, f.Version = nil, nil, nil
}

func (f *Frame) params(s *scanner) error {
	s.i++
	for first := true; ; first = false {
		key, more, err := s.key(first)
		if err != nil || !more {
			return err
		}
		start := s.i
		meta := string(key) == "_meta"
		if meta {
			f.ProgressToken, f.Version = nil, nil
		}
		if meta && s.at('{') {
			err = f.meta(s)
		} else {
			err = s.value(2)
		}
		if err != nil {
			return err
		}
		val := s.b[start:s.i]
		switch string(key) {
		case "name":
			f.Name = val
		case "uri":
			f.URI = val
		case "taskId":
			f.TaskID = val
		case "requestId":
			f.RequestID = val
		case "cursor":
			f.Cursor = val
		case "_meta":
			f.Meta = val
		}
	}
}

func (f *Frame) meta(s *scanner) error {
	s.i++
	for first := true; ; first = false {
		key, more, err := s.key(first)
		if err != nil || !more {
			return err
		}
		start := s.i
		if err := s.value(3); err != nil {
			return err
		}
		switch string(key) {
		case "progressToken":
			f.ProgressToken = s.b[start:s.i]
		case MetaVersion:
			f.Version = s.b[start:s.i]
		}
	}
}

// classify says what the message is, once its members are known.
func (f *Frame) classify(method []byte) {
	if method != nil {
		m, ok := Text(method)
		switch {
		case !ok:
		case f.ID == nil:
			f.Kind, f.Method = Notification, m
		case validID(f.ID):
			f.Kind, f.Method = Request, m
		default:
			f.Method = m
		}
		return
	}
	// An error that could not be tied to a request has the id null or none.
	if f.Error != nil && (f.ID == nil || validID(f.ID) || string(f.ID) == "null") || f.Result != nil && validID(f.ID) {
		f.Kind = Response
	}
}

func validID(id []byte) bool {
	return len(id) > 0 && (id[0] == '"' || id[0] == '-' || id[0] >= '0' && id[0] <= '9')
}

// HasID reports whether a response names a request.
func (f *Frame) HasID() bool { return validID(f.ID) }

// OneLine returns Raw without line breaks. A line break in JSON can only stand
// between tokens, so a space in its place means the same, and nothing behind the
// last: the Go SDK (v1.8.0) gives up on a line that ends in a space. It changes Raw
// itself.
// Bytes that are no UTF-8 (RFC 8259 section 8.1) become U+FFFD, in a copy: readers of
// lines end at them, of event streams they do the same (WHATWG HTML section 9.2).
func (f *Frame) OneLine() []byte {
	f.Raw = bytes.TrimRight(f.Raw, " \t\r\n")
	if f.Newline {
		for i, c := range f.Raw {
			if c == '\n' || c == '\r' {
				f.Raw[i] = ' '
			}
		}
		f.Newline = false
	}
	if f.Wide && !utf8.Valid(f.Raw) {
		f.Raw = bytes.ToValidUTF8(f.Raw, []byte("\ufffd"))
	}
	return f.Raw
}

// Key returns an id in a form in which equal ids are equal: texts without
// escapes, whole numbers without fraction or exponent. Text and number differ.
func Key(id []byte) string {
	if len(id) == 0 {
		return ""
	}
	if id[0] == '"' {
		if bytes.IndexByte(id, '\\') >= 0 {
			if t, ok := Text(id); ok {
				return `"` + t + `"`
			}
		}
		return string(id)
	}
	if bytes.ContainsAny(id, ".eE") || string(id) == "-0" {
		// Beyond 2^53 a float does not name one number, so the text stands.
		if v, err := strconv.ParseFloat(string(id), 64); err == nil && v == float64(int64(v)) && v < 1<<53 && v > -1<<53 {
			return strconv.FormatInt(int64(v), 10)
		}
	}
	return string(id)
}

// Text returns the value of a JSON string.
func Text(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return intern(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// intern saves a copy for the texts that stand in nearly every message.
func intern(b []byte) string {
	switch string(b) {
	case "tools/call":
		return "tools/call"
	case "tools/list":
		return "tools/list"
	case "notifications/progress":
		return "notifications/progress"
	case "notifications/message":
		return "notifications/message"
	case "resources/read":
		return "resources/read"
	case "prompts/get":
		return "prompts/get"
	case "ping":
		return "ping"
	case "2026-07-28":
		return "2026-07-28"
	}
	return string(b)
}
