package bridge

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/claims"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

func TestA401IsRenewedOnceForAllAndRepeated(t *testing.T) {
	s := &server{session: "s1"}
	a := newAgent("")
	a.token = func(r local.TokenRequest) (*local.Token, error) { return token("two", time.Time{}, time.Time{}), nil }
	var refuse atomic.Bool
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want := "Bearer " + marker + "-one"
		if refuse.Load() {
			want = "Bearer " + marker + "-two"
		}
		if r.Header.Get("Authorization") != want {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(401)
			return
		}
		s.ServeHTTP(w, r)
	}))
	a.state.URL = url
	h := start(t, a)
	h.open()
	refuse.Store(true)
	const n = 20
	for i := range n {
		h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"x"}}`, 100+i))
	}
	for range n {
		h.wantHas(`"result":{}`)
	}
	h.end()
	got := a.asked()
	if len(got) != 1 || got[0].Name != "acme" || got[0].Refused != "hash-one" || len(got[0].Challenge) != 1 || got[0].Challenge[0] != `Bearer error="invalid_token"` {
		t.Errorf("agent was asked %+v, want once for hash-one", got)
	}
}

func TestATokenThatIsRefusedTwiceIsAnError(t *testing.T) {
	a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) })))
	a.token = func(local.TokenRequest) (*local.Token, error) { return token("two", time.Time{}, time.Time{}), nil }
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	h.wantHas(`"id":1`, "refuses the token", `"status":401`)
}

// The agent knows what a token shows about why a server does not take it.
func TestWhyATokenIsRefusedIsSaid(t *testing.T) {
	a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(401)
	})))
	two := token("two", time.Time{}, time.Time{})
	a.token = func(local.TokenRequest) (*local.Token, error) { return two, nil }
	a.findings = []claims.Finding{{Code: claims.WrongAudience, What: "The token is for somewhere else.", Do: "Set the audience."}}
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	h.wantHas(`"id":1`, "refuses the token that was just renewed. The token is for somewhere else. Set the audience.", `"status":401`)
	h.end()
	want := local.InspectRequest{Name: "acme", Refused: two.Hash, Challenge: []string{`Bearer error="invalid_token"`}}
	if len(a.inspected) != 1 || fmt.Sprint(a.inspected[0]) != fmt.Sprint(want) {
		t.Errorf("the agent was asked about %+v, want %+v", a.inspected, want)
	}
}

// While a token is renewed the agent has none for the bridges that listen. Neither
// a request nor the repetition of a refused one goes out without any.
func TestNoRequestGoesOutWithoutItsToken(t *testing.T) {
	s := &server{}
	var bare atomic.Int32
	good := "one"
	a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Authorization") {
		case "":
			bare.Add(1)
			w.WriteHeader(401)
		case "Bearer " + marker + "-" + good:
			s.ServeHTTP(w, r)
		default:
			w.WriteHeader(401)
		}
	})))
	a.state.NeedsToken, a.state.Token = true, nil
	asked, fresh := make(chan bool, 2), make(chan string, 1)
	a.token = func(local.TokenRequest) (*local.Token, error) {
		asked <- true
		return token(<-fresh, time.Time{}, time.Time{}), nil
	}
	h := start(t, a)
	fresh <- "one"
	h.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	h.wantHas(`"id":1`, `"result"`)

	good = "two"
	h.send(`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	<-asked
	<-asked // the refused request waits for its token
	a.set(func(s *local.BridgeState) { s.Token = nil })
	fresh <- "two"
	h.wantHas(`"id":2`, `"result"`)
	h.end()
	if n := bare.Load(); n != 0 {
		t.Errorf("%d requests went out without a token", n)
	}
}

func TestAnExpiredTokenIsRenewedBeforeUse(t *testing.T) {
	s := &server{}
	var used atomic.Value
	a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		used.Store(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "+marker+"-"))
		s.ServeHTTP(w, r)
	})))
	now := time.Now()
	a.state.Token = token("old", now.Add(-2*time.Minute), now.Add(-time.Minute))
	a.token = func(local.TokenRequest) (*local.Token, error) { return token("new", time.Time{}, time.Time{}), nil }
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	h.wantHas(`"result"`)
	if used.Load() != "new" {
		t.Errorf("token %q was used", used.Load())
	}
}

func TestATokenThatIsDueIsRenewedBesideTheRequest(t *testing.T) {
	s := &server{}
	a := newAgent(serve(t, s))
	now := time.Now()
	a.state.Token = token("due", now.Add(-time.Second), now.Add(time.Hour))
	came, asked := make(chan struct{}, 1), make(chan struct{})
	a.token = func(local.TokenRequest) (*local.Token, error) {
		came <- struct{}{}
		<-asked // the request does not wait for this
		return token("new", time.Time{}, time.Time{}), nil
	}
	h := start(t, a)
	for i := range 3 {
		h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, i))
		h.wantHas(`"result"`)
	}
	<-came
	close(asked)
	h.end()
	if got := a.asked(); len(got) != 1 || got[0].Refused != "" {
		t.Errorf("agent was asked %+v, want once", got)
	}
}

