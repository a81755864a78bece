package bridge

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"keyporter/bridge/frame"
)

// A mirror is a server that notes what it gets and answers with the text that a
// test has put in.
type mirror struct {
	mu     sync.Mutex
	got    []byte
	answer []byte
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got = body
	w.Header().Set("Content-Type", "application/json")
	w.Write(m.answer)
}

// same reports whether two texts are the same JSON, byte for byte but for line
// breaks between tokens.
func same(a, b []byte) bool {
	flat := func(s []byte) []byte {
		return bytes.Map(func(r rune) rune {
			if r == '\n' || r == '\r' {
				return ' '
			}
			return r
		}, s)
	}
	return bytes.Equal(bytes.TrimSpace(flat(a)), bytes.TrimSpace(flat(b)))
}

// FuzzBytesPassUnchanged holds that a message which encoding/json takes for an
// object passes a bridge in both directions as the bytes that it is, and that one
// which it does not take is answered and ends nothing.
func FuzzBytesPassUnchanged(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1.0,1e400,-0],"b":{"c":"\u00e9\ud83d\ude00"}}`, `{"x":123456789012345678901234567890}`, "{\"a\":\n1}", `[1,2]`, `"text"`, `{"a":1,"a":2}`, `{"broken`, "{\"\\u0061\":\" \x7f\"}", strings.Repeat("[", 600)} {
		f.Add([]byte(s))
	}
	m := &mirror{}
	a := newAgent("http://127.0.0.1/mcp")
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	ctx := f.Context() // here, because not while a target runs
	go func() {
		done <- Run(ctx, Options{Connect: a.connect, Server: "acme", Stdin: inR, Stdout: outW, Version: "0", Transport: memory{m}, Now: time.Now})
		outW.Close()
	}()
	lines := bufio.NewReader(outR)
	f.Cleanup(func() {
		inW.Close()
		go io.Copy(io.Discard, outR)
		<-done
	})
	f.Fuzz(func(t *testing.T, value []byte) {
		if bytes.ContainsAny(value, "\n\r") || !utf8.Valid(value) || len(value) > 1<<16 {
			return // a line break ends a message of the client
		}
		// What encoding/json decodes is the reference, within the depth that is allowed.
		good := json.Valid(value) && !deep(value)
		request := append(append([]byte(`{"x":`), value...), `,"jsonrpc":"2.0","id":7,"method":"custom/method","params":{}}`...)
		answer := append(append([]byte(`{"result":`), value...), `,"jsonrpc":"2.0","id":7}`...)
		good = good && json.Valid(request)
		m.mu.Lock()
		m.got, m.answer = nil, bytes.Clone(answer)
		m.mu.Unlock()
		if _, err := inW.Write(append(request, '\n')); err != nil {
			t.Fatal(err)
		}
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		if !good {
			if !deep(value) && json.Valid(request) != (m.seen() != nil) {
				t.Fatalf("%q reached the server: %v, valid: %v", request, m.seen() != nil, json.Valid(request))
			}
			return
		}
		if !same(m.seen(), request) {
			t.Fatalf("the server got\n%q\nof\n%q", m.seen(), request)
		}
		if !same(line, answer) {
			t.Fatalf("the client got\n%q\nof\n%q", line, answer)
		}
	})
}

func (m *mirror) seen() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.got
}

// deep reports whether a value is nested beyond what a bridge carries.
func deep(value []byte) bool {
	depth, most, quoted := 0, 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			most = max(most, depth)
		case c == ']' || c == '}':
			depth--
		}
	}
	return most >= frame.MaxDepth
}
