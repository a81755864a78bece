package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/hint"
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

// What is signed with a wrong clock is refused, and the person reads that it is the
// clock. Once that is right, the next call is answered, without a restart and
// without a wait. Nobody has to sign in.
func TestAWrongClockIsNamedAndForgottenOnceItIsRight(t *testing.T) {
	const day = 24 * time.Hour
	for name, world := range map[string]func(*testing.T, *jumping) (w *world, asked func() int){
		"a client's key": clientKeyWorld, "a Google key": googleKeyWorld, "a key for proofs": proofWorld,
	} {
		for by, words := range map[time.Duration]string{time.Hour + time.Minute: "61 minutes (ahead", -time.Hour - time.Minute: "61 minutes (behind",
			365 * day: "365 days (ahead", -365 * day: "365 days (behind"} {
			t.Run(name+" "+words, func(t *testing.T) {
				t.Parallel()
				clock := &jumping{}
				w, asked := world(t, clock)
				clock.set(by)
				before := asked()
				for range 20 {
					_, err := w.Token(t.Context(), local.TokenRequest{Name: "acme"})
					wantCode(t, err, hint.Refused)
					if text := hint.Of(err).Text(); !strings.Contains(text, "clock is off by "+words) || !strings.Contains(text, "Set the clock") {
						t.Errorf("the person reads: %s", text)
					}
				}
				if n := asked() - before; n != 1 {
					t.Errorf("twenty calls with a wrong clock asked %d times", n)
				}
				clock.set(0)
				first := w.tokenOf("acme")
				if w.tokenOf("acme") != first || asked()-before != 2 {
					t.Errorf("after the clock was set right, %d requests for tokens, want one", asked()-before-1)
				}
				if st := w.status("acme"); st.State != local.Ready || st.Problem != nil {
					t.Errorf("the server is %s, %v", st.State, st.Problem)
				}
			})
		}
	}
}

// clientKeyWorld has a client that signs assertions (RFC 7523 section 2.2).
func clientKeyWorld(t *testing.T, clock *jumping) (*world, func() int) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	as, mcp := oauthServer(t, fakeas.Options{Clients: []fakeas.Client{{
		ID: "ci", AuthMethod: oauth.AuthPrivateKeyJWT, Key: &key.PublicKey, GrantTypes: []string{"client_credentials"}}}})
	w := newWorldWith(t, clock.into)
	w.use(mcp.URL(), local.PutAccount{Name: "ci", Secret: plain(file),
		Account: account.Account{Kind: account.ClientCredentials, ClientID: "ci", Issuer: as.Issuer(), AuthMethod: oauth.AuthPrivateKeyJWT}})
	return w, func() int { return as.Counters().Requests[fakeas.Token] }
}

// googleKeyWorld has a service account's key.
func googleKeyWorld(t *testing.T, clock *jumping) (*world, func() int) {
	g, err := fakegoogle.Start(fakegoogle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	file, err := g.NewKey(robot)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorldWith(t, clock.into)
	w.use("https://sales.example.com/mcp", local.PutAccount{Name: "etl", Secret: plain(string(file)), AllowTokenURI: g.TokenURI(),
		Account: account.Account{Kind: account.GoogleKey, Audience: "https://sales.example.com"}})
	return w, func() int { return g.Counts().Token }
}

// proofWorld has a sign-in whose tokens are bound to a key (RFC 9449), and none of
// them at hand.
func proofWorld(t *testing.T, clock *jumping) (*world, func() int) {
	as, mcp := oauthServer(t, fakeas.Options{RequireDPoP: true})
	w := newWorldWith(t, clock.into)
	w.add("acme", mcp.URL(), func(p *local.PutServer) { p.Server.DPoP = "always" })
	if err := w.signIn("acme", "alice"); err != nil {
		t.Fatal(err)
	}
	w.tokenOf("acme")
	w.cache.Drop(w.config().Servers["acme"].Account)
	return w, func() int { return as.Counters().Requests[fakeas.Token] }
}

// use gives an account to a server that need not answer.
func (w *world) use(url string, p local.PutAccount) {
	w.t.Helper()
	if _, err := w.AddAccount(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
	w.add("acme", url, func(s *local.PutServer) { s.Offline, s.Bind, s.Server.Account = true, true, p.Name })
}

// A user's no to a program counts for ten minutes, and not for a year.
func TestADenialDoesNotOutlastAClockThatIsSetBack(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	a := &ask{denied: at, lasts: deniedFor}
	for after, want := range map[time.Duration]bool{0: true, deniedFor - 1: true, deniedFor: false, -365 * 24 * time.Hour: false, 365 * 24 * time.Hour: false} {
		if got := a.stands(at.Add(after)); got != want {
			t.Errorf("after %s by the clock: counts %t, want %t", after, got, want)
		}
	}
	a.lasts = 0 // nobody answered
	if a.stands(at) {
		t.Error("a question that nobody answered counts as a no")
	}
}

// The monotonic clock stands still while the computer sleeps, so the product does
// without it where a person said something for a while: by the clocks of these tests
// (jumping) time passes as by its own.
func TestADenialDoesNotOutlastTheComputersSleep(t *testing.T) {
	w := newWorld(t)
	denied := w.opt.Now()
	if denied != denied.Round(0) {
		t.Fatal("the clock has a monotonic reading")
	}
	a := &ask{denied: denied, lasts: deniedFor}
	if !a.stands(w.opt.Now()) || a.stands(w.opt.Now().Add(deniedFor)) { // with or without sleep in between
		t.Error("a denial does not count for ten minutes")
	}
}

// Without a refresh token a sign-in is over when its token is. A clock that was wrong
// for a while does not end it.
func TestASignInWithoutARefreshTokenIsGoodAgainOnceTheClockIs(t *testing.T) {
	clock := &jumping{}
	as, mcp := oauthServer(t, fakeas.Options{AccessLife: time.Hour / 2, NoRefresh: true})
	w := newWorldWith(t, clock.into)
	w.add("acme", mcp.URL(), nil)
	if err := w.signIn("acme", "alice"); err != nil {
		t.Fatal(err)
	}
	first := w.tokenOf("acme")
	for _, by := range []time.Duration{time.Hour, 365 * 24 * time.Hour} {
		clock.set(by)
		_, err := w.Token(t.Context(), local.TokenRequest{Name: "acme"})
		wantCode(t, err, hint.SignInNeeded)
		clock.set(0)
		if w.tokenOf("acme") != first {
			t.Error("another token came")
		}
		if st := w.status("acme"); st.State != local.Ready || st.Problem != nil {
			t.Errorf("the server is %s, %v", st.State, st.Problem)
		}
	}
	if got := as.Counters(); got.Signins != 1 {
		t.Errorf("%d sign-ins, want one", got.Signins)
	}
}
