package bridge

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/bridge/streamable"
	"keyporter/broker/local"
)

// A reported is something that ended or broke other bridges and clients, as their
// users reported it, and that takes more than one fault of one call: a talk with a
// server that looks closely. Lines that begin with > are sent; the others are parts
// of the next line that comes back, all between spaces.
type reported struct {
	name   string
	server func(s *server) http.Handler
	modern bool // no session; the requests name their version
	talk   []string
}

const called = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}`

var reports = []reported{
	{"no MCP-Protocol-Version after initialize", func(s *server) http.Handler {
		return looks(s, func(r *http.Request, body string) (status int) {
			if !strings.Contains(body, `"initialize"`) && r.Header.Get("Mcp-Protocol-Version") != "2025-11-25" {
				return 400
			}
			return 0
		})
	}, false, []string{"> " + called, `"id":7 "result"`}},

	{"no GET stream: what the server says by itself is lost", func(s *server) http.Handler {
		s.get = func(w http.ResponseWriter, r *http.Request) {
			events(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n")
			<-r.Context().Done()
		}
		return s
	}, false, []string{`notifications/message`}},

	{"no Mcp-Param fields", func(s *server) http.Handler {
		return newer(func(r *http.Request, body string) (int, string) {
			switch {
			case r.Header.Get("Mcp-Method") == "tools/list":
				return 200, `"result":{"tools":[{"name":"x","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}]}`
			case r.Header.Get("Mcp-Param-Region") != "eu":
				return 400, `"error":{"code":-32020,"message":"Header mismatch"}`
			}
			return 200, `"result":{}`
		})
	}, true, []string{`> {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":{"region":"eu"},` + modernMeta + `}}`, `"id":7 "result"`}},

	{"Mcp-Name in letters that no header field has", func(s *server) http.Handler {
		return newer(func(r *http.Request, body string) (int, string) {
			if r.Header.Get("Mcp-Name") != streamable.EncodeValue(" größe\n") && strings.Contains(body, `"id":7`) {
				return 400, `"error":{"code":-32020,"message":"Header mismatch"}`
			}
			return 200, `"result":{}`
		})
	}, true, []string{`> {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":" größe\n",` + modernMeta + `}}`, `"id":7 "result"`}},

	{"a session that is lost ends the connection", func(s *server) http.Handler {
		lose := true
		return looks(s, func(r *http.Request, body string) int {
			if strings.Contains(body, `"id":7`) && lose {
				s.mu.Lock()
				s.session, lose = "s2", false
				s.mu.Unlock()
			}
			return 0
		})
	}, false, []string{"> " + called, `"id":7 "result"`}},

	{"a call that is slow to begin holds up the others", func(s *server) http.Handler {
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			if strings.Contains(body, `"id":7`) {
				<-time.After(time.Minute)
			}
			answer(w, body, `{}`)
		}
		return s
	}, false, []string{"> " + called, `> {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"x"}}`, `"id":8 "result"`, `"id":7 "result"`}},

	{"messages are encoded anew", func(s *server) http.Handler {
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			w.Header().Set("Content-Type", "application/json")
			_, rest, _ := strings.Cut(body, `"id":`)
			id, _, _ := strings.Cut(rest, ",")
			io.WriteString(w, `{"z":1.0,"result":{"was":`+body+`},"id":`+id+`,"jsonrpc":"2.0"}`)
		}
		return s
	}, false, []string{`> {"y":null,"jsonrpc":"2.0","id":9007199254740993,"method":"x","params":{"b":1e2,"a":1}}`,
		`{"z":1.0,"result":{"was":{"y":null,"jsonrpc":"2.0","id":9007199254740993,"method":"x","params":{"b":1e2,"a":1}}},"id":9007199254740993,"jsonrpc":"2.0"}`,
		`> {"jsonrpc":"2.0","id":1.5,"method":"x"}`, `"id":1.5`}},

	{"an array of the server ends the connection", func(s *server) http.Handler {
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `[{"jsonrpc":"2.0","method":"notifications/message"},{"jsonrpc":"2.0","id":`+idOf(body)+`,"result":{}}]`)
		}
		return s
	}, false, []string{"> " + called, "notifications/message", `"id":7 "result"`, `> {"jsonrpc":"2.0","id":8,"method":"y"}`, "notifications/message", `"id":8 "result"`, `> {"jsonrpc":"2.0","method":"notifications/quiet"}`}},

	{"a malformed line, or a space at its end, ends the connection", func(s *server) http.Handler { return s },
		false, []string{"> {\"jsonrpc\"", `"id":null -32700`, "> " + called + "  \r", `"id":7 "result"`}},

	{"401 on the GET stream is taken for no stream, and on a call for the end", func(s *server) http.Handler {
		s.get = func(w http.ResponseWriter, r *http.Request) {
			events(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n")
			<-r.Context().Done()
		}
		return looks(s, func(r *http.Request, body string) int {
			if (r.Method == http.MethodGet || strings.Contains(body, `"id":7`)) && r.Header.Get("Authorization") != "Bearer "+marker+"-two" {
				return 401
			}
			return 0
		})
	}, false, []string{"notifications/message", "> " + called, `"id":7 "result"`}},

	{"Retry-After is not heeded", func(s *server) http.Handler {
		var until time.Time
		return looks(s, func(r *http.Request, body string) int {
			if !strings.Contains(body, `"id":7`) {
				return 0
			}
			if until.IsZero() {
				until = time.Now().Add(1500 * time.Millisecond)
			}
			if time.Now().Before(until) {
				return 429
			}
			return 0
		})
	}, false, []string{"> " + called, `"id":7 "result"`}},

	{"no Accept: 406", func(s *server) http.Handler {
		return looks(s, func(r *http.Request, body string) int {
			a := r.Header.Get("Accept")
			if r.Method == http.MethodPost && (!strings.Contains(a, "application/json") || !strings.Contains(a, "text/event-stream")) {
				return 406
			}
			return 0
		})
	}, false, []string{"> " + called, `"id":7 "result"`}},

	{"409 for a call while another session of the same client ends", func(s *server) http.Handler {
		return looks(s, func(r *http.Request, body string) int {
			if strings.Contains(body, `"id":7`) {
				return 409
			}
			return 0
		})
	}, false, []string{"> " + called, `"id":7 "error" "status":409`}},

	{"requests of the server, and answers to what was taken back", func(s *server) http.Handler {
		answered := make(chan struct{})
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			if strings.Contains(body, `"id":7`) {
				events(w, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"roots/list\"}\n\n")
				<-answered
				io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\n")
				return
			}
			answer(w, body, `{}`)
		}
		return looks(s, func(r *http.Request, body string) int {
			if strings.Contains(body, "notifications/cancelled") {
				close(answered)
			}
			return 0
		})
	}, false, []string{"> " + called, `"id":7 roots/list`, `> {"jsonrpc":"2.0","id":7,"result":{"roots":[]}}`,
		`> {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`}},
}

