package broker

import (
	"context"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// logged returns the records of the audit log of one of the events.
func (w *world) logged(events ...string) (got []local.AuditRecord) {
	w.t.Helper()
	err := w.Log(w.t.Context(), local.LogRequest{}, func(r *local.AuditRecord) error {
		for _, e := range events {
			if r.Event == e {
				got = append(got, *r)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// What stands in the log is the agent's own finding, but for what a bridge says of its
// calls.
func TestNobodyWritesTheLogByAsking(t *testing.T) {
	w := newWorld(t)
	w.addStatic("key")
	w.add("mine", "https://mine.example.com/mcp", func(p *local.PutServer) { p.Server.Account = "key"; p.Bind = true })
	for _, event := range []string{"approve", "deny", "revoke", "set_approvals", "sign_in", "sign_out", "token", "renew", "add", "log_broken", "", "CALL"} {
		batch := []local.AuditRecord{{Event: "call", Server: "mine", Method: "ping"}, {Event: event, Program: "/usr/bin/claude", Server: "mine", Name: "by notification", Outcome: "ok"}}
		wantCode(t, w.Record(t.Context(), batch), hint.Usage)
	}
	if got := w.logged("approve", "deny", "revoke", "set_approvals", "sign_in", "token", "log_broken", "call", ""); len(got) > 0 {
		t.Fatalf("a record that was asked for stands in the log: %+v", got)
	}
	before := time.Now()
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	err := w.Record(t.Context(), []local.AuditRecord{
		{Time: old, Event: "call", Program: "/usr/bin/claude", Server: "mine", Account: "other", Method: "tools/call", Name: "add", Outcome: "ok", Latency: time.Second},
		{Time: old, Event: "call", Server: "no such server", Method: "tools/call", Outcome: "ok"},
		{Time: old, Event: "records_dropped", Program: "claude", Server: "mine", Name: "approved", Outcome: "5"},
	})
	if err != nil {
		t.Fatal(err)
	}
	calls := w.logged("call")
	if len(calls) != 1 || calls[0].Program != "" || calls[0].Account != "" || calls[0].Time.Before(before.Round(0)) || calls[0].Name != "add" || calls[0].Latency != time.Second {
		t.Errorf("the call is %+v", calls)
	}
	dropped := w.logged("records_dropped")
	if len(dropped) != 2 || dropped[0].Outcome != "5" || dropped[0].Name != "" || dropped[0].Time.Before(before.Round(0)) || dropped[1].Server != "" || dropped[1].Outcome != "1" {
		t.Errorf("what was left out is %+v", dropped)
	}
}

// A token that is given out leaves a record: each time to a command, and once to a bridge.
func TestEachTokenThatIsGivenOutIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.addStatic("key")
	w.add("mine", "https://mine.example.com/mcp", func(p *local.PutServer) { p.Server.Account = "key"; p.Bind = true })
	for _, name := range []string{"mine", "mine", "key"} {
		if _, err := w.Token(t.Context(), local.TokenRequest{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	got := w.logged("token")
	if len(got) != 3 || got[1].Server != "mine" || got[1].Account != "key" || got[2].Server != "" || got[2].Account != "key" || got[2].Outcome != "ok" {
		t.Fatalf("of three tokens the log has %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	shown := make(chan *local.BridgeState)
	ended := make(chan error, 1)
	go func() {
		ended <- w.Bridge(ctx, local.BridgeRequest{Server: "mine"}, func(st *local.BridgeState) error { shown <- st; return nil })
	}()
	(<-shown).Token.Value.Reveal()
	for _, paused := range []bool{true, false} { // two more states, one of them with the token again
		if err := w.setPaused(t.Context(), paused, "test"); err != nil {
			t.Fatal(err)
		}
		<-shown
	}
	cancel()
	<-ended
	if got = w.logged("token"); len(got) != 4 || got[3].Server != "mine" || got[3].Account != "key" || got[3].Name != "for a bridge" {
		t.Errorf("with a bridge the log has %+v", got)
	}
}
