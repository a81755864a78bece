package broker

import (
	"net/url"
	"strings"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
)

// A program without a browser of its own lets the agent open it.
func TestSomebodyElseIsAskedForInAPrivateWindow(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.user = "bob"
	w.mu.Unlock()
	var said local.SignInEvent
	err := w.SignIn(t.Context(), local.SignInRequest{Name: "notes", AgentOpen: true, Switch: true}, func(ev *local.SignInEvent) error {
		if ev.Open != "" {
			said = *ev
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(said.Open)
	if err != nil || !strings.Contains(u.Query().Get("prompt"), "select_account") || !said.Private {
		t.Errorf("event %+v, %v", said, err)
	}
	w.mu.Lock()
	private, opened := w.private, len(w.opened)
	w.mu.Unlock()
	if !private || opened != 1 {
		t.Errorf("%d browsers, the last in a private window: %v", opened, private)
	}
	if who := w.status("notes").Identity; who != "bob" {
		t.Errorf("signed in as %q", who)
	}
}
