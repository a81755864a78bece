package bridge

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

const address = "http://127.0.0.1/mcp"

// knownAnswers are those of a server that was used before.
func knownAnswers() map[string]json.RawMessage {
	return map[string]json.RawMessage{
		"initialize": json.RawMessage(initResult),
		"tools/list": json.RawMessage("{\"tools\":[\n{\"name\":\"add\",\"inputSchema\":{\"type\":\"object\"}}]}"),
	}
}

// bubble runs f with faked time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestAServerSeenBeforeIsAnsweredForFromWhatIsKnown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.known = knownAnswers()
		h := start(t, a, inMemory(&server{}))
		began := time.Now()
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`, `{"jsonrpc":"2.0","id":3,"method":"ping"}`)
		got := h.next() + "\n" + h.next()
		for _, want := range []string{`{"jsonrpc":"2.0","id":2,"result":{"tools":[ {"name":"add","inputSchema":{"type":"object"}}]}}`, `{"jsonrpc":"2.0","id":3,"result":{}}`} {
			if !strings.Contains(got, want) {
				t.Errorf("got %s\nwithout %s", got, want)
			}
		}
		h.send(`{"jsonrpc":"2.0","id":4,"method":"prompts/list"}`)
		h.want(`{"jsonrpc":"2.0","id":4,"result":{"prompts":[]}}`)
		if d := time.Since(began); d != 0 {
			t.Errorf("answers took %v", d)
		}
		if a.awaits != 0 {
			t.Errorf("%d notices for an unattended start, want none", a.awaits)
		}
	})
}

func TestVersionIsAgreedOnWithKnownAnswers(t *testing.T) {
	for asked, want := range map[string]string{"2025-11-25": "2025-11-25", "2025-06-18": "2025-06-18", "2024-11-05": "2024-11-05", "1999-01-01": "2025-11-25", "2030-01-01": "2025-11-25"} {
		if got := string(agree([]byte(initResult), asked)); !strings.Contains(got, `"protocolVersion":"`+want+`"`) {
			t.Errorf("client asks for %s: %s, want %s", asked, got, want)
		}
	}
	if got := string(agree([]byte(`{"protocolVersion":"2025-03-26"}`), "2025-11-25")); got != `{"protocolVersion":"2025-03-26"}` {
		t.Errorf("server is older than the client: %s", got)
	}
}

func TestACallWaitsForThePersonAndGoesThrough(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{session: "s1"}
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			answer(w, body, `{"content":[{"type":"text","text":"5"}]}`)
		}
		a := newAgent(address).missing()
		a.known = knownAnswers()
		a.await = func(ctx context.Context) error {
			<-time.After(12 * time.Second)
			a.ready("one")
			return nil
		}
		h := start(t, a, inMemory(s))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add","_meta":{"progressToken":"p1"}}}`)
		h.wantHas(`"method":"notifications/progress"`, `"progressToken":"p1"`, `"progress":1`)
		h.wantHas(`"progressToken":"p1"`, `"progress":2`)
		rest := h.next() + "\n" + h.next()
		if !strings.Contains(rest, `"text":"5"`) || !strings.Contains(rest, "notifications/tools/list_changed") {
			t.Errorf("after the sign-in: %s", rest)
		}
		h.end()
		if s.inits != 1 || len(s.seen) < 3 || s.seen[0] != initialize || s.seen[1] != initialized {
			t.Errorf("the server saw %q", s.seen)
		}
	})
}

func TestACallThatNobodyMakesPossibleIsAToolErrorWithWords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.known = knownAnswers()
		h := start(t, a, inMemory(&server{}))
		h.open()
		began := time.Now()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add"}}`)
		h.want(`{"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"Nobody signed in to acme in time. Sign in with Keyporter and try again."}],"isError":true}}`)
		if d := time.Since(began); d != holdLimit {
			t.Errorf("answered after %v", d)
		}
		h.send(`{"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{"name":"p"}}`)
		h.wantHas(`"id":3`, `"code":-32603`, `"keyporter":"sign_in_needed"`, "Nobody signed in to acme in time.")
		h.end()
		if len(a.records) != 3 || a.records[1].Outcome != "sign_in_needed" {
			t.Errorf("audit: %+v", a.records)
		}
	})
}

func TestAWaitingCallCanBeTakenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.known = knownAnswers()
		ended := make(chan struct{})
		a.await = func(ctx context.Context) error { <-ctx.Done(); close(ended); return ctx.Err() }
		h := start(t, a, inMemory(&server{}))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add"}}`)
		synctest.Wait()
		h.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
		<-ended
		h.send(`{"jsonrpc":"2.0","id":3,"method":"ping"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	})
}

func TestTheEndOfInputDoesNotWaitForAPerson(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.known = knownAnswers()
		h := start(t, a, inMemory(&server{}))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"add"}}`)
		synctest.Wait()
		began := time.Now()
		if err := h.end(); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("the end took %v", d)
		}
	})
}

func TestAServerNeverSeenOffersToSignIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{session: "s1"}
		a := newAgent(address).missing()
		signedIn := make(chan struct{})
		a.signIn = func(context.Context) (*local.RequestedSignIn, error) {
			<-signedIn
			a.ready("one")
			return &local.RequestedSignIn{Ready: true, Message: "Signed in to acme as ada@example.com."}, nil
		}
		h := start(t, a, inMemory(s))
		h.send(strings.Replace(initialize, "2025-11-25", "2025-06-18", 1))
		h.wantHas(`"id":1`, `"protocolVersion":"2025-06-18"`, `"tools":{"listChanged":true}`, `"serverInfo":{"name":"acme"`, "Nobody is signed in to acme.")
		h.send(initialized, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		h.wantHas(`"id":2`, `"name":"sign_in"`, `"inputSchema":{"type":"object"`, `"annotations"`)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"resources/templates/list"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{"resourceTemplates":[]}}`)
		h.send(`{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"sign_in"}}`)
		synctest.Wait()
		close(signedIn)
		rest := h.next() + "\n" + h.next()
		if !strings.Contains(rest, `"text":"Signed in to acme as ada@example.com."`) || !strings.Contains(rest, `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`) {
			t.Errorf("after the sign-in: %s", rest)
		}
		h.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"sign_in"}}`)
		h.wantHas(`"id":5`, "Signed in.")
		h.send(`{"jsonrpc":"2.0","id":6,"method":"tools/list"}`)
		h.want(`{"jsonrpc":"2.0","id":6,"result":{}}`)
		h.end()
		if s.inits != 1 || !strings.Contains(s.seen[0], "2025-06-18") || s.seen[1] != initialized {
			t.Errorf("the server saw %q", s.seen)
		}
	})
}

