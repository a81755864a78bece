package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// endless are answers that have no end, or a size that nobody expects.
func endless(t *testing.T) map[string]http.HandlerFunc {
	t.Helper()
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	_, err := z.Write(chunk)
	check(t, err)
	check(t, z.Close())
	packed := bytes.Repeat(member.Bytes(), 256) // 256 MiB in a quarter of one (RFC 1952 section 2.2)
	stream := func(w http.ResponseWriter, begin string, forever []byte) {
		w.Header().Set("Content-Type", "application/json")
		_, err := io.WriteString(w, begin)
		for err == nil { // until the client has gone
			_, err = w.Write(forever)
		}
	}
	return map[string]http.HandlerFunc{
		"a body without an end": func(w http.ResponseWriter, _ *http.Request) { stream(w, `{"a":"`, bytes.Repeat([]byte("a"), 64<<10)) },
		"an object without an end": func(w http.ResponseWriter, _ *http.Request) {
			stream(w, `{"a":1`, bytes.Repeat([]byte(`,"a":1`), 10<<10))
		},
		"an answer nested without an end": func(w http.ResponseWriter, _ *http.Request) { stream(w, ``, bytes.Repeat([]byte(`{"a":[`), 10<<10)) },
		"a packed answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed)
		},
		"header fields without an end": func(w http.ResponseWriter, _ *http.Request) {
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, err = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
			for i := 0; err == nil; i++ {
				_, err = fmt.Fprintf(rw, "X-%d: %s\r\n", i, chunk[:1000])
			}
		},
		"redirects in circles": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"?"+strconv.Itoa(len(r.URL.RawQuery)+1), http.StatusTemporaryRedirect)
		},
	}
}

// TestAnswersWithoutAnEndAreGivenUp has each endpoint of a sign-in answer without an
// end. The sign-in fails with words, the agent takes no memory for it, and other
// servers work on.
func TestAnswersWithoutAnEndAreGivenUp(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=info")
	s := newHostile(h, fakeas.Options{})
	h.do("add", "acme", s.mcp.URL(), "--offline")
	before := peakMemory(t, h.pid())
	answers := endless(t)
	// A registration that goes well is kept, so the token comes last.
	for _, endpoint := range []string{fakemcp.MetadataPath, fakeas.Register, fakeas.Token} {
		for name, answer := range answers {
			s.answers(endpoint, answer)
			if r := h.run("login", "acme"); r.code != 1 || r.err == "" {
				t.Errorf("%s of %s: exit code %d\n%s", name, endpoint, r.code, h.said(r.err))
			}
			s.answers(endpoint, nil)
		}
	}
	if after := peakMemory(t, h.pid()); after > before+48<<10 {
		t.Errorf("the agent had %d KiB before and %d KiB at most", before, after)
	}
	h.do("login", "acme")
}

// TestABridgeOutlivesAnswersWithoutAnEnd has a server answer calls without an end.
// Each call fails with words, and the next one works.
func TestABridgeOutlivesAnswersWithoutAnEnd(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=info")
	s := newHostile(h, fakeas.Options{})
	s.signedIn(h)
	c := h.launch("acme")
	c.initialize()
	c.wantText(c.add(1, 2), "3")
	for name, answer := range endless(t) {
		s.answers(fakemcp.Path, answer)
		if m := c.take(name, c.add(1, 2)); m.Error == nil && !strings.Contains(string(m.Result), `"isError":true`) {
			t.Errorf("%s: the call succeeded: %.200v", name, m)
		}
		s.answers(fakemcp.Path, nil)
		c.wantText(c.add(3, 4), "7")
	}
	// One message may have 64 MiB; growing to that takes twice as much for a moment.
	if got := peakMemory(t, c.cmd.Process.Pid); got > 256<<10 {
		t.Errorf("the bridge had %d KiB at most", got)
	}
	c.close()
}

// TestManyLargeRefusalsAtOnceTakeNoMemory has a server refuse hundreds of calls with a
// megabyte each, all at once. What is read of them shares one limit.
func TestManyLargeRefusalsAtOnceTakeNoMemory(t *testing.T) {
	t.Parallel()
	const calls = 400
	h := newHome(t, "KEYPORTER_LOG=info")
	s := newHostile(h, fakeas.Options{})
	s.signedIn(h)
	c := h.launch("acme")
	c.initialize()
	c.wantText(c.add(1, 2), "3")
	var came atomic.Int32
	all := make(chan struct{}) // closed when all calls are there
	text := bytes.Repeat([]byte("refused "), 1<<17)
	s.answers(fakemcp.Path, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the calls are all alike
		if came.Add(1) == calls {
			close(all)
		}
		<-all
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(text)
	})
	var answers []<-chan message
	for range calls {
		answers = append(answers, c.add(1, 2))
	}
	for _, answer := range answers {
		if m := c.take("the end of a call", answer); m.Error == nil && !strings.Contains(string(m.Result), `"isError":true`) {
			t.Fatalf("a call that was refused: %.200v", m)
		}
	}
	s.answers(fakemcp.Path, nil)
	c.wantText(c.add(3, 4), "7")
	// 32 MiB of them at a time, a copy of each for the words, and what Go has not collected.
	if got := peakMemory(t, c.cmd.Process.Pid); got > 240<<10 {
		t.Errorf("the bridge had %d KiB at most", got)
	}
	c.close()
}
