package broker

import (
	"net/http"
	"sync/atomic"
	"testing"

	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

func TestARegistrationThatIsRefusedIsMadeAnewAtTheNextSignIn(t *testing.T) {
	var forget atomic.Bool
	var as *fakeas.Server
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{Wrap: func(endpoint string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if endpoint == fakeas.Token && forget.Swap(false) {
				as.RemoveClient(r.PostFormValue("client_id"))
			}
			next.ServeHTTP(rw, r)
		})
	}})
	w.add("notes", mcp.URL(), nil)
	forget.Store(true)
	wantCode(t, w.signIn("notes", "alice"), hint.Refused)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	if n := as.Counters().Requests[fakeas.Register]; n != 2 {
		t.Errorf("%d registrations, want 2", n)
	}
}
