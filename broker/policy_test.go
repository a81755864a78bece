package broker

import (
	"context"
	"sync"
	"testing"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// What was found out of a server's protocol is told to the next bridge, at the
// same address, unless the user has said which it is. A changed policy reaches
// the bridges that run.
func TestBridgesHearOfTheEraAndOfTheToolsPolicy(t *testing.T) {
	w := newWorld(t)
	w.addStatic("fixed")
	server := account.Server{URL: "https://mine.example/mcp", Account: "fixed"}
	put := func(change func(*account.Server)) {
		t.Helper()
		change(&server)
		if _, err := w.SetServer(t.Context(), local.PutServer{Name: "mine", Server: server, Offline: true, Bind: true}); err != nil {
			t.Fatal(err)
		}
	}
	w.add("mine", server.URL, func(p *local.PutServer) { p.Offline, p.Server = true, server })
	states := make(chan *local.BridgeState, 16)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = w.Bridge(ctx, local.BridgeRequest{Server: "mine"}, func(st *local.BridgeState) error { states <- st; return nil })
	})
	defer wg.Wait()
	defer cancel()
	// until reads states up to one that tells what the caller waits for.
	until := func(ok func(*local.BridgeState) bool) {
		for st := <-states; !ok(st); st = <-states {
		}
	}
	until(func(st *local.BridgeState) bool { return st.Era == "" && !st.Tools.Active() })
	if err := w.KeepAnswers(t.Context(), local.Answers{Server: "mine", Era: account.EraModern}); err != nil {
		t.Fatal(err)
	}
	until(func(st *local.BridgeState) bool { return st.Era == account.EraModern })
	put(func(s *account.Server) { s.DenyTools, s.ReadOnly = []string{"drop*"}, true })
	until(func(st *local.BridgeState) bool {
		return st.Tools.ReadOnly && len(st.Tools.DenyTools) == 1 && st.Era == account.EraModern
	})
	put(func(s *account.Server) { s.Era = account.EraLegacy })
	until(func(st *local.BridgeState) bool { return st.Era == account.EraLegacy })
	put(func(s *account.Server) { s.Era, s.URL = account.EraAuto, "https://other.example/mcp" })
	until(func(st *local.BridgeState) bool { return st.URL == server.URL && st.Era != account.EraModern })
}