func TestARefusedUnknownServerIsAnsweredForAsIfNotSignedIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{}
		var in atomic.Bool
		a := newAgent(address)
		a.state.Status, a.state.Token = local.Unknown, nil
		h := start(t, a, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="http://127.0.0.1/meta"`)
				w.WriteHeader(401)
				return
			}
			in.Store(true)
			s.ServeHTTP(w, r)
		})))
		h.send(initialize)
		h.wantHas(`"id":1`, `"serverInfo":{"name":"acme"`)
		h.send(initialized, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		h.wantHas(`"sign_in"`)
		if got := a.asked(); len(got) == 0 || got[0].Refused != "" || !strings.Contains(got[0].Challenge[0], "resource_metadata") {
			t.Errorf("agent was asked %+v", got)
		}
		a.ready("one")
		h.want(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		if !in.Load() {
			t.Error("the server has not been reached")
		}
	})
}

func TestModeNeverAnswersInitializeWithAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.state.SignIn = account.SignInNever
		h := start(t, a, inMemory(&server{}))
		h.send(initialize)
		h.wantHas(`"id":1`, `"error"`, "Nobody is signed in to acme. Sign in with Keyporter.")
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
		h.wantHas(`"id":2`, `"isError":true`)
		if a.awaits != 0 {
			t.Errorf("the agent was asked to wait %d times", a.awaits)
		}
	})
}

func TestModeBrowserAsksForTheSignInAndHoldsListsForAMoment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{session: "s1"}
		a := newAgent(address).missing()
		a.state.SignIn = account.SignInBrowser
		a.await = func(context.Context) error { <-time.After(20 * time.Second); a.ready("one"); return nil }
		h := start(t, a, inMemory(s))
		began := time.Now()
		h.send(initialize)
		h.wantHas(`"id":1`, `"serverInfo":{"name":"acme"`)
		if d := time.Since(began); d != 0 {
			t.Errorf("initialize was held for %v", d)
		}
		for range 3 {
			h.send(initialized, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
			h.wantHas(`"id":2`, `"name":"sign_in"`)
			if d := time.Since(began); d != browserMoment {
				t.Errorf("tools/list was answered after %v, want %v in all", d, browserMoment)
			}
		}
		h.want(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		if d := time.Since(began); d != 20*time.Second || a.awaits != 1 {
			t.Errorf("live after %v, the agent was asked %d times; want 20 s and once", d, a.awaits)
		}
		h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	})
}

// A browser in which the person is signed in to the provider answers by itself.
func TestModeBrowserThatAnswersAtOnceGivesTheServersOwnLists(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, params := range []string{"{}", "{" + modernMeta + "}"} {
			a := newAgent(address).missing()
			a.state.SignIn = account.SignInBrowser
			a.await = func(context.Context) error { <-time.After(time.Second); a.ready("one"); return nil }
			h := start(t, a, inMemory(&server{session: "s1"}))
			if params == "{}" {
				h.send(initialize, initialized)
				h.wantHas(`"id":1`, `"serverInfo":{"name":"acme"`)
			}
			h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list","params":` + params + `}`)
			got := h.next()
			if strings.Contains(got, "list_changed") {
				got = h.next()
			}
			if !strings.HasPrefix(got, `{"jsonrpc":"2.0","id":2,"result":{`) || strings.Contains(got, "sign_in") {
				t.Errorf("tools/list with params %s: %s, want the server's answer", params, got)
			}
		}
	})
}

func TestModeBrowserThatIsRefusedHoldsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.state.SignIn = account.SignInBrowser
		a.await = func(context.Context) error {
			return hint.New(hint.Failed, "The provider refused the sign-in.", "Ask its administrator.")
		}
		h := start(t, a, inMemory(&server{}))
		began := time.Now()
		h.send(initialize)
		h.wantHas(`"id":1`)
		h.send(initialized, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		h.wantHas(`"id":2`, `"name":"sign_in"`)
		if d := time.Since(began); d != 0 {
			t.Errorf("tools/list was held for %v", d)
		}
	})
}

// Hosts start their servers unattended: for a server that is known only a call
// opens a browser.
func TestModeBrowserOpensNoneForAServerSeenBeforeUntilACall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.state.SignIn, a.known = account.SignInBrowser, knownAnswers()
		a.await = func(context.Context) error { <-time.After(20 * time.Second); a.ready("one"); return nil }
		h := start(t, a, inMemory(&server{}))
		began := time.Now()
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		h.wantHas(`"id":2`, `"name":"add"`)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"server/discover","params":{` + modernMeta + `}}`)
		h.wantHas(`"id":3`)
		synctest.Wait()
		if d := time.Since(began); d != 0 || a.awaits != 0 {
			t.Errorf("answered after %v, the agent was asked %d times; want at once and not", d, a.awaits)
		}
		h.send(`{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"add"}}`)
		rest := h.next() + h.next()
		if !strings.Contains(rest, `"id":4,"result":{}`) || a.awaits != 1 {
			t.Errorf("the call: %s; the agent was asked %d times, want once", rest, a.awaits)
		}
	})
}

func TestModernProbesAreAnsweredAtOnce(t *testing.T) {
	for _, mode := range []account.SignIn{account.SignInNotify, account.SignInBrowser} {
		bubble(t, func(t *testing.T) {
			a := newAgent(address).missing()
			a.state.SignIn = mode
			h := start(t, a, inMemory(&server{}))
			began := time.Now()
			h.send(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + modernMeta + `}}`)
			h.wantHas(`"id":1`, `"resultType":"complete"`, `"supportedVersions":["2026-07-28","2025-11-25"`, `"capabilities":{"tools":{"listChanged":true}}`,
				`"io.modelcontextprotocol/serverInfo":{"name":"acme"`, `"cacheScope":"private"`)
			if d := time.Since(began); d != 0 {
				t.Errorf("probe answered after %v", d)
			}
			synctest.Wait()
			if want := map[account.SignIn]int{account.SignInBrowser: 1}[mode]; a.awaits != want {
				t.Errorf("agent was asked to wait %d times, want %d", a.awaits, want)
			}
			h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{` + modernMeta + `}}`)
			h.wantHas(`"resultType":"complete"`, `"name":"sign_in"`)
			if d, want := time.Since(began), map[account.SignIn]time.Duration{account.SignInBrowser: browserMoment}[mode]; d != want {
				t.Errorf("tools listed after %v, want %v", d, want)
			}
		})
	}
}