// looks is s behind somebody who may refuse a request with a status.
func looks(s *server, refuse func(r *http.Request, body string) (status int)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if status := refuse(r, string(body)); status != 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(status)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.ServeHTTP(w, r)
	})
}

// newer is a server of 2026-07-28; f returns a status and the last member of the answer.
func newer(f func(r *http.Request, body string) (int, string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status, member := f(r, string(body))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, `{"jsonrpc":"2.0","id":`+idOf(string(body))+`,`+member+`}`)
	})
}

func TestWhatOtherBridgesBreakOnAndTheNextCallWorks(t *testing.T) {
	for _, test := range reports {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent(address)
				a.token = func(local.TokenRequest) (*local.Token, error) { return token("two", time.Time{}, time.Time{}), nil }
				h := start(t, a, inMemory(test.server(&server{session: "s1"})))
				next := `{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{"name":"x","arguments":{"region":"eu"}}}`
				if test.modern {
					next = strings.Replace(next, `{"name"`, `{`+modernMeta+`,"name"`, 1)
				} else {
					h.open()
				}
				for _, line := range test.talk {
					if said, ok := strings.CutPrefix(line, "> "); ok {
						h.send(said)
						synctest.Wait()
						continue
					}
					h.wantHas(strings.Fields(line)...)
				}
				h.send(next)
				for line := h.next(); !strings.Contains(line, `"id":900`) || !strings.Contains(line, `"result"`); line = h.next() {
					if !strings.Contains(line, "notifications/message") {
						t.Fatalf("before the next call's answer came\n%s", line)
					}
				}
			})
		})
	}
}
