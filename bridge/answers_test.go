package bridge

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

func TestCompleteListsAreKeptWithAllTheirPages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{}
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			switch {
			case strings.Contains(body, "cursor"):
				answer(w, body, `{"tools":[{"name":"b"},{"name":"c"}]}`)
			default:
				answer(w, body, `{"tools":[{"name":"a"}],"nextCursor":"p2","x":1}`)
			}
		}
		a := newAgent(address)
		h := start(t, a, inMemory(s))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		h.wantHas(`"nextCursor":"p2"`)
		synctest.Wait()
		if a.kept["tools/list"] != nil {
			t.Error("the first of two pages was kept")
		}
		h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"cursor":"p2"}}`)
		h.wantHas(`"name":"c"`)
		h.end()
		if got := string(a.kept["tools/list"]); got != `{"tools":[{"name":"a"},{"name":"b"},{"name":"c"}],"x":1}` {
			t.Errorf("kept %s", got)
		}
	})
}