// An agent that takes its time, with a token from afar say, does not hold up the
// probe.
func TestAProbeWaitsOnlyAMomentForTheAgent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address)
		slow := func(o *Options) {
			o.Connect = func(ctx context.Context) (Agent, error) {
				select {
				case <-time.After(20 * time.Second):
					return a, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		}
		h := start(t, a, inMemory(&server{}), slow)
		began := time.Now()
		h.send(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + modernMeta + `}}`)
		h.wantHas(`"id":1`, `"code":-32601`)
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("probe answered after %v", d)
		}
		h.open()
	})
}

func TestAProbeOfAServerKnownAsLegacyLetsTheClientFallBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.known = knownAnswers()
		h := start(t, a, inMemory(&server{}))
		h.send(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + modernMeta + `}}`)
		h.wantHas(`"id":1`, `"code":-32601`)
		h.open()
	})
}

func TestALegacyClientOfAServerKnownAsModernGetsAnInitializeResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.known = map[string]json.RawMessage{"server/discover": json.RawMessage(`{"supportedVersions":["2026-07-28","2025-11-25","2025-06-18"],` +
			`"capabilities":{"tools":{}},"instructions":"Be kind.","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"real","version":"2"}}}`)}
		h := start(t, a, inMemory(&server{}))
		h.send(initialize)
		h.want(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"real","version":"2"},"instructions":"Be kind."}}`)
	})
}

func TestASubscriptionStaysOpenThroughTheSignIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			events(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{}}\n\n"+
				"data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{}}\n\n")
			<-r.Context().Done()
		})
		a := newAgent(address).missing()
		a.state.Era = account.EraModern
		h := start(t, a, inMemory(s))
		h.send(`{"jsonrpc":"2.0","id":"sub","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},` + modernMeta + `}}`)
		h.want(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"},"notifications":{"toolsListChanged":true}}}`)
		a.ready("one")
		h.want(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"sub"}}}`)
		h.want(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{}}`)
	})
}

func TestASignInThatBecomesNeededInASessionOffersTheTool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{session: "s1"}
		a := newAgent(address)
		a.state.Status, a.state.Token = local.Unknown, nil
		h := start(t, a, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), "tools/list") && r.Header.Get("Authorization") == "" {
				w.WriteHeader(401)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			s.ServeHTTP(w, r)
		})))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		h.wantHas(`"id":2`, `"sign_in"`)
		a.ready("one")
		h.want(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
		h.end()
		if s.inits != 1 {
			t.Errorf("%d initializes, want the session to live on", s.inits)
		}
	})
}

