package bridge

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/bridge/stdio"
	"keyporter/broker/local"
)

// dripping writes a byte of an answer each second, until the client has gone.
func dripping(status int, kind, begin string, gone chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() { gone <- struct{}{} }()
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, err := io.WriteString(w, begin)
		for tick := time.Tick(time.Second); err == nil; {
			select {
			case <-tick:
				_, err = io.WriteString(w, " ")
			case <-r.Context().Done():
				return
			}
		}
	}
}

// What the server says about a refusal is not worth a wait without an end.
func TestARefusalThatDripsIsGivenToTheClientInTime(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 500} {
		bubble(t, func(t *testing.T) {
			gone := make(chan struct{}, 16)
			s := &server{session: "s1"}
			s.call = func(w http.ResponseWriter, r *http.Request, body string) {
				if strings.Contains(body, `"faulty"`) {
					dripping(status, "text/html", "<h1>", gone)(w, r)
					return
				}
				answer(w, body, `{"next":true}`)
			}
			a := newAgent(address)
			a.token = func(local.TokenRequest) (*local.Token, error) { return token("two", time.Time{}, time.Time{}), nil }
			h := start(t, a, inMemory(s))
			h.open()
			began := time.Now()
			h.send(faultyCall)
			h.wantHas(`"id":7`, `rror"`)
			if d := time.Since(began); d > 20*time.Second {
				t.Errorf("%d: answered after %v", status, d)
			}
			<-gone
			h.send(`{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"next"}}`)
			h.want(`{"jsonrpc":"2.0","id":8,"result":{"next":true}}`)
		})
	}
}

// An answer may take as long as the client waits for it. The client ends the wait,
// other calls go on meanwhile, and the bridge's end has its time.
func TestAnAnswerThatDripsLastsAsLongAsTheClientWaits(t *testing.T) {
	for _, kind := range []string{"application/json", "text/event-stream"} {
		bubble(t, func(t *testing.T) {
			gone := make(chan struct{}, 16)
			s := &server{session: "s1"}
			s.call = func(w http.ResponseWriter, r *http.Request, body string) {
				if strings.Contains(body, `"faulty"`) {
					dripping(200, kind, `{"jsonrpc":`, gone)(w, r)
					return
				}
				answer(w, body, `{"next":true}`)
			}
			h := start(t, newAgent(address), inMemory(s))
			h.open()
			h.send(faultyCall)
			<-time.After(time.Hour)
			h.send(`{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"next"}}`)
			h.want(`{"jsonrpc":"2.0","id":8,"result":{"next":true}}`)
			h.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
			<-gone
			h.send(faultyCall)
			<-time.After(time.Hour)
			began := time.Now()
			if err := h.end(); err != nil {
				t.Error(err)
			}
			if d := time.Since(began); d > 2*goodbye {
				t.Errorf("%s: the end took %v", kind, d)
			}
			<-gone
		})
	}
}

func TestASessionIdThatNoRequestCanCarryIsRefused(t *testing.T) {
	for name, id := range map[string]string{
		"escape sequences": "a\x1b[31mb", "a C1 control": "a\u009b31m", "letters beyond ASCII": "sesión", "bytes that are no text": "a\xff\xfeb", "a NUL": "a\x00b",
		"an end of line": "a\rX-Evil: 1", "ten thousand characters": strings.Repeat("a", 10_000), "a megabyte": strings.Repeat("a", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var hostile atomic.Bool
			hostile.Store(true)
			s := &server{session: "s1"}
			h := start(t, newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if id := r.Header.Get("Mcp-Session-Id"); id != "" && id != "s1" {
					t.Errorf("the session id came back: %.100q", id)
				}
				if !hostile.Load() {
					s.ServeHTTP(w, r)
					return
				}
				body := `{"jsonrpc":"2.0","id":1,"result":` + initResult + `}`
				raw(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\nMcp-Session-Id: %s\r\n\r\n%s", len(body), id, body))(w, r)
			}))))
			h.send(initialize)
			if line := h.wantHas(`"id":1`, `"error"`); len(line) > 2000 || strings.ContainsAny(line, "\x1b\u009b\x00") {
				t.Errorf("the server's text reaches the client: %.300q", line)
			}
			hostile.Store(false)
			h.open()
		})
	}
}

// The host stops reading, as one that hangs does, and then closes its end of the
// input. The bridge has answers that nobody takes, and leaves all the same.
func TestAClientThatStoppedReadingAndThenClosesItsEndIsLeft(t *testing.T) {
	t.Parallel() // it takes the whole time of a goodbye
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan struct{}, 16)
	s := &server{session: "s1"}
	s.call = func(w http.ResponseWriter, r *http.Request, body string) {
		answer(w, body, `"`+strings.Repeat("x", 2<<20)+`"`) // more than a pipe holds
		answered <- struct{}{}
	}
	in, out := stdio.Files(inR, outW)
	h := start(t, newAgent(serve(t, s)), func(o *Options) { o.Stdin, o.Stdout = in, out })
	h.in.Close() // the pipes of this test take the place of the harness's
	lines := []string{initialize, initialized}
	for id := range 4 {
		lines = append(lines, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"x"}}`, id+2))
	}
	if _, err := io.WriteString(inW, strings.Join(lines, "\n")+"\n"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		<-answered
	}
	inW.Close()
	if err := h.end(); err != nil {
		t.Errorf("the bridge ended with %v", err)
	}
	outR.Close() // what still writes ends with the process, here with the pipe
	outW.Close()
}
