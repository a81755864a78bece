//go:build unix

package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// dripping begins an answer and adds to it little by little, until the client has
// gone.
func dripping(begin, again string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, err = io.WriteString(c, begin)
		for tick := time.Tick(100 * time.Millisecond); err == nil; <-tick {
			_, err = io.WriteString(c, again)
		}
	}
}

// TestAServerThatDripsIsAddedWithAWarning has what is asked while a server is added
// come a byte at a time. The command has three seconds for it, and says what it saw.
func TestAServerThatDripsIsAddedWithAWarning(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	h := newHome(t, "KEYPORTER_LOG=info")
	ended := map[string]<-chan result{}
	for _, slow := range []struct{ name, endpoint, begin, again string }{
		{"mcp-header", fakemcp.Path, head, "X-A: b\r\n"},
		{"mcp-body", fakemcp.Path, head + "\r\n{", " "},
		{"mcp-events", fakemcp.Path, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", ":\n"},
		{"metadata", fakemcp.MetadataPath, head + "\r\n{", " "},
	} {
		s := newHostile(h, fakeas.Options{})
		s.answers(slow.endpoint, dripping(slow.begin, slow.again))
		_, _, ended[slow.name] = h.start("add", slow.name, s.mcp.URL())
	}
	for name, r := range ended {
		select {
		case got := <-r:
			if got.code != 0 || h.said(got.err) == "" || !strings.Contains(h.do("list"), name) {
				t.Errorf("%s: exit code %d\n%s%s", name, got.code, got.out, h.said(got.err))
			}
		case <-time.After(patience):
			t.Errorf("%s is still being added", name)
		}
	}
}
