package bridge

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// stoppable lets the user stop the agent, and start it again by closing what is
// returned.
func stoppable() (start chan struct{}, option func(*Options)) {
	start = make(chan struct{})
	return start, func(o *Options) {
		o.Started = func(ctx context.Context) error {
			select {
			case <-start:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

var errStopped = hint.New(hint.Stopped, "Keyporter is stopped.", "Run keyporter start.")

func (a *fakeAgent) halt() {
	a.mu.Lock()
	a.refuse = errStopped
	a.mu.Unlock()
	a.set(func(s *local.BridgeState) { s.Status, s.Problem, s.Token = local.Stopping, errStopped, nil })
}

func (a *fakeAgent) revive(start chan struct{}) {
	a.mu.Lock()
	a.refuse = nil
	a.mu.Unlock()
	a.ready("two")
	close(start)
}

func TestAStopTakesEffectAtOnceAndTheStartToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var reached atomic.Int32
		s := &server{session: "s1"}
		a := newAgent(address)
		a.known = knownAnswers()
		started, option := stoppable()
		h := start(t, a, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached.Add(1); s.ServeHTTP(w, r) })), option)
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"before"}}`)
		h.want(`{"jsonrpc":"2.0","id":2,"result":{}}`)
		synctest.Wait()
		began, before := time.Now(), reached.Load()
		a.halt()
		synctest.Wait()
		a.mu.Lock()
		if n := len(a.records); n != 2 || a.records[n-1].Name != "before" {
			t.Errorf("the agent was given %+v when it was stopped", a.records)
		}
		connects := a.connects
		a.mu.Unlock()
		h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"while"}}`)
		h.wantHas(`"id":3`, `"isError":true`, "Keyporter is stopped. Run keyporter start.")
		h.send(`{"jsonrpc":"2.0","id":4,"method":"tools/list"}`)
		h.wantHas(`"id":4`, `"tools":[ {"name":"add"`)
		if d := time.Since(began); d != 0 {
			t.Errorf("answers took %v", d)
		}
		a.mu.Lock()
		asked := a.connects - connects
		a.mu.Unlock()
		<-time.After(time.Hour)
		if reached.Load() != before {
			t.Errorf("%d requests went out after the stop", reached.Load()-before)
		}
		a.mu.Lock()
		if idle := a.connects - connects - asked; idle > 200 { // the audit log's attempts, one in 30 s
			t.Errorf("%d attempts to connect in an hour", idle)
		}
		a.mu.Unlock()

		began = time.Now()
		a.revive(started)
		h.want(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		h.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"after"}}`)
		h.want(`{"jsonrpc":"2.0","id":5,"result":{}}`)
		synctest.Wait()
		if d := time.Since(began); d != 0 {
			t.Errorf("the start took effect after %v", d)
		}
		a.mu.Lock()
		stopped := func(r local.AuditRecord) bool { return r.Name == "while" && r.Outcome == "stopped" }
		if len(a.records) < 4 || !slices.ContainsFunc(a.records, stopped) { // beside the bridge's own call, in no order
			t.Errorf("the next agent was given %+v", a.records)
		}
		a.mu.Unlock()
		h.end()
		if s.inits != 1 {
			t.Errorf("%d initializes, want the session to live on", s.inits)
		}
	})
}

// An agent that is killed in the moment of the stop cannot say so.
func TestAnAgentThatDiesWhileStoppedTakesItsTokensAlong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var reached atomic.Int32
		s := &server{session: "s1"}
		a := newAgent(address)
		_, option := stoppable()
		h := start(t, a, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached.Add(1); s.ServeHTTP(w, r) })), option)
		h.open()
		<-time.After(time.Minute)
		before := reached.Load()
		a.die(errStopped)
		synctest.Wait()
		h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x"}}`)
		h.wantHas(`"id":3`, `"isError":true`, "Keyporter is stopped. Run keyporter start.")
		if reached.Load() != before {
			t.Error("a request went out after the stop")
		}
	})
}

func TestNothingSecretIsKeptAfterAStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address)
		a.state.SecretHeaders = map[string]secret.Plain{"X-Key": {Value: secret.New(marker + "-key")}}
		a.state.Proxy = "http://proxy.example:3128"
		a.state.ProxyLogins = map[string]secret.Plain{a.state.Proxy: {Value: secret.New("user:" + marker + "-login")}}
		o := Options{Connect: a.connect, Server: "acme", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		l := newLink(t.Context(), &o)
		way := &road{link: l}
		l.resting = way.CloseIdleConnections
		go l.run()
		if v, err := l.current(t.Context()); err != nil || v.state.Token == nil || v.cred == nil {
			t.Fatalf("no credentials to begin with: %v", err)
		}
		if _, err := way.transport(); err != nil || way.of.ProxyLogins == nil {
			t.Fatalf("no way to begin with: %v", err)
		}
		a.die(errStopped)
		v, err := l.await(t.Context(), func(v *view) bool { return !v.ready() })
		if err != nil || v.cred != nil || v.state.Token != nil || v.state.SecretHeaders != nil || v.state.ProxyLogins != nil {
			t.Errorf("after the stop the bridge knows %+v, credentials %v", v.state, v.cred)
		}
		if synctest.Wait(); way.by != nil || way.of != nil {
			t.Error("the way to the server is remembered after the stop, with the proxy's login")
		}
		if l.sent.Remove(marker+"-key") != marker+"-key" {
			t.Error("what was sent is remembered after the stop")
		}
		if v.state.Server != "acme" {
			t.Error("the server's name is lost")
		}
	})
}
