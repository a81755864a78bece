package bridge

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

func TestLastKnownToolsObeyThePolicyToo(t *testing.T) {
	a := newAgent("http://127.0.0.1:1/mcp").missing()
	a.known = map[string]json.RawMessage{
		"initialize": json.RawMessage(initResult),
		"tools/list": json.RawMessage(`{"tools":[{"name":"get"},{"name":"drop"}]}`),
	}
	a.state.Tools = account.ToolPolicy{DenyTools: []string{"dr*"}}
	h := start(t, a)
	h.send(initialize)
	h.wantHas(`"name":"real"`)
	h.send(initialized, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
	h.want(`{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"get"}]}}`)
	a.set(func(s *local.BridgeState) { s.Tools = account.ToolPolicy{AllowTools: []string{"drop"}} })
	h.want(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
	h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
	h.want(`{"jsonrpc":"2.0","id":3,"result":{"tools":[{"name":"drop"}]}}`)
}

func TestAModernSubscriptionHearsOfAPolicyChange(t *testing.T) {
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, `data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}`+"\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	a := newAgent(url)
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":"L","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},`+modernMeta+`}}`,
		`{"jsonrpc":"2.0","id":"M","method":"subscriptions/listen","params":{"notifications":{"promptsListChanged":true},`+modernMeta+`}}`)
	h.wantHas("acknowledged")
	h.wantHas("acknowledged")
	a.set(func(s *local.BridgeState) { s.Tools.ReadOnly = true })
	h.want(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"L"}}}`)
}

// With a policy, each element of a batch is looked at: it is taken apart.
func TestABatchDoesNotGetAroundThePolicy(t *testing.T) {
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.Contains(string(body), `"initialize"`):
			io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-03-26","capabilities":{},"serverInfo":{"name":"real","version":"1"}}}`)
		case strings.Contains(string(body), "drop"):
			t.Errorf("the server got %s", body)
		default:
			io.WriteString(w, `{"jsonrpc":"2.0","id":2,"result":{}}`)
		}
	}))
	a := newAgent(url)
	a.state.Tools.DenyTools = []string{"drop"}
	h := start(t, a)
	h.send(strings.ReplaceAll(initialize, "2025-11-25", "2025-03-26"))
	h.wantHas("2025-03-26")
	h.send(`[{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get"}},{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"drop"}}]`)
	both := h.next() + h.next()
	if !strings.Contains(both, `"id":2,"result":{}`) || !strings.Contains(both, `"id":3,"error":{"code":-32602`) {
		t.Errorf("answers %s", both)
	}
}

// Whatever a server makes of them, these do not reach it.
func TestAMessageThatCouldBeACallOfAHiddenToolIsRefused(t *testing.T) {
	s := &server{session: "s1"}
	a := newAgent(serve(t, s))
	a.state.Tools.DenyTools = []string{"drop"}
	h := start(t, a)
	h.open()
	for _, line := range []string{
		`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"dr\u006fp"}}`,
		`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"DROP"}}`,
		`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"drop","name":"get"}}`,
		`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"get","Name":"drop"}}`,
		`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":["drop"]}}`,
		`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":["drop"]}`,
		`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"drop"},"params":{"name":"get"}}`,
		`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"get"},"Params":{"name":"drop"}}`,
		`{"jsonrpc":"2.0","id":9,"method":"tools/call","method":"ping","params":{"name":"drop"}}`,
		`{"jsonrpc":"2.0","id":9,"method":"ping","Method":"tools/call","params":{"name":"drop"}}`,
		`{"jsonrpc":"2.0","id":9,"method":"Tools/Call ","params":{"name":"drop"}}`,
		`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"drop",` + modernMeta + `}}`,
	} {
		h.send(line)
		h.wantHas(`"id":9`, `"error"`, "Keyporter")
	}
	h.send(`{"jsonrpc":"2.0","method":"tools/call","params":{"name":"drop"}}`,
		`{"jsonrpc":"2.0","Id":9,"method":"tools/call","params":{"name":"drop"}}`,
		`{"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":"get"}}`)
	h.wantHas(`"id":10`, `"result"`)
	h.end()
	for _, body := range s.seen {
		if strings.Contains(strings.ToLower(body), "drop") {
			t.Errorf("the server got %s", body)
		}
	}
}