// Newer clients may list without asking who the server is.
func TestModeBrowserAsksForTheSignInWhenANewerClientLists(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.state.SignIn = account.SignInBrowser
		h := start(t, a, inMemory(&server{}))
		began := time.Now()
		for range 3 {
			h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{` + modernMeta + `}}`)
			h.wantHas(`"id":2`, `"name":"sign_in"`)
		}
		synctest.Wait()
		if d := time.Since(began); d != browserMoment || a.awaits != 1 {
			t.Errorf("listed three times after %v, the agent was asked %d times; want %v and once", d, a.awaits, browserMoment)
		}
	})
}

// What is kept came in one era, and may be served in the other.
func TestKeptListsAreServedInTheEraOfTheClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address).missing()
		a.known = knownAnswers()
		a.known["tools/list"] = json.RawMessage(`{"resultType":"complete","tools":[],"ttlMs":3600000,"cacheScope":"public"}`)
		a.known["prompts/list"] = json.RawMessage(`{"prompts":[]}`)
		h := start(t, a, inMemory(&server{}))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		h.want(`{"jsonrpc":"2.0","id":2,"result":{"tools":[]}}`)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{` + modernMeta + `}}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{"resultType":"complete","tools":[],"ttlMs":0,"cacheScope":"private"}}`)
		h.send(`{"jsonrpc":"2.0","id":4,"method":"prompts/list","params":{` + modernMeta + `}}`)
		h.want(`{"jsonrpc":"2.0","id":4,"result":{"prompts":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}}`)
	})
}

func TestLockedPausedAndStoppedSpeakTheirOwnWords(t *testing.T) {
	for status, words := range map[local.Status]string{local.Locked: "vault is locked", local.Paused: "Keyporter is paused", local.ApprovalNeeded: "waits for your approval"} {
		bubble(t, func(t *testing.T) {
			a := newAgent(address).missing()
			a.state.Status, a.state.Problem = status, nil
			h := start(t, a, inMemory(&server{}))
			h.send(initialize)
			h.wantHas(`"id":1`, `"result"`, words)
		})
	}
	bubble(t, func(t *testing.T) {
		a := newAgent(address)
		a.refuse = hint.New(hint.Stopped, "Keyporter is stopped.", "Run keyporter start.")
		h := start(t, a, inMemory(&server{}))
		h.send(initialize)
		h.wantHas(`"id":1`, `"result"`, "Keyporter is stopped. Run keyporter start.")
		h.send(initialized, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
		h.wantHas(`"id":2`, `"isError":true`, "Keyporter is stopped. Run keyporter start.")
	})
}

func TestAServerThatIsNotInTheListIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address)
		a.refuse = hint.New(hint.NotFound, "There is no server named acme.", "See keyporter list.")
		h := start(t, a, inMemory(&server{}))
		for _, method := range []string{"initialize", "tools/list", "resources/list", "tools/call", "server/discover"} {
			h.send(`{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"name":"sign_in"}}`)
			h.wantHas(`"id":1`, `"error"`, `"keyporter":"not_found"`, "There is no server named acme. See keyporter list.")
		}
		if err := h.end(); hint.CodeOf(err) != hint.NotFound {
			t.Errorf("the bridge ended with %v", err)
		}
	})
}

func TestAServerThatIsNotInTheListIsAnErrorWithoutARequestToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newAgent(address)
		a.refuse = hint.New(hint.NotFound, "There is no server named acme.", "See keyporter list.")
		if err := start(t, a, inMemory(&server{})).end(); hint.CodeOf(err) != hint.NotFound {
			t.Errorf("the bridge ended with %v", err)
		}
		a.refuse = nil
		if err := start(t, a, inMemory(&server{})).end(); err != nil {
			t.Errorf("with a server that is there it ended with %v", err)
		}
	})
}

func TestPausingTakesEffectAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var reached atomic.Int32
		s := &server{session: "s1"}
		a := newAgent(address)
		h := start(t, a, inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached.Add(1); s.ServeHTTP(w, r) })))
		h.open()
		synctest.Wait()
		a.set(func(s *local.BridgeState) { s.Status, s.Token = local.Paused, nil })
		a.await = func(context.Context) error { return hint.New(hint.Paused, "Keyporter is paused.", "") }
		synctest.Wait()
		before := reached.Load()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
		h.wantHas(`"isError":true`, "Keyporter is paused.")
		if reached.Load() != before {
			t.Error("a request went out while paused")
		}
		a.ready("two")
		synctest.Wait()
		h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x"}}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
		h.end()
		if s.inits != 1 {
			t.Errorf("%d initializes, want the session to live on", s.inits)
		}
	})
}
