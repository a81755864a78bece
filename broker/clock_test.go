package broker

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
)

// A jumping clock is the computer's wall clock, set forward or back.
type jumping struct{ by atomic.Int64 }

func (j *jumping) now() time.Time       { return time.Now().Round(0).Add(time.Duration(j.by.Load())) }
func (j *jumping) set(by time.Duration) { j.by.Store(int64(by)) }
func (j *jumping) into(o *Options)      { o.Now = j.now }
func (w *world) tokenOf(name string) string {
	w.t.Helper()
	tok, err := w.Token(w.t.Context(), local.TokenRequest{Name: name})
	if err != nil {
		w.t.Fatalf("token: %v", err)
	}
	return tok.Value.Reveal()
}

// Whatever the clock is set to, while the agent runs or before it starts, nobody has
// to sign in again, and there is one renewal for each jump at most: no storm. An hour
// of sleep is a jump of an hour to the wall clock while the monotonic one stands.
func TestAClockThatIsSetCostsNoSignInAndNoStormOfRenewals(t *testing.T) {
	for name, by := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour back": -time.Hour, "a year ahead": 365 * 24 * time.Hour, "a year back": -365 * 24 * time.Hour} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s restart %t", name, restart), func(t *testing.T) {
				t.Parallel()
				clock := &jumping{}
				as, mcp := oauthServer(t, fakeas.Options{AccessLife: time.Hour / 2})
				w := newWorldWith(t, clock.into)
				w.add("acme", mcp.URL(), nil)
				if err := w.signIn("acme", "alice"); err != nil {
					t.Fatal(err)
				}
				jumps := 0
				for _, to := range []time.Duration{by, 0, by} {
					if restart {
						w.stop()
					}
					clock.set(to)
					jumps++
					if restart {
						w.start()
						w.until("the vault", func(st *local.State) bool { return st.Vault.Open })
					}
					first := w.tokenOf("acme")
					for range 50 {
						if again := w.tokenOf("acme"); again != first {
							t.Fatal("two calls after one jump got two tokens")
						}
					}
					if st := w.status("acme"); st.State != local.Ready || st.Problem != nil {
						t.Errorf("the clock off by %s: the server is %s, %v", to, st.State, st.Problem)
					}
					if got := as.Counters(); got.Refreshed > jumps || got.Signins != 1 || got.InvalidGrant != 0 || got.Reused != 0 {
						t.Errorf("after %d jumps the authorization server counted %+v", jumps, got)
					}
				}
				log, err := w.VerifyLog(t.Context())
				if err != nil || len(log.Broken) != 0 {
					t.Errorf("the log: %+v, %v", log, err)
				}
			})
		}
	}
}

// A person who made two fixes undoes the later one first, also if the clock was set
// back between them.
func TestTheLastFixIsUndoneFirstThoughTheClockWasSetBack(t *testing.T) {
	clock := &jumping{}
	c := newClinic(t, clock.into)
	file := filepath.Join(c.home, ".config/Claude/claude_desktop_config.json")
	raw := func(name string) string {
		return fmt.Sprintf(`{"mcpServers": {%q: {"command": "npx", "args": ["mcp-remote", "https://%s.example.com/mcp", "--header", "Authorization: Bearer %s-SECRETWORD-abc123"]}}}`, name, name, name)
	}
	writeText(t, file, raw("first"))
	first := c.scan(local.ScanFix)
	clock.set(-365 * 24 * time.Hour)
	writeText(t, file, raw("second"))
	second := c.scan(local.ScanFix)
	if !second.CanUndo.After(first.CanUndo) {
		t.Errorf("the second fix is of %s, the first of %s", second.CanUndo, first.CanUndo)
	}
	c.scan(local.ScanUndo)
	if text := c.tree()[file]; !strings.Contains(text, "second-SECRETWORD") || strings.Contains(text, "first") {
		t.Errorf("the undo brought back %s", text)
	}
}
