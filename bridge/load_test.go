package bridge

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestAThousandCallsInFlightAreAllAnswered(t *testing.T) {
	const n = 1000
	bubble(t, func(t *testing.T) {
		s := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			<-time.After(200 * time.Millisecond)
			answer(w, string(body), `{"of":`+idOf(string(body))+`}`)
		})
		h := start(t, newAgent(address), inMemory(s))
		began := time.Now()
		go func() {
			for i := range n {
				io.WriteString(h.in, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"x",%s}}`+"\n", i, modernMeta))
			}
		}()
		seen := map[string]bool{}
		for range n {
			l := h.next()
			id := idOf(l)
			if seen[id] = true; l != `{"jsonrpc":"2.0","id":`+id+`,"result":{"of":`+id+`}}` {
				t.Errorf("answer %s", l)
			}
		}
		if len(seen) != n {
			t.Errorf("%d different answers", len(seen))
		}
		if d := time.Since(began); d != 200*time.Millisecond {
			t.Errorf("took %v of faked time, want one wait for all", d)
		}
	})
}