func TestAnAgentThatDiesIsNotMissedUntilItIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Bool
		s := &server{}
		a := newAgent("http://127.0.0.1/mcp")
		a.token = func(local.TokenRequest) (*local.Token, error) { return token("two", time.Time{}, time.Time{}), nil }
		h := start(t, a, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refused.Load() && r.Header.Get("Authorization") != "Bearer "+marker+"-two" {
				w.WriteHeader(401)
				return
			}
			s.ServeHTTP(w, r)
		})))
		h.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
		h.wantHas(`"id":1`, `"result"`)
		a.die(errors.New("dial: connection refused"))
		synctest.Wait()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"x"}`)
		h.wantHas(`"id":2`, `"result"`)

		refused.Store(true)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"x"}`)
		h.wantHas(`"id":3`, `"error"`)
		a.mu.Lock()
		a.refuse = nil // the next Connect starts it
		before := a.connects
		a.mu.Unlock()
		h.send(`{"jsonrpc":"2.0","id":4,"method":"x"}`)
		h.wantHas(`"id":4`, `"result"`)
		a.mu.Lock()
		if a.connects <= before {
			t.Error("a token was needed, but the agent was not connected to")
		}
		a.mu.Unlock()
	})
}

// The old refusal was repeated until the bridge looked by itself, seconds later.
func TestACallTriesAgainForAnAgentThatCouldNotBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent("http://127.0.0.1/mcp")
		refuse := func(err error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.refuse = err
		}
		refuse(hint.New(hint.Failed, "The folder cannot be written.", "Make it writable."))
		h := start(t, a, inMemory(&server{}))
		h.send(initialize)
		h.wantHas(`"id":1`, `"error"`, "The folder cannot be written.")
		refuse(hint.New(hint.Failed, "The disk is full.", "Free some space."))
		h.send(`{"jsonrpc":"2.0","id":2,"method":"x"}`)
		h.wantHas(`"id":2`, `"error"`, "The disk is full.")
		refuse(nil)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"x"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	})
}

func TestAnAgentThatWasStoppedIsNotStartedAndNothingGoesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		a := newAgent("http://127.0.0.1/mcp")
		h := start(t, a, inMemory(s))
		h.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
		h.wantHas(`"id":1`, `"result"`)
		a.die(hint.New(hint.Stopped, "Keyporter is stopped.", "Run keyporter start."))
		<-time.After(time.Second)
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
		h.wantHas(`"id":2`, `"isError":true`, "Keyporter is stopped. Run keyporter start.")
		a.die(nil)
		<-time.After(time.Minute) // the bridge looks again by itself
		h.send(`{"jsonrpc":"2.0","id":3,"method":"x"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
		h.end()
		if len(s.seen) != 2 {
			t.Errorf("the server saw %q", s.seen)
		}
	})
}

func TestRedirectsWithinTheAddressAreFollowedWithTheBody(t *testing.T) {
	for _, test := range []struct {
		to   string
		want string
	}{
		{"/mcp/", `"result":{}`},
		{"/other", "must not go"},
		{"https://elsewhere.example/mcp", "must not go"},
		{"", "must not go"},
	} {
		s := &server{}
		reached := atomic.Int32{}
		url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/mcp" {
				w.Header()["Location"] = []string{test.to}
				w.WriteHeader(307)
				return
			}
			reached.Add(1)
			if r.Header.Get("Authorization") == "" {
				t.Error("token is missing behind the redirect")
			}
			s.ServeHTTP(w, r)
		}))
		h := start(t, newAgent(url))
		h.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
		h.wantHas(`"id":1`, test.want)
		h.end()
		if test.to != "/mcp/" && reached.Load() != 0 {
			t.Errorf("redirect to %q was followed", test.to)
		}
	}
}

func TestARenewalThatFailsDoesNotStopATokenThatLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		a := newAgent("http://127.0.0.1/mcp")
		a.state.Token = token("due", time.Now().Add(-time.Second), time.Now().Add(time.Minute))
		var works atomic.Bool
		a.token = func(local.TokenRequest) (*local.Token, error) {
			if !works.Load() {
				return nil, hint.New(hint.Unreachable, "The issuer is away.", "Try again later.")
			}
			return token("new", time.Time{}, time.Time{}), nil
		}
		h := start(t, a, inMemory(s))
		for range 10 {
			h.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
			h.want(`{"jsonrpc":"2.0","id":1,"result":{}}`)
			synctest.Wait()
		}
		if got := len(a.asked()); got != 1 {
			t.Errorf("the agent was asked %d times at once, want 1", got)
		}
		<-time.After(2 * time.Minute) // now it has expired
		h.send(`{"jsonrpc":"2.0","id":2,"method":"x"}`)
		h.wantHas(`"id":2`, "The issuer is away.", `"keyporter":"unreachable"`)
		works.Store(true)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"x"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	})
}

func TestSecretHeadersGoToTheServerAndNowhereElse(t *testing.T) {
	a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != marker+"-key" || r.Header.Get("X-Team") != "blue" || r.Header.Get("Authorization") != "" {
			t.Errorf("header %v", r.Header)
		}
		http.Error(w, "bad key "+r.Header.Get("X-Api-Key"), 500)
	})))
	a.state.Token = nil
	a.state.Headers = map[string]string{"X-Team": "blue"}
	a.state.SecretHeaders = map[string]secret.Plain{"x-api-key": {Value: secret.New(marker + "-key")}}
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
	h.wantHas(`"excerpt":"bad key [removed]"`)
}

func TestATokenMayTravelInAnotherHeader(t *testing.T) {
	seen := make(chan http.Header, 1)
	a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen <- r.Header; w.WriteHeader(500) })))
	a.state.Token.Header, a.state.Token.Scheme = "X-Token", ""
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`)
	h.wantHas(`"id":1`)
	if got := <-seen; got.Get("X-Token") != marker+"-one" || got.Get("Authorization") != "" {
		t.Errorf("header %v", got)
	}
}

