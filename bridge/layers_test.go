package bridge

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/broker/local"
)

const gateField = "X-Serverless-Authorization"

// gateToken makes the token of a further account.
func gateToken(name string) local.Token {
	t := token(name, time.Time{}, time.Time{})
	t.Header = gateField
	return *t
}

// A layered is a server behind a gate: each wants a token of its own.
type layered struct {
	next            http.Handler
	gate, server    atomic.Value // the names of the tokens that are good now
	gated, refusals atomic.Int32
}

func (l *layered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get(gateField) != "Bearer "+marker+"-"+l.gate.Load().(string):
		l.gated.Add(1)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token" error_description="The access token could not be verified"`)
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(401)
	case r.Header.Get("Authorization") != "Bearer "+marker+"-"+l.server.Load().(string):
		l.refusals.Add(1)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", resource_metadata="https://acme.example/x"`)
		w.WriteHeader(401)
	default:
		l.next.ServeHTTP(w, r)
	}
}

func behindAGate(t *testing.T) (*layered, *fakeAgent, *host) {
	t.Helper()
	l := &layered{next: &server{session: "s1"}}
	l.gate.Store("gate1")
	l.server.Store("one")
	a := newAgent(serve(t, l))
	a.state.Further = []local.Token{gateToken("gate1")}
	a.token = func(r local.TokenRequest) (*local.Token, error) {
		if r.Header == gateField {
			tok := gateToken("gate2")
			return &tok, nil
		}
		return token("two", time.Time{}, time.Time{}), nil
	}
	h := start(t, a)
	h.open()
	return l, a, h
}

// burst sends requests at once and waits for their results.
func burst(h *host, n, from int) {
	for i := range n {
		h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"x"}}`, from+i))
	}
	for range n {
		h.wantHas(`"result":{}`)
	}
}

func TestTheTokenThatWasRefusedIsRenewedAndNotTheOther(t *testing.T) {
	l, a, h := behindAGate(t)
	l.gate.Store("gate2")
	burst(h, 20, 100)
	if got := a.asked(); len(got) != 1 || got[0].Header != gateField || got[0].Refused != "hash-gate1" {
		t.Errorf("agent was asked %+v, want once for the gate's token", got)
	}
	l.server.Store("two")
	burst(h, 20, 200)
	got := a.asked()
	if len(got) != 2 || got[1].Header != "" || got[1].Refused != "hash-one" {
		t.Errorf("agent was asked %+v, want once more for the server's token", got)
	}
	h.end()
}

func TestBothTokensRefusedAreBothRenewed(t *testing.T) {
	l, a, h := behindAGate(t)
	l.gate.Store("gate2")
	l.server.Store("two")
	burst(h, 10, 100)
	if got := a.asked(); len(got) != 2 || got[0].Header != gateField || got[1].Header != "" {
		t.Errorf("agent was asked %+v, want once for each", got)
	}
	h.end()
}

func TestATokenThatIsNotThereYetIsAskedFor(t *testing.T) {
	l := &layered{next: &server{session: "s1"}}
	l.gate.Store("gate2")
	l.server.Store("one")
	a := newAgent(serve(t, l))
	a.state.Further = []local.Token{{Header: gateField}}
	a.token = func(r local.TokenRequest) (*local.Token, error) { tok := gateToken("gate2"); return &tok, nil }
	h := start(t, a)
	h.open()
	burst(h, 5, 100)
	h.end()
	if got := a.asked(); len(got) != 1 || got[0].Header != gateField || got[0].Refused != "" {
		t.Errorf("agent was asked %+v, want once before the first request", got)
	}
	if l.gated.Load() != 0 {
		t.Error("a request went out without the gate's token")
	}
}

func TestAGateThatLetsTheAccountNotInSaysWho(t *testing.T) {
	a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		w.WriteHeader(403)
		fmt.Fprint(w, "<html><body><h2>Your client does not have permission to get URL <code>/mcp</code> from this server.</h2></body></html>")
	})))
	gate := gateToken("gate1")
	gate.Who = "etl@my-project.iam.gserviceaccount.com"
	a.state.Further = []local.Token{gate}
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	h.wantHas(`"id":1`, "does not let etl@my-project.iam.gserviceaccount.com in", "roles/run.invoker")
	h.end()
	if len(a.asked()) != 0 {
		t.Error("a token was asked for that could not help")
	}
}
