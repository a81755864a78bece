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

func TestAnAnswerThatIsTooLongIsNotKept(t *testing.T) {
	long := strings.Repeat("x", maxKept)
	for name, pages := range map[string][]string{
		"on one page":            {`{"tools":[{"name":"` + long + `"}]}`},
		"beside the first items": {`{"tools":[],"x":"` + long + `","nextCursor":"2"}`, `{"tools":[]}`},
		"on two pages":           {`{"tools":[{"name":"` + long[1:] + `"}],"nextCursor":"2"}`, `{"tools":[{"name":"` + long[1:] + `"}]}`},
	} {
		k := newKeeper(nil)
		var cursor []byte
		for _, page := range pages {
			k.note(methodListTools, cursor, []byte(page))
			cursor = []byte(`"2"`)
		}
		if len(k.todo) != 0 || len(k.pages) != 0 {
			t.Errorf("%s: %d answers and %d lists wait for the agent", name, len(k.todo), len(k.pages))
		}
	}
}