// The agent may say which token is next while it is being asked for one.
func TestALateAnswerDoesNotBringAnOlderTokenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var used atomic.Value
		s := &server{}
		a := newAgent("http://127.0.0.1/mcp")
		now := time.Now()
		a.state.Token = token("due", now.Add(-time.Second), now.Add(time.Hour))
		answer := make(chan struct{})
		a.token = func(local.TokenRequest) (*local.Token, error) {
			<-answer
			return token("second", now.Add(time.Hour), now.Add(2*time.Hour)), nil
		}
		h := start(t, a, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			used.Store(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "+marker+"-"))
			s.ServeHTTP(w, r)
		})))
		h.send(`{"jsonrpc":"2.0","id":1,"method":"x"}`) // the token is due, so the agent is asked
		h.wantHas(`"id":1`)
		a.ready("third")
		synctest.Wait()
		close(answer)
		synctest.Wait()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"x"}`)
		h.wantHas(`"id":2`)
		if used.Load() != "third" {
			t.Errorf("token %q was used after the agent had named the third", used.Load())
		}
	})
}

// A server that wants DPoP gets a proof of its own for each request, and a proof
// with its nonce when it asks for that; the token stays the same.
func TestATokenBoundToAKeyTravelsWithAProof(t *testing.T) {
	s := &server{}
	a := newAgent("")
	a.state.Token.Scheme = "DPoP"
	var mu sync.Mutex
	seen := map[string]bool{}
	nonces := 0
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		proof := r.Header.Get("DPoP")
		if r.Header.Get("Authorization") != "DPoP "+marker+"-one" || proof == "" || seen[proof] {
			t.Errorf("Authorization %q, DPoP %q (seen before: %t)", strings.ReplaceAll(r.Header.Get("Authorization"), marker, "…"), proof, seen[proof])
		}
		seen[proof] = true
		if want := "for " + r.Method + " " + a.state.URL + " nonce"; !strings.Contains(proof, want) {
			t.Errorf("proof %q is not %q", proof, want)
		}
		if !strings.Contains(proof, `nonce "n1"`) {
			nonces++
			w.Header().Set("DPoP-Nonce", "n1")
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.ServeHTTP(w, r)
	}))
	a.state.URL = url
	h := start(t, a)
	for i := range 3 {
		h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/list"}`, i))
		h.wantHas(fmt.Sprintf(`"id":%d`, i), `"result"`)
	}
	h.end()
	if asked := a.asked(); len(asked) != 0 {
		t.Errorf("the agent was asked for another token: %+v", asked)
	}
	if nonces != 1 {
		t.Errorf("%d requests went without the nonce, want the first", nonces)
	}
}

// The agent that takes the place of one that was killed may be killed, too.
func TestACallSurvivesAgentsThatDieOneAfterTheOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address)
		a.state.NeedsToken, a.state.Token = true, nil
		deaths := 0
		a.token = func(local.TokenRequest) (*local.Token, error) {
			if deaths++; deaths < maxAgents {
				return nil, hint.Wrap(local.ErrAgentGone, hint.Unreachable, "The Keyporter agent ended before it answered.", "Try again.")
			}
			return token("two", time.Time{}, time.Time{}), nil
		}
		h := start(t, a, inMemory(&server{}))
		h.send(modernCall(1, "x"))
		h.wantHas(`"id":1,"result"`)
	})
}
