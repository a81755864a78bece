//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"keyporter/internal/fakemcp"
)

// TestAnswersOfOthersReachNobody has a server give two bridges answers to what they
// did not ask: ids of the other one, of calls that are over, and of no call. A host
// of these tests takes any of them as a failure.
func TestAnswersOfOthersReachNobody(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=info")
	m := behind(h, fakemcp.Options{Open: true, Sessions: true}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // one that broke off is no call
			var call struct {
				ID     json.RawMessage
				Method string
				Params struct{ Arguments struct{ A, B int } }
			}
			if json.Unmarshal(body, &call) != nil || call.Method != "tools/call" {
				r.Body = io.NopCloser(strings.NewReader(string(body)))
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			answer := func(id, text string) {
				fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"content\":[{\"type\":\"text\",\"text\":%q}]}}\n\n", id, text)
			}
			for _, id := range []string{"100000", `"` + string(call.ID) + `"`, "null", "-1", string(call.ID) + ".5", "1", `{"a":1}`, "[" + string(call.ID) + "]"} {
				answer(id, "stolen")
			}
			answer(string(call.ID), fmt.Sprint(call.Params.Arguments.A+call.Params.Arguments.B))
			answer(string(call.ID), "stolen")
		})
	})
	h.do("add", "acme", m.URL())
	hosts := []*host{h.launch("acme"), h.launch("acme")}
	for _, c := range hosts {
		c.initialize()
	}
	for n := range 20 {
		calls := []<-chan message{hosts[0].add(n, 1000), hosts[1].add(n, 2000)}
		hosts[0].wantText(calls[0], fmt.Sprint(n+1000))
		hosts[1].wantText(calls[1], fmt.Sprint(n+2000))
	}
	for _, c := range hosts {
		c.close()
	}
}

// TestSessionsOfTwoBridgesAreKeptApart looks at the sessions in which two bridges of
// one account call, while the server ends them again and again.
func TestSessionsOfTwoBridgesAreKeptApart(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=info")
	var mu sync.Mutex
	callers := map[string]map[int]bool{} // by session
	m := behind(h, fakemcp.Options{Open: true, Sessions: true}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // one that broke off is no call
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			var call struct {
				Params struct{ Arguments struct{ A int } }
			}
			if id := r.Header.Get("Mcp-Session-Id"); json.Unmarshal(body, &call) == nil && call.Params.Arguments.A != 0 {
				mu.Lock()
				if callers[id] == nil {
					callers[id] = map[int]bool{}
				}
				callers[id][call.Params.Arguments.A] = true
				mu.Unlock()
			}
			next.ServeHTTP(w, r)
		})
	})
	h.do("add", "acme", m.URL())
	hosts := []*host{h.launch("acme"), h.launch("acme")}
	for _, c := range hosts {
		c.initialize()
	}
	for range 3 {
		calls := []<-chan message{hosts[0].add(1000, 1), hosts[1].add(2000, 1)}
		hosts[0].wantText(calls[0], "1001")
		hosts[1].wantText(calls[1], "2001")
		m.EndSessions()
	}
	for _, c := range hosts {
		c.close()
	}
	mu.Lock()
	defer mu.Unlock()
	if len(callers) < 3 {
		t.Errorf("%d sessions, want new ones for those that ended", len(callers))
	}
	for id, who := range callers {
		if len(who) != 1 || len(id) < 16 {
			t.Errorf("in the session %q called %v", id, who)
		}
	}
}
