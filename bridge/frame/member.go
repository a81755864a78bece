package frame

import (
	"bytes"
	"encoding/json"
	"iter"
	"strconv"
)

// Member returns where the value of the named member stands in raw, an object
// that Scan has seen. The last one counts.
func Member(raw []byte, name string) (start, end int, ok bool) {
	for key, at := range members(raw) {
		if string(key) == name {
			start, end, ok = at[0], at[1], true
		}
	}
	return start, end, ok
}

// Get returns the value of the member at path, or nil.
func Get(raw []byte, path ...string) []byte {
	for _, name := range path {
		start, end, ok := Member(raw, name)
		if !ok {
			return nil
		}
		raw = raw[start:end]
	}
	return raw
}

// members yields the members of an object with where their values stand. It
// yields nothing for a value that is no object.
func members(raw []byte) iter.Seq2[[]byte, [2]int] {
	return func(yield func([]byte, [2]int) bool) {
		s := scanner{b: raw}
		s.space()
		if !s.at('{') {
			return
		}
		s.i++
		for first := true; ; first = false {
			key, more, err := s.key(first)
			if err != nil || !more {
				return
			}
			start := s.i
			if s.value(0) != nil || !yield(key, [2]int{start, s.i}) {
				return
			}
		}
	}
}

// Members yields name and value of each member of an object.
func Members(raw []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for key, at := range members(raw) {
			if !yield(string(key), raw[at[0]:at[1]]) {
				return
			}
		}
	}
}

// Elements yields the elements of an array; nothing for a value that is no array.
func Elements(raw []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		s := scanner{b: raw}
		s.space()
		if !s.at('[') {
			return
		}
		s.i++
		s.space()
		for !s.at(']') {
			start := s.i
			if s.value(0) != nil || !yield(raw[start:s.i]) {
				return
			}
			s.space()
			if s.at(',') {
				s.i++
				s.space()
			} else if !s.at(']') {
				return
			}
		}
	}
}

// Set returns raw, an object, with the member's value replaced, or with the
// member added at the end. Everything else stays as it is.
func Set(raw []byte, name string, value []byte) []byte {
	if start, end, ok := Member(raw, name); ok {
		return splice(raw, start, end, value)
	}
	end := len(raw) - 1
	for end > 0 && raw[end] != '}' {
		end--
	}
	add := append(quote(name), ':')
	add = append(add, value...)
	for range members(raw) {
		add = append([]byte{','}, add...)
		break
	}
	return splice(raw, end, end, add)
}

// Drop returns raw, an object, without the named member.
func Drop(raw []byte, name string) []byte {
	return DropAll(raw, func(key string) bool { return key == name })
}

// DropAll returns raw, an object, without the members whose names drop says yes
// to. Everything else stays as it is.
func DropAll(raw []byte, drop func(name string) bool) []byte {
	from := bytes.IndexByte(raw, '{') + 1 // the end of the member before
	out := append(make([]byte, 0, len(raw)), raw[:from]...)
	first := true // nothing is kept yet
	for key, at := range members(raw) {
		member := raw[from:at[1]]
		if from = at[1]; drop(string(key)) {
			continue
		}
		if first {
			member = bytes.TrimLeft(member, ", \t\r\n")
		}
		first = false
		out = append(out, member...)
	}
	return append(out, raw[from:]...)
}

func splice(raw []byte, start, end int, with []byte) []byte {
	out := make([]byte, 0, len(raw)-(end-start)+len(with)+1)
	out = append(out, raw[:start]...)
	out = append(out, with...)
	return append(out, raw[end:]...)
}

func quote(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return []byte(`""`)
	}
	return b
}

// NewResult returns the response to id with the given result.
func NewResult(id, result []byte) []byte {
	return envelope(id, "result", result)
}

// NewError returns the error response to id; no id becomes null. raw is the
// error object as it shall stand there.
func NewError(id, raw []byte) []byte {
	return envelope(id, "error", raw)
}

func envelope(id []byte, member string, value []byte) []byte {
	if len(id) == 0 {
		id = []byte("null")
	}
	out := make([]byte, 0, len(id)+len(value)+48)
	out = append(out, `{"jsonrpc":"2.0","id":`...)
	out = append(out, id...)
	out = append(out, `,"`...)
	out = append(out, member...)
	out = append(out, `":`...)
	out = append(out, value...)
	return append(out, '}')
}

// ErrorObject returns a JSON-RPC error object (JSON-RPC 2.0 section 5.1). data
// may be nil and must marshal.
func ErrorObject(code int, message string, data any) []byte {
	out := append([]byte(`{"code":`), strconv.Itoa(code)...)
	out = append(append(out, `,"message":`...), quote(message)...)
	if data != nil {
		if b, err := json.Marshal(data); err == nil {
			out = append(append(out, `,"data":`...), b...)
		}
	}
	return append(out, '}')
}

// GuessID looks for the id of a message of which only the beginning and the end
// are known. It finds an id that stands before the first part is cut, or as the
// very last member; otherwise it returns nil.
func GuessID(head, tail []byte) []byte {
	s := scanner{b: head}
	s.space()
	if s.at('{') {
		s.i++
		for first := true; ; first = false {
			key, more, err := s.key(first)
			if err != nil || !more {
				break
			}
			start := s.i
			if s.value(1) != nil {
				break
			}
			if id := head[start:s.i]; string(key) == "id" && s.i < len(head) && validID(id) {
				return id
			}
		}
	}
	return lastID(tail)
}

// lastID returns the value of an id that is the last member of the outermost
// object: what stands right before the last brace.
func lastID(tail []byte) []byte {
	end := len(tail)
	for end > 0 && isSpace(tail[end-1]) {
		end--
	}
	if end == 0 || tail[end-1] != '}' {
		return nil
	}
	end--
	for start := end - 1; start >= 0 && end-start < 300; start-- {
		if tail[start] != '"' {
			continue
		}
		s := scanner{b: tail[:end], i: start}
		if _, err := s.text(); err != nil || string(tail[start:s.i]) != `"id"` {
			continue
		}
		if start > 0 && tail[start-1] != ',' && tail[start-1] != '{' && !isSpace(tail[start-1]) {
			return nil
		}
		s.space()
		if !s.at(':') {
			return nil
		}
		s.i++
		s.space()
		from := s.i
		if s.value(1) != nil || !validID(tail[from:s.i]) {
			return nil
		}
		id := tail[from:s.i]
		if s.space(); s.i != end {
			return nil
		}
		return id
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// Keep returns array with only the elements that keep says yes to. If that is
// all of them it is array itself; what stays is as it was.
func Keep(array []byte, keep func(element []byte) bool) []byte {
	list := []byte{'['}
	all := true
	for e := range Elements(array) {
		if !keep(e) {
			all = false
			continue
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		list = append(list, e...)
	}
	if all {
		return array
	}
	return append(list, ']')
}
