package bridge

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// scoped answers tool calls with 403 unless they come with the token of that name.
func scoped(t *testing.T, name string) string {
	s := &server{}
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+marker+"-"+name {
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="mcp:write"`)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		s.ServeHTTP(w, r)
	}))
}

func TestACallThatNeedsMorePermissionsIsRepeatedWithThem(t *testing.T) {
	a := newAgent(scoped(t, "two"))
	var got local.StepUpRequest
	a.stepUp = func(r local.StepUpRequest) (*local.Token, error) {
		got = r
		return token("two", time.Time{}, time.Time{}), nil
	}
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`)
	h.wantHas(`"id":1`, `"result":{}`)
	h.end()
	if got.Server != "acme" || got.Refused != "hash-one" || len(got.Challenge) != 1 || !strings.Contains(got.Challenge[0], "mcp:write") || got.Wait != holdLimit {
		t.Errorf("agent was asked %+v", got)
	}
}

func TestAPermissionThatNobodyGivesIsSaidAsAToolsResult(t *testing.T) {
	a := newAgent(scoped(t, "never"))
	asked := 0
	a.stepUp = func(local.StepUpRequest) (*local.Token, error) {
		if asked++; asked == 1 {
			return token("two", time.Time{}, time.Time{}), nil
		}
		return nil, hint.New(hint.Refused, "The permission mcp:write is missing.", "Ask for it.")
	}
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`)
	h.wantHas(`"id":1`, `"isError":true`, "The permission mcp:write is missing. Ask for it.")
	h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
	h.wantHas(`"id":2`, `"error"`, "The permission mcp:write is missing.")
	h.end()
	if asked != 3 {
		t.Errorf("the agent was asked %d times, want twice for the first call and once for the second", asked)
	}
}

func TestAServerThatIsNeverContentIsAskedThreeTimesMore(t *testing.T) {
	a := newAgent(scoped(t, "never"))
	asked := 0
	a.stepUp = func(local.StepUpRequest) (*local.Token, error) {
		asked++
		return token("two", time.Time{}, time.Time{}), nil
	}
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	h.wantHas(`"id":1`, "a permission is missing (mcp:write)", `"status":403`)
	h.end()
	if asked != maxStepUps {
		t.Errorf("the agent was asked %d times, want %d", asked, maxStepUps)
	}
}

func TestAShortSecretLeavesTheAddressInAChallengeWhole(t *testing.T) {
	const metadata = "https://mcp.acme.com/.well-known/oauth-protected-resource"
	a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", error_description="not `+marker+`-one", resource_metadata="`+metadata+`"`)
		w.WriteHeader(http.StatusForbidden)
	})))
	a.state.SecretQuery = map[string]secret.Plain{"customer": {Value: secret.New("acme")}}
	var got []string
	a.stepUp = func(r local.StepUpRequest) (*local.Token, error) {
		got = r.Challenge
		return nil, hint.New(hint.Refused, "The permission is missing.", "Ask for it.")
	}
	h := start(t, a)
	h.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`)
	h.wantHas(`"id":1`, "The permission is missing.")
	h.end()
	if said := strings.Join(got, ""); !strings.Contains(said, metadata) || strings.Contains(said, marker) {
		t.Errorf("the agent is told %q", got)
	}
}
