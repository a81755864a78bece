//go:build unix

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
	"keyporter/internal/peers"
	"keyporter/internal/tally"
)

// soaking reports whether the long forms are wanted: make soak.
func soaking() bool { return os.Getenv("KEYPORTER_SOAK") != "" }

// hammer launches bridges that call acme's tool one call after the other, and the
// command line beside them, until enough says so. A call that is not answered with
// its own sum is lost, and an error. It returns the count.
func (h *home) hammer(n int, enough func() bool) *tally.Tally {
	h.t.Helper()
	run := &tally.Tally{}
	var lost sync.Map // what calls said that were not answered with the sum
	count := func(answered, right bool, said string) {
		run.Sent.Add(1)
		switch {
		case right:
			run.Answered.Add(1)
			return
		case answered:
			run.Wrong.Add(1)
		default:
			run.Lost.Add(1)
		}
		lost.Store(said, true)
	}
	var wg sync.WaitGroup
	bridges := make([]*host, n)
	for i := range bridges {
		bridges[i] = h.launch("acme")
	}
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
				count(ok && m.Error == nil, ok && containsAll(m.String(), fmt.Sprintf(`"sum":%d`, n+1)), m.String())
				if !ok {
					return
				}
			}
		})
	}
	wg.Go(func() {
		for !enough() {
			r := h.run("token", "acme")
			count(false, r.code == 0, h.said(r.err))
			r = h.run("call", "acme", "add", `{"a": 1, "b": 1}`)
			count(r.code == 0, r.out == "2\n", r.out+h.said(r.err))
		}
	})
	wg.Wait()
	lost.Range(func(said, _ any) bool {
		h.t.Errorf("a call was lost: %v", said)
		return true
	})
	for _, c := range bridges {
		c.close()
	}
	return run
}

// TestTwentyBridgesShareOneGrantOfACertifiedProvider is the same at oidc-provider,
// with tokens of one second, for a time and not for a number of renewals: ten
// seconds, or a minute in make soak.
func TestTwentyBridgesShareOneGrantOfACertifiedProvider(t *testing.T) {
	t.Parallel()
	lasting := 10 * time.Second
	if soaking() {
		lasting = time.Minute
	}
	h := newHome(t, "KEYPORTER_LOG=info")
	h.unseen = true
	door := newDoorway(t, h)
	p := peers.NewOIDCProvider(t, peers.OIDCOptions{Resources: []string{door.url + fakemcp.Path}, TTL: time.Second})
	// A token names its end in whole seconds, so without a leeway it may be over
	// when it comes.
	s, err := fakemcp.New(fakemcp.Options{Issuer: p.Issuer, JWKS: p.Issuer + "/jwks", Leeway: time.Second})
	check(t, err)
	t.Cleanup(s.Close)
	s.SetURL(door.url)
	s.SetLatency(50 * time.Millisecond)
	door.serve(s)
	h.do("add", "acme", s.URL())
	h.do("login", "acme")

	end := time.Now().Add(lasting)
	run := h.hammer(20, func() bool { return !time.Now().Before(end) })
	renewals, most := p.Count(t, "grant.success", "refresh_token"), 0
	for _, e := range p.Events(t) {
		most = max(most, e.AtOnce)
	}
	run.Report(t, "make soak: one grant", fmt.Sprintf("Twenty bridges and the command line for %v at oidc-provider, with tokens of a second", lasting),
		fmt.Sprintf("%d renewals, at most %d token requests at once.", renewals, most),
		fmt.Sprintf("%d errors and %d revocations at the provider, %d browser.", p.Count(t, "grant.error", ""), p.Count(t, "grant.revoked", ""), h.browsers()))
	for event, want := range map[string]int{"registration_create.success": 1, "authorization.error": 0, "grant.error": 0, "grant.revoked": 0} {
		if got := p.Count(t, event, ""); got != want {
			t.Errorf("%d events %s at the provider, want %d", got, event, want)
		}
	}
	if most != 1 || renewals < 3 || p.Count(t, "grant.success", "authorization_code") != 1 {
		t.Errorf("%d renewals, at most %d token requests at once", renewals, most)
	}
	h.wantBrowsers(1)
}

// A killing is a renewal at whose end the agent is killed.
type killing struct {
	before   bool          // before the answer is on its way
	redeemed chan struct{} // closed when the refresh token has been redeemed, and with an answer: sent
	dead     chan struct{} // closed when the agent is dead
}

