package broker

import (
	"net/http"
	"testing"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

// overWorld is a world with the server acme, whose token is over and whose provider
// answers the next n token requests with 503.
func overWorld(t *testing.T, n int, signIn account.SignIn) *world {
	t.Helper()
	clock := &jumping{}
	as, mcp := oauthServer(t, fakeas.Options{AccessLife: time.Hour})
	w := newWorldWith(t, clock.into)
	w.add("acme", mcp.URL(), func(p *local.PutServer) { p.Server.SignIn = signIn })
	if err := w.signIn("acme", "alice"); err != nil {
		t.Fatal(err)
	}
	clock.set(2 * time.Hour)
	as.Fail(fakeas.Token, n, http.StatusServiceUnavailable)
	_, err := w.Token(t.Context(), local.TokenRequest{Name: "acme"})
	wantCode(t, err, hint.Unreachable)
	if st := w.status("acme"); st.State != local.Failed {
		t.Fatalf("acme is %s", st.State)
	}
	return w
}

// A bridge asks for no token while the server counts as failed: it waits, and the
// agent has to find out that the provider is well again.
func TestACallThatWaitsGoesThroughOnceTheProviderIsWellAgain(t *testing.T) {
	for _, signIn := range []account.SignIn{account.SignInNotify, account.SignInNever} {
		t.Run(string(signIn), func(t *testing.T) {
			t.Parallel()
			w := overWorld(t, 3, signIn)
			if err := w.AwaitReady(t.Context(), local.AwaitRequest{Server: "acme", Wait: 30 * time.Second}); err != nil {
				t.Fatal(err)
			}
			if st := w.status("acme"); st.State != local.Ready || st.Problem != nil {
				t.Errorf("acme is %s: %v", st.State, st.Problem)
			}
		})
	}
}

func TestACallInALongOutageSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := overWorld(t, 1000, account.SignInNotify)
	err := w.AwaitReady(t.Context(), local.AwaitRequest{Server: "acme", Wait: 3 * time.Second})
	wantCode(t, err, hint.Unreachable)
}
