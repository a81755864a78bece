//go:build unix

package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

func TestTwentyBridgesShareOneRotatingGrant(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=info")
	var now, most atomic.Int32 // token requests under way
	w := newWorld(h, fakeas.Options{
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
	}).signedIn(h)
	w.mcp.SetLatency(50 * time.Millisecond) // twenty callers, not twenty busy loops

	const renewals = 8
	enough := func() bool { return w.as.Counters().Refreshed >= renewals }
	bridges := make([]*host, 20)
	for i := range bridges {
		bridges[i] = h.launch("acme")
	}
	var made atomic.Int64
	var lost sync.Map // what calls said that were not answered with the sum
	var wg sync.WaitGroup
	for i, c := range bridges {
		greeting := c.begin("initialize", initializeParams)
		wg.Go(func() {
			if m, ok := c.await(greeting); !ok || m.Error != nil {
				lost.Store("initialize: "+m.String(), true)
				return
			}
			c.notify("notifications/initialized")
			for n := i; !enough(); n++ {
				m, ok := c.await(c.add(n, 1))
				if made.Add(1); !ok || !containsAll(m.String(), fmt.Sprintf(`"sum":%d`, n+1)) {
					lost.Store(m.String(), true)
				}
				if !ok {
					return
				}
			}
		})
	}
	wg.Go(func() {
		for !enough() {
			if r := h.run("token", "acme"); r.code != 0 {
				lost.Store(h.said(r.err), true)
			}
			if r := h.run("call", "acme", "add", `{"a": 1, "b": 1}`); r.out != "2\n" {
				lost.Store(r.out+h.said(r.err), true)
			}
			made.Add(2)
		}
	})
	wg.Wait()
	lost.Range(func(said, _ any) bool {
		t.Errorf("a call was lost: %v", said)
		return true
	})
	if t.Failed() {
		for _, r := range w.mcp.Requests() { // agent.log has the same hashes
			if r.Status == http.StatusUnauthorized {
				t.Logf("401 for a request of %s with the token %s", r.Time.UTC().Format("15:04:05.000"), r.Bearer)
			}
		}
	}
	for _, c := range bridges {
		c.close()
	}
	got := w.as.Counters()
	t.Logf("%d calls, %d renewals", made.Load(), got.Refreshed)
	if got.Signins != 1 || got.CodesUsed != 1 || got.InvalidGrant != 0 || got.Reused != 0 {
		t.Errorf("the authorization server counted %+v", got)
	}
	if most.Load() != 1 {
		t.Errorf("%d token requests at once, want 1", most.Load())
	}
	h.wantBrowsers(1)
}
