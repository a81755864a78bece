package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// Transcripts are both sides of a bridge in a text file. Lines that drive it:
//
//	# a comment
//	client> what the client writes
//	server< status content-type body, for the next request; \n is a line break
//	@ready, @missing, @wait DURATION: what happens to the account, or to the clock
//	@tools JSON: the user sets the tools policy; @era WORD: the era of the server
//	@event EVENT: what the server sends on the last stream that it left open: a
//	server< line that ends with … does; @drop: that stream breaks off
//
// What comes of it is written by the test (-update): client< is what the client
// reads, server> what the server gets, header fields included. The GET stream is
// not part of transcripts, because nothing says when it is opened.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, string(want)) })
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("transcript differs; got\n%s", got)
			}
			if strings.Contains(strings.ReplaceAll(got, "Authorization: Bearer "+marker, ""), marker) {
				t.Error("a secret is in the transcript outside of a request's header")
			}
		})
	}
}

// A stage plays one transcript.
type stage struct {
	mu      sync.Mutex
	out     bytes.Buffer
	answers []string      // server< lines not used yet
	closed  int           // streams that the client has closed; see sayClosed
	open    []chan string // streams that the server has left open; see @event
}

func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(&s.out, format+"\n", args...)
}

// Write is the bridge's standard output.
func (s *stage) Write(p []byte) (int, error) {
	s.say("client< %s", bytes.TrimSuffix(p, []byte("\n")))
	return len(p), nil
}

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, _ := io.ReadAll(r.Body)
	line := r.Method + " " + r.URL.Path
	for _, name := range []string{"Authorization", "Mcp-Session-Id", "Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Param-Region"} {
		if v := r.Header.Get(name); v != "" {
			line += " [" + name + ": " + v + "]"
		}
	}
	s.mu.Lock()
	fmt.Fprintln(&s.out, strings.TrimSpace("server> "+line+" "+string(body)))
	answer := "405"
	if len(s.answers) > 0 {
		answer, s.answers = s.answers[0], s.answers[1:]
		fmt.Fprintf(&s.out, "server< %s\n", answer)
	}
	s.mu.Unlock()
	status, rest, _ := strings.Cut(answer, " ")
	kind, text, _ := strings.Cut(rest, " ")
	if session, after, ok := strings.Cut(kind, "+"); ok {
		w.Header().Set("Mcp-Session-Id", after)
		kind = session
	}
	code, err := strconv.Atoi(status)
	if err != nil {
		panic("transcript: " + answer)
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(code)
	text, open := strings.CutSuffix(text, "…")
	io.WriteString(w, strings.ReplaceAll(text, `\n`, "\n"))
	if open {
		s.hold(w, r)
	}
}

// hold leaves an answer open for more events, until either side has enough.
func (s *stage) hold(w io.Writer, r *http.Request) {
	events := make(chan string)
	s.mu.Lock()
	s.open = append(s.open, events)
	s.mu.Unlock()
	for {
		select {
		case e, more := <-events:
			if !more {
				return
			}
			io.WriteString(w, strings.ReplaceAll(e, `\n`, "\n"))
		case <-r.Context().Done():
			s.mu.Lock()
			s.closed++
			s.mu.Unlock()
			return
		}
	}
}

// sayClosed notes the streams that the client has closed meanwhile.
func (s *stage) sayClosed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.closed > 0; s.closed-- {
		fmt.Fprintln(&s.out, "server: the client has closed the stream")
	}
}

// last returns the newest open stream; with drop, it is open no more.
func (s *stage) last(drop bool) chan string {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.open[len(s.open)-1]
	if drop {
		s.open = s.open[:len(s.open)-1]
	}
	return e
}

func play(t *testing.T, script string) string {
	s := &stage{}
	a := newAgent("http://127.0.0.1/mcp")
	inR, inW := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{Connect: a.connect, Server: "acme", Stdin: inR, Stdout: s, Version: "0.0", Transport: memory{s}})
	}()
	synctest.Wait()
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "server< "); ok {
			s.mu.Lock()
			s.answers = append(s.answers, text)
			s.mu.Unlock()
		}
	}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch text, _ := strings.CutPrefix(line, "client> "); {
		case text != line:
			s.say("%s", line)
			io.WriteString(inW, text+"\n")
		case line == "@ready":
			s.say("%s", line)
			a.ready("one")
		case line == "@missing":
			s.say("%s", line)
			a.set(func(b *local.BridgeState) { *b = newAgent(b.URL).missing().state })
		case line == "@away":
			s.say("%s", line)
			a.set(func(b *local.BridgeState) {
				b.Status, b.Problem, b.Token = local.Failed, hint.New(hint.Unreachable, "login.example.com cannot be reached.", "Check the network."), nil
			})
		case strings.HasPrefix(line, "@event "):
			s.say("%s", line)
			select {
			case s.last(false) <- strings.TrimPrefix(line, "@event "):
			case <-time.After(time.Minute):
				t.Fatalf("no stream is open for %s", line)
			}
		case line == "@drop":
			s.say("%s", line)
			close(s.last(true))
		case strings.HasPrefix(line, "@era "):
			s.say("%s", line)
			a.set(func(b *local.BridgeState) { b.Era = account.Era(strings.TrimPrefix(line, "@era ")) })
		case strings.HasPrefix(line, "@tools "):
			s.say("%s", line)
			var p account.ToolPolicy
			if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "@tools ")), &p); err != nil {
				t.Fatal(err)
			}
			a.set(func(b *local.BridgeState) { b.Tools = p })
		case strings.HasPrefix(line, "@wait "):
			s.say("%s", line)
			d, err := time.ParseDuration(strings.TrimPrefix(line, "@wait "))
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(d)
		case line == "" || strings.HasPrefix(line, "#"):
			s.say("%s", line)
		}
		synctest.Wait()
		s.sayClosed()
	}
	inW.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	synctest.Wait() // streams notice that they were closed
	s.sayClosed()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}