// TestAgentKilledBetweenRedeemingAndStoring kills the agent again and again at a
// random moment after the provider has redeemed its refresh token: six times,
// or two hundred in make soak. The next command goes on, or asks for a sign-in
// once. It may try the refresh token that it has, because it cannot know that the
// provider got it, and some providers let the last one be used again; a refusal is
// the end of that. Another account never loses its sign-in.
func TestAgentKilledBetweenRedeemingAndStoring(t *testing.T) {
	t.Parallel()
	kills := 6
	if soaking() {
		kills = 200
	}
	h := newHome(t)
	next := make(chan *killing, 1) // the renewal at which to kill
	reached := make(chan *killing) // it has come
	as := killingServer(h, next, reached)
	acme := fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer()})
	other := newWorld(h, fakeas.Options{})
	h.do("add", "acme", acme.URL())
	h.do("add", "other", other.mcp.URL())
	h.do("login", "acme")
	h.do("login", "other")

	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	asked, most := 0, 0
	var run tally.Tally
	for range kills {
		requests := as.Counters().Requests[fakeas.Token]
		k := &killing{before: rnd.IntN(4) == 0, redeemed: make(chan struct{}), dead: make(chan struct{})}
		next <- k
		ended := h.renewal(reached)
		pid := h.pid()
		reached <- k // go on
		<-k.redeemed
		if !k.before {
			<-time.After(time.Duration(rnd.Int64N(int64(40 * time.Millisecond)))) // the moment is the point
		}
		check(t, syscall.Kill(pid, syscall.SIGKILL))
		run.Faults.Add(1)
		close(k.dead)
		if r := <-ended; r.code != 0 && r.code != 4 {
			t.Errorf("seed %d: keyporter token with a killed agent: exit code %d\n%s", seed, r.code, h.said(r.err))
		}
		r := h.run("token", "acme")
		if r.code == 4 {
			asked++
			h.do("login", "acme")
			r = h.run("token", "acme")
		}
		for _, r := range []result{r, h.run("token", "other")} {
			if run.Sent.Add(1); r.code == 0 {
				run.Answered.Add(1)
				continue
			}
			run.Lost.Add(1)
			t.Errorf("seed %d: keyporter token afterwards: exit code %d\n%s", seed, r.code, h.said(r.err))
		}
		most = max(most, as.Counters().Requests[fakeas.Token]-requests)
	}
	got, others := as.Counters(), other.as.Counters()
	run.Report(t, "make soak: renewals", "The agent killed while a strict provider rotates its refresh token, and a token asked for afterwards",
		fmt.Sprintf("Seed %d: %d kills cost nothing, %d one sign-in; %d renewals, %d invalid_grant, at most %d token requests for one kill.", seed, kills-asked, asked, got.Refreshed, got.InvalidGrant, most),
		fmt.Sprintf("Another account at the same time: %d sign-in, %d invalid_grant.", others.Signins, others.InvalidGrant))
	if got.Signins != asked+1 || got.InvalidGrant != asked || got.Reused > asked {
		t.Errorf("seed %d: the provider counted %+v after %d sign-ins that were asked for", seed, got, asked)
	}
	if others.Signins != 1 || others.InvalidGrant != 0 {
		t.Errorf("seed %d: the other provider counted %+v", seed, others)
	}
	if most > 5 { // the killed renewal, its repetition, a sign-in and its own renewals
		t.Errorf("seed %d: %d token requests for one kill", seed, most)
	}
	h.wantBrowsers(2 + asked)
}

// renewal asks for acme's token until that means a renewal, which is at reached
// then. It returns how the command ends.
func (h *home) renewal(reached <-chan *killing) <-chan result {
	h.t.Helper()
	var ended <-chan result
	until(h.t, "a renewal", func() bool {
		_, _, ended = h.start("token", "acme")
		select {
		case <-reached:
			return true
		case r := <-ended: // the agent has one that is not over yet
			if r.code != 0 {
				h.t.Fatalf("keyporter token: exit code %d\n%s", r.code, h.said(r.err))
			}
			return false
		}
	})
	return ended
}

// killingServer is an authorization server whose access tokens are over when they
// come, so that each new agent renews, and which lets the test kill the agent at
// the renewals that it gets from next.
func killingServer(h *home, next, reached chan *killing) *fakeas.Server {
	return fakeas.Start(h.t, fakeas.Options{
		AutoApprove: true,
		EditToken: func(answer map[string]any) {
			answer["expires_in"] = 0.001
			for _, name := range []string{"access_token", "refresh_token"} {
				v, _ := answer[name].(string)
				h.secret(v)
			}
		},
		Wrap: func(endpoint string, serve http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if endpoint != fakeas.Token || r.FormValue("grant_type") != "refresh_token" {
					serve.ServeHTTP(w, r)
					return
				}
				select {
				case k := <-next:
					reached <- k
					<-reached
					k.serve(serve, w, r)
				default:
					serve.ServeHTTP(w, r)
				}
			})
		},
	})
}

// serve redeems the refresh token and answers, unless the agent is to die before
// that.
func (k *killing) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	if k.before {
		close(k.redeemed)
		<-k.dead
		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(answer.Body.Len())) // it is whole although this waits
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
	_ = http.NewResponseController(w).Flush()
	close(k.redeemed)
	<-k.dead
}
