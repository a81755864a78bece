package bridge

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"keyporter/broker/account"
)

// What a server speaks is found out by the first bridge, remembered, and found
// out anew when it is no longer so.
func TestTheEraIsFoundOutOnce(t *testing.T) {
	var mu sync.Mutex
	var methods []string
	modern := true
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		method := r.Header.Get("Mcp-Method")
		methods = append(methods, method)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case modern != (method != ""):
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Bad request"}}`)
		case modern:
			io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}`)
		default:
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":%s}`, initResult)
		}
	}))
	a := newAgent(url)
	for _, step := range []struct {
		modern bool
		want   []string // Mcp-Method of what reached the server
		era    account.Era
	}{
		{true, []string{"", "server/discover"}, account.EraModern},
		{true, []string{"server/discover"}, account.EraModern},
		{false, []string{"server/discover", ""}, account.EraAuto},
		{false, []string{""}, account.EraAuto},
	} {
		mu.Lock()
		methods, modern = nil, step.modern
		mu.Unlock()
		h := start(t, a)
		h.send(initialize)
		h.wantHas(`"id":1`, `"protocolVersion":"2025-11-25"`)
		h.end()
		mu.Lock()
		if !slices.Equal(methods, step.want) {
			t.Errorf("the server got %q, want %q", methods, step.want)
		}
		mu.Unlock()
		if a.state.Era != step.era {
			t.Errorf("remembered as %q, want %q", a.state.Era, step.era)
		}
	}
}

func TestAServerCalledLegacyIsNotProbed(t *testing.T) {
	a := newAgent(serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the server got %s", r.Method) })))
	a.state.Era = account.EraLegacy
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + modernMeta + `}}`)
	h.wantHas(`"id":1`, `"code":-32601`)
}
