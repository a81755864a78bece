//go:build unix

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
	"keyporter/internal/peers"
)

// TestCertifiedProviderSignsInAndRenews has oidc-provider as the authorization
// server, with tokens that live two seconds and refresh tokens that rotate.
func TestCertifiedProviderSignsInAndRenews(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.unseen = true
	door := newDoorway(t, h)
	p := peers.NewOIDCProvider(t, peers.OIDCOptions{Resources: []string{door.url + fakemcp.Path}, TTL: 2 * time.Second})
	s, err := fakemcp.New(fakemcp.Options{Issuer: p.Issuer, JWKS: p.Issuer + "/jwks", Leeway: -1})
	check(t, err)
	t.Cleanup(s.Close)
	s.SetURL(door.url)
	door.serve(s)

	h.do("add", "acme", s.URL())
	h.do("login", "acme")
	if got := h.do("call", "acme", "add", `{"a": 1, "b": 2}`); got != "3\n" {
		t.Errorf("keyporter call: %q", got)
	}
	if who := h.do("call", "acme", "whoami"); !containsAll(who, "alice", p.Issuer, s.Resource()) {
		t.Errorf("the server knows the caller as %q", who)
	}
	c := h.launch("acme")
	c.initialize()
	calls := 0
	until(t, "four renewals under a bridge", func() bool {
		calls++
		c.wantText(c.add(calls, 1), fmt.Sprint(calls+1))
		return p.Count(t, "grant.success", "refresh_token") >= 4
	})
	c.close()

	for event, want := range map[string]int{"registration_create.success": 1, "authorization.error": 0, "grant.error": 0, "grant.revoked": 0} {
		if got := p.Count(t, event, ""); got != want {
			t.Errorf("%d events %s at the provider, want %d", got, event, want)
		}
	}
	if n := p.Count(t, "grant.success", "authorization_code"); n != 1 {
		t.Errorf("%d codes were redeemed, want 1", n)
	}
	for _, e := range p.Events(t) {
		if e.Event == "grant.success" && (len(e.Resource) != 1 || e.Resource[0] != s.Resource()) {
			t.Errorf("%s without its resource: %v", e.GrantType, e.Resource)
		}
	}
	if len(s.Counters().Bearers) < 4 {
		t.Errorf("the server saw %d tokens after four renewals", len(s.Counters().Bearers))
	}
	h.wantBrowsers(1)
}

func TestFiftyBridgesShareOneRotatingGrant(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=info")
	var now, most atomic.Int32 // token requests under way
	w := newWorldWithin(h, fakeas.Options{
		AccessLife: 2 * time.Second,
		Wrap: func(endpoint string, next http.Handler) http.Handler {
			if endpoint != fakeas.Token {
				return next
			}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for n := now.Add(1); ; {
					m := most.Load()
					if n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				defer now.Add(-1)
				next.ServeHTTP(w, r)
			})
		},
	}, time.Minute).signedIn(h)
	w.mcp.SetLatency(200 * time.Millisecond) // fifty callers, not fifty busy loops
	const renewals = 6
	run := h.hammer(50, func() bool { return w.as.Counters().Refreshed >= renewals })
	if t.Failed() {
		for _, r := range w.mcp.Requests() { // agent.log has the same hashes
			if r.Status == http.StatusUnauthorized {
				t.Logf("401 for a request of %s with the token %s", r.Time.UTC().Format("15:04:05.000"), r.Bearer)
			}
		}
	}
	got := w.as.Counters()
	t.Logf("%s; %d renewals", run, got.Refreshed)
	if got.Signins != 1 || got.CodesUsed != 1 || got.InvalidGrant != 0 || got.Reused != 0 {
		t.Errorf("the authorization server counted %+v", got)
	}
	if most.Load() != 1 {
		t.Errorf("%d token requests at once, want 1", most.Load())
	}
	h.wantBrowsers(1)
}

// As a laptop that wakes before its network, or a provider that is restarted.
func TestBridgeGoesOnAfterAnOutageOverItsTokensEnd(t *testing.T) {
	t.Parallel()
	for _, signIn := range []string{"notify", "never"} {
		t.Run(signIn, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			w := newWorldWithin(h, fakeas.Options{AccessLife: 2 * time.Second}, time.Minute).signedIn(h)
			h.do("set", "acme", "sign-in="+signIn)
			c := settled(h, w)
			w.as.Fail(fakeas.Token, 1_000_000, http.StatusServiceUnavailable)
			until(t, "a call without a token", func() bool {
				return !sums(c.take("an answer", c.add(2, 3)))
			})
			w.as.Fail(fakeas.Token, 0, 0)
			until(t, "a call with a new token", func() bool {
				return sums(c.take("an answer", c.add(2, 3)))
			})
			if st := h.state().Servers[0]; st.State != local.Ready {
				t.Errorf("acme is %s: %v", st.State, st.Problem)
			}
			h.wantBrowsers(1)
		})
	}
}

// sums reports whether an answer is the sum of 2 and 3.
func sums(m message) bool { return m.Error == nil && strings.Contains(m.String(), `"sum":5`) }
