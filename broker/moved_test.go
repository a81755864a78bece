package broker

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

// movable is an MCP server that refuses everything and names an authorization
// server that can be changed.
func movable(t *testing.T, issuer string) (url string, now *atomic.Pointer[string]) {
	t.Helper()
	now = &atomic.Pointer[string]{}
	now.Store(&issuer)
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+s.URL+`/.well-known/oauth-protected-resource/mcp"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.HandleFunc("/.well-known/oauth-protected-resource/mcp", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"resource": s.URL + "/mcp", "authorization_servers": []string{*now.Load()}})
	})
	return s.URL + "/mcp", now
}

func TestAServerThatMovesToAnotherAuthorizationServerIsSignedInToAnew(t *testing.T) {
	w := newWorld(t)
	old, next := fakeas.Start(t, fakeas.Options{}), fakeas.Start(t, fakeas.Options{})
	url, issuer := movable(t, old.Issuer())
	w.add("notes", url, nil)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	tok, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	moved := next.Issuer()
	issuer.Store(&moved)
	challenge := []string{`Bearer error="invalid_token", resource_metadata="` + strings.TrimSuffix(url, "/mcp") + `/.well-known/oauth-protected-resource/mcp"`}
	_, err = w.Token(t.Context(), local.TokenRequest{Name: "notes", Refused: tok.Hash, Challenge: challenge})
	wantCode(t, err, hint.SignInNeeded)
	if what := hint.Of(err).What; !strings.Contains(what, hostOf(moved)) {
		t.Errorf("words = %q, want who signs people in now", what)
	}
	if n := old.Counters().Refreshed; n != 0 {
		t.Errorf("%d refresh tokens were redeemed for a server that does not take their tokens", n)
	}
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	if n := next.Counters(); n.Signins != 1 || n.Requests[fakeas.Register] != 1 {
		t.Errorf("at the new one: %+v, want a registration and a sign-in of its own", n)
	}
	if again, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"}); err != nil || again.Hash == tok.Hash {
		t.Errorf("token = %v, %v", again, err)
	}
}

func TestASignInWithADeviceCode(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{Devices: true})
	w.add("notes", mcp.URL(), nil)
	err := w.SignIn(t.Context(), local.SignInRequest{Name: "notes", Device: true}, func(ev *local.SignInEvent) error {
		if ev.Open != "" && !as.ApproveDevice(ev.UserCode, "alice") {
			t.Errorf("the code %q is not one of the provider's", ev.UserCode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if st := w.status("notes"); st.State != local.Ready || st.Identity != "alice" {
		t.Errorf("state = %+v", st)
	}
}
