package broker

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/fakemcp"
	"keyporter/internal/hint"
)

func TestSignInGivesATokenForTheServerAndSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{})
	added := w.add("notes", mcp.URL(), nil)
	if added.Server.State != local.SignInNeeded || !strings.Contains(added.Found, "signs people in") {
		t.Errorf("added = %s, %q; want a sign-in that is needed", added.Server.State, added.Found)
	}
	_, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	wantCode(t, err, hint.SignInNeeded)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	st := w.status("notes")
	if st.State != local.Ready || !strings.HasPrefix(st.Identity, "alice") || st.ExpiresAt.IsZero() || !st.Renews {
		t.Errorf("state = %+v, want ready as alice, with an expiry, renewing", st)
	}
	tok, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	if tok.Header != "Authorization" || tok.Scheme != "Bearer" || tok.RenewAt.IsZero() {
		t.Errorf("token = %+v", tok)
	}
	w.stop()
	w.start()
	again, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err != nil || again.Hash != tok.Hash {
		t.Errorf("after a restart: %v, %v; want the same token without a request", again, err)
	}
	if c := as.Counters(); c.Signins != 1 || c.Refreshed != 0 {
		t.Errorf("%d sign-ins and %d refreshes, want 1 and 0", c.Signins, c.Refreshed)
	}
}

func TestFiftyRefusalsOfOneTokenCauseOneRefresh(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	tok, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	// The token is young, so it is tried once more after a second; the second
	// refusal renews it.
	var wg sync.WaitGroup
	hashes := make([]string, 50)
	for i := range hashes {
		wg.Go(func() {
			r := local.TokenRequest{Name: "notes", Refused: tok.Hash}
			got, err := w.Token(t.Context(), r)
			if err == nil && got.Hash == tok.Hash {
				got, err = w.Token(t.Context(), r)
			}
			if err != nil {
				t.Error(err)
				return
			}
			hashes[i] = got.Hash
		})
	}
	wg.Wait()
	for _, h := range hashes {
		if h != hashes[0] || h == tok.Hash {
			t.Fatalf("hashes differ: %q", hashes)
		}
	}
	if c := as.Counters(); c.Refreshed != 1 || c.InvalidGrant != 0 {
		t.Errorf("%d refreshes, %d invalid_grant; want 1 and 0", c.Refreshed, c.InvalidGrant)
	}
}

func TestAnEndedGrantAsksForASignInAndTouchesNothingElse(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{AccessLife: time.Second})
	other, mcp2 := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	w.add("other", mcp2.URL(), nil)
	for _, n := range []string{"notes", "other"} {
		if err := w.signIn(n, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	as.EndGrants()
	tok := w.tokenWhenRefused("notes")
	if tok != nil {
		t.Fatal("an ended grant still gives tokens")
	}
	st := w.status("notes")
	if st.State != local.SignInNeeded || st.Problem == nil {
		t.Errorf("state = %s, %v; want a sign-in that is needed", st.State, st.Problem)
	}
	before := as.Counters().Requests["token"]
	for range 5 {
		_, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
		wantCode(t, err, hint.SignInNeeded)
	}
	if now := as.Counters().Requests["token"]; now != before {
		t.Errorf("the dead refresh token was tried %d times more", now-before)
	}
	if st := w.status("other"); st.State != local.Ready {
		t.Errorf("the other server is %s", st.State)
	}
	if _, err := w.Token(t.Context(), local.TokenRequest{Name: "other"}); err != nil {
		t.Error(err)
	}
	if other.Counters().InvalidGrant != 0 {
		t.Error("the other provider was bothered")
	}
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	if n := as.Counters().Requests["register"]; n != 1 {
		t.Errorf("%d registrations, want the first one kept", n)
	}
}

// tokenWhenRefused says that the token in hand is refused until the broker has
// another or none.
func (w *world) tokenWhenRefused(name string) *local.Token {
	w.t.Helper()
	tok, err := w.Token(w.t.Context(), local.TokenRequest{Name: name})
	for range 3 {
		if err != nil {
			return nil
		}
		was := tok.Hash
		if tok, err = w.Token(w.t.Context(), local.TokenRequest{Name: name, Refused: was}); err == nil && tok.Hash != was {
			return tok
		}
	}
	if err != nil {
		return nil
	}
	return tok
}

func TestAHandEditSendsNoTokenToANewPlace(t *testing.T) {
	google, err := fakegoogle.Start(fakegoogle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { google.Close() })
	w := newWorld(t)
	w.addStatic("fixed")
	key, err := google.NewKey("etl@proj.iam.gserviceaccount.com")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddAccount(t.Context(), local.PutAccount{
		Name: "etl", Account: account.Account{Kind: account.GoogleKey, Audience: "https://sales.example"},
		Secret: secret.Plain{Value: secret.New(string(key))}, AllowTokenURI: google.TokenURI(),
	}); err != nil {
		t.Fatal(err)
	}
	w.add("mine", "https://mine.example/mcp", func(p *local.PutServer) { p.Offline, p.Server.Account = true, "fixed" })
	w.add("sales", "https://sales.example/mcp", func(p *local.PutServer) { p.Offline, p.Server.Account = true, "etl" })
	if _, err := w.Token(t.Context(), local.TokenRequest{Name: "sales"}); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]struct{ from, to string }{
		"the server's address":   {"https://mine.example/mcp", "https://evil.example/mcp"},
		"another path":           {"https://mine.example/mcp", "https://mine.example/other"},
		"a dotted path":          {"https://mine.example/mcp", "https://mine.example/mcp/../other"},
		"the account's audience": {`"audience": "https://sales.example"`, `"audience": "https://evil.example"`},
		"another account":        {`"account": "fixed"`, `"account": "etl"`},
		"the account's header":   {`"kind": "static"`, `"kind": "static", "header": "X-Leak"`},
	} {
		t.Run(name, func(t *testing.T) {
			good := w.edited(edit.from, edit.to)
			for _, s := range []string{"mine", "sales"} {
				_, err := w.Token(t.Context(), local.TokenRequest{Name: s})
				if affected := w.status(s).State != local.Ready; affected {
					wantCode(t, err, hint.ApprovalNeeded)
				} else if err != nil {
					t.Errorf("%s, which was not edited: %v", s, err)
				}
			}
			if w.status("mine").State == local.Ready && w.status("sales").State == local.Ready {
				t.Error("the edit was not noticed")
			}
			w.restore(good)
		})
	}
}

// edited changes config.json by hand and waits until the broker has read it. It
// returns what the file held.
func (w *world) edited(from, to string) []byte {
	w.t.Helper()
	b, err := os.ReadFile(w.paths.ConfigFile())
	if err != nil {
		w.t.Fatal(err)
	}
	if !strings.Contains(string(b), from) {
		w.t.Fatalf("config.json has no %s:\n%s", from, b)
	}
	w.restore([]byte(strings.Replace(string(b), from, to, 1)))
	return b
}

func (w *world) restore(content []byte) {
	w.t.Helper()
	was := w.config()
	whole := filepath.Join(w.t.TempDir(), "config.json") // put in place at once: half of it could be read
	if err := errors.Join(os.WriteFile(whole, content, 0o600), os.Rename(whole, w.paths.ConfigFile())); err != nil {
		w.t.Fatal(err)
	}
	w.until("config.json to be read", func(st *local.State) bool { return w.config() != was || st.Problem != nil })
}

func TestGivingAnAccountToASecondPlaceIsAskedAbout(t *testing.T) {
	w := newWorld(t)
	w.addStatic("fixed")
	put := func(name, url, acct string, bind bool) error {
		_, err := w.AddServer(t.Context(), local.PutServer{Name: name, Server: account.Server{URL: url, Account: acct}, Offline: true, Bind: bind})
		return err
	}
	if err := put("one", "https://one.example/mcp", "fixed", false); err != nil {
		t.Fatal(err)
	}
	if err := put("same", "https://one.example/other", "fixed", false); err != nil {
		t.Errorf("another path on the same origin: %v", err)
	}
	wantCode(t, put("two", "https://two.example/mcp", "fixed", false), hint.ApprovalNeeded)
	if _, err := w.ShowServer(t.Context(), local.Name{Name: "two"}); err == nil {
		t.Error("a refused server was added")
	}
	if err := put("two", "https://two.example/mcp", "fixed", true); err != nil {
		t.Fatal(err)
	}
	_, err := w.SetServer(t.Context(), local.PutServer{Name: "two", Server: account.Server{URL: "https://three.example/mcp", Account: "fixed"}})
	wantCode(t, err, hint.ApprovalNeeded)
	if s, _ := w.ShowServer(t.Context(), local.Name{Name: "two"}); s.URL != "https://two.example/mcp" {
		t.Errorf("a refused change was made: %s", s.URL)
	}
}

func TestAnAudienceOfSomebodyElseIsAskedAbout(t *testing.T) {
	google, err := fakegoogle.Start(fakegoogle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { google.Close() })
	w := newWorld(t)
	key, err := google.NewKey("etl@proj.iam.gserviceaccount.com")
	if err != nil {
		t.Fatal(err)
	}
	put := local.PutAccount{Name: "etl", Account: account.Account{Kind: account.GoogleKey, Audience: "https://bank.example"}, Secret: secret.Plain{Value: secret.New(string(key))}}
	_, err = w.AddAccount(t.Context(), put)
	wantCode(t, err, hint.ApprovalNeeded) // the key's token_uri is not Google's
	put.AllowTokenURI = google.TokenURI()
	if _, err := w.AddAccount(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	_, err = w.AddServer(t.Context(), local.PutServer{Name: "x", Server: account.Server{URL: "https://evil.example/mcp", Account: "etl"}, Offline: true})
	wantCode(t, err, hint.ApprovalNeeded)
	if !strings.Contains(hint.Of(err).What, "bank.example") || !strings.Contains(hint.Of(err).What, "evil.example") {
		t.Errorf("the question does not name both places: %s", hint.Of(err).What)
	}
}

func TestABrokenConfigChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.addStatic("fixed")
	w.add("mine", "https://mine.example/mcp", func(p *local.PutServer) { p.Offline, p.Server.Account = true, "fixed" })
	good := w.edited(`"servers": {`, `"servers": [`)
	st := w.snapshot()
	if st.Problem == nil || !strings.Contains(st.Problem.What, "line ") || len(st.Servers) != 1 {
		t.Fatalf("state = %d servers, problem %v; want the last good list and the place of the mistake", len(st.Servers), st.Problem)
	}
	if _, err := w.Token(t.Context(), local.TokenRequest{Name: "mine"}); err != nil {
		t.Errorf("a bridge stopped working because of a typing mistake: %v", err)
	}
	if _, err := w.AddServer(t.Context(), local.PutServer{Name: "new", Server: account.Server{URL: "https://new.example/"}, Offline: true}); err == nil {
		t.Error("a file that could not be read was overwritten")
	}
	w.stop()
	w.start()
	if st := w.snapshot(); st.Problem == nil || len(st.Servers) != 1 {
		t.Errorf("after a restart: %d servers, problem %v; want the last good list", len(st.Servers), st.Problem)
	}
	w.restore(good)
	w.until("the mended file to be read", func(st *local.State) bool { return st.Problem == nil })
}

func TestPauseTakesTokensAwayAtOnceAndSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	w.addStatic("fixed")
	w.add("mine", "https://mine.example/mcp", func(p *local.PutServer) { p.Offline, p.Server.Account = true, "fixed" })
	states := make(chan *local.BridgeState, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = w.Bridge(ctx, local.BridgeRequest{Server: "mine"}, func(st *local.BridgeState) error { states <- st; return nil })
	})
	defer wg.Wait()
	defer cancel()
	if st := <-states; st.Status != local.Ready || st.Token == nil {
		t.Fatalf("first state = %s, token %v", st.Status, st.Token)
	}
	if err := w.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := <-states; st.Status != local.Paused || st.Token != nil {
		t.Errorf("after a pause: %s, token %v", st.Status, st.Token)
	}
	cancel()
	wg.Wait()
	w.stop()
	w.start()
	_, err := w.Token(t.Context(), local.TokenRequest{Name: "mine"})
	wantCode(t, err, hint.Paused)
	if err := w.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Token(t.Context(), local.TokenRequest{Name: "mine"}); err != nil {
		t.Error(err)
	}
}

func TestAServerThatEndsASignInIsToldOfOnce(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{})
	for _, name := range []string{"notes", "quiet"} {
		w.add(name, mcp.URL(), func(p *local.PutServer) {
			if name == "quiet" {
				p.Server.SignIn = account.SignInNever
			}
		})
		if err := w.signIn(name, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	as.EndGrants()
	for _, name := range []string{"notes", "notes", "quiet"} {
		st, err := w.Token(t.Context(), local.TokenRequest{Name: name})
		for err == nil {
			st, err = w.Token(t.Context(), local.TokenRequest{Name: name, Refused: st.Hash})
		}
		if hint.CodeOf(err) != hint.SignInNeeded {
			t.Fatal(err)
		}
	}
	err := w.AwaitReady(t.Context(), local.AwaitRequest{Server: "notes", Wait: time.Millisecond})
	if hint.CodeOf(err) != hint.SignInNeeded {
		t.Error(err)
	}
	st := w.snapshot()
	w.untilSeen("a notification", func(_, n int) bool { return n > 0 })
	if len(st.Notices) != 1 || !st.Notices[0].SignedOut || st.Notices[0].Server != "notes" {
		t.Errorf("notices %+v", st.Notices)
	}
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	if st := w.snapshot(); len(st.Notices) != 0 {
		t.Errorf("notices %+v stay", st.Notices)
	}
	w.stop() // no notification is under way any more
	if _, n := w.seen(); n != 1 {
		t.Errorf("%d notifications, want one", n)
	}
}

func TestTwentyWaitingBridgesMakeOneNoticeAndNoBrowser(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	var wg sync.WaitGroup
	errs := make(chan error, 20)
	for range 20 {
		wg.Go(func() { errs <- w.AwaitReady(t.Context(), local.AwaitRequest{Server: "notes", Wait: 30 * time.Second}) })
	}
	w.until("a notice", func(st *local.State) bool { return len(st.Notices) == 1 })
	w.untilSeen("a notification", func(_, n int) bool { return n > 0 })
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Errorf("a waiting call was not let through: %v", err)
		}
	}
	if opened, notices := w.seen(); opened != 0 || notices != 1 {
		t.Errorf("%d browsers and %d notifications, want 0 and 1", opened, notices)
	}
	if st := w.snapshot(); len(st.Notices) != 0 {
		t.Error("the notice is still there")
	}
	if n := as.Counters().Signins; n != 1 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestACallThatNobodyAnswersSaysWhatToDo(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	err := w.AwaitReady(t.Context(), local.AwaitRequest{Server: "notes", Wait: time.Millisecond})
	wantCode(t, err, hint.SignInNeeded)
	if !strings.Contains(hint.Of(err).Do, "keyporter login notes") {
		t.Errorf("advice = %q", hint.Of(err).Do)
	}
}

func TestAClickOnTheNotificationSignsIn(t *testing.T) {
	w := newWorld(t)
	w.user = "alice"
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	done := make(chan error, 1)
	go func() { done <- w.AwaitReady(t.Context(), local.AwaitRequest{Server: "notes", Wait: 30 * time.Second}) }()
	w.until("a notice", func(st *local.State) bool { return len(st.Notices) == 1 })
	w.untilSeen("a notification", func(_, n int) bool { return n == 1 })
	w.mu.Lock()
	click := w.clicks[0]
	w.mu.Unlock()
	click()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if opened, _ := w.seen(); opened != 1 {
		t.Errorf("%d browsers", opened)
	}
}

func TestTheSignInToolOpensABrowserOnlyWhereTheUserHasBeen(t *testing.T) {
	w := newWorld(t)
	w.user = "alice"
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	ask := func() *local.RequestedSignIn {
		t.Helper()
		out, err := w.RequestSignIn(t.Context(), local.AwaitRequest{Server: "notes", Wait: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := ask(); out.Ready || !strings.Contains(out.Message, "keyporter login notes") {
		t.Errorf("answer = %+v, want what the user can do", out)
	}
	w.until("a notice", func(st *local.State) bool { return len(st.Notices) == 1 })
	w.untilSeen("a notification", func(_, n int) bool { return n > 0 })
	ask()
	w.until("the notice", func(st *local.State) bool { return len(st.Notices) == 1 && st.Servers[0].State == local.SignInNeeded })
	if opened, notices := w.seen(); opened != 0 || notices != 1 {
		t.Fatalf("a model that asked twice for an issuer that the user has not seen opened %d browsers and showed %d notices, want 0 and 1", opened, notices)
	}
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	if err := w.SignOut(t.Context(), local.SignOutRequest{Name: "notes"}); err != nil {
		t.Fatal(err)
	}
	// The person's own sign-in opened a browser a moment ago; ten minutes must
	// pass before a model may open the next.
	w.mu.Lock()
	w.user = ""
	w.mu.Unlock()
	ask()
	if opened, _ := w.seen(); opened != 0 {
		t.Error("a model opened the browser within ten minutes of the last one")
	}
	w.Broker.mu.Lock()
	w.history["notes"].browser = time.Time{}
	w.Broker.mu.Unlock()
	ask()
	w.until("a sign-in under way", func(st *local.State) bool { return st.Servers[0].State == local.SigningIn })
	w.untilSeen("a browser", func(opened, _ int) bool { return opened > 0 })
	ask()
	if opened, _ := w.seen(); opened != 1 {
		t.Errorf("%d browsers, want one", opened)
	}
	if err := w.CancelSignIn(t.Context(), local.Name{Name: "notes"}); err != nil {
		t.Fatal(err)
	}
}

func TestABrowserLoopEndsAfterThree(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.SignIn = account.SignInBrowser })
	for i := range 3 {
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() { _ = w.AwaitReady(ctx, local.AwaitRequest{Server: "notes", Wait: time.Hour}) })
		w.untilSeen("a browser", func(opened, _ int) bool { return opened == i+1 })
		cancel()
		wg.Wait()
		if err := w.CancelSignIn(t.Context(), local.Name{Name: "notes"}); err != nil {
			t.Fatal(err)
		}
		w.until("the sign-in to end", func(st *local.State) bool { return st.Servers[0].State == local.SignInNeeded })
	}
	for range 3 {
		wantCode(t, w.AwaitReady(t.Context(), local.AwaitRequest{Server: "notes", Wait: time.Millisecond}), hint.SignInNeeded)
		if st := w.status("notes"); st.State != local.SignInNeeded {
			t.Errorf("the server is %s, want no sign-in under way", st.State)
		}
	}
	if opened, _ := w.seen(); opened != 3 {
		t.Errorf("%d browsers were opened, want 3", opened)
	}
}

func TestSignInNeverAnswersAtOnce(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.SignIn = account.SignInNever })
	err := w.AwaitReady(t.Context(), local.AwaitRequest{Server: "notes", Wait: time.Hour})
	wantCode(t, err, hint.SignInNeeded)
	if opened, notices := w.seen(); opened != 0 || notices != 0 {
		t.Errorf("%d browsers and %d notifications, want none", opened, notices)
	}
}

func TestTwoSignInsAtOnceAreOne(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	opened := make(chan string, 2)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			err := w.SignIn(t.Context(), local.SignInRequest{Name: "notes"}, func(ev *local.SignInEvent) error {
				if ev.Open != "" {
					opened <- ev.Open
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	url := <-opened
	if second := <-opened; second != url {
		t.Error("two sign-ins have two addresses")
	}
	if _, err := fakeas.Browse(t.Context(), url, "alice"); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if n := as.Counters().Signins; n != 1 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestLeavingEndsASignInThatNobodyWaitsFor(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	err := w.SignIn(ctx, local.SignInRequest{Name: "notes"}, func(ev *local.SignInEvent) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("SignIn = %v", err)
	}
	w.until("the sign-in to end", func(st *local.State) bool { return st.Servers[0].State == local.SignInNeeded })
}

func TestTheServersMetadataMustBeAboutTheServer(t *testing.T) {
	w := newWorld(t)
	as := fakeas.Start(t, fakeas.Options{})
	mcp := fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer(), Resource: "https://elsewhere.example/mcp"})
	w.add("notes", mcp.URL(), nil)
	if err := w.signIn("notes", "alice"); err == nil {
		t.Fatal("signed in for another resource")
	}
	if n := as.Counters().Requests["authorize"]; n != 0 {
		t.Error("the browser was sent to the provider all the same")
	}
}

func TestASharedAccountHasAGrantForEachServer(t *testing.T) {
	w := newWorld(t)
	as := fakeas.Start(t, fakeas.Options{})
	one := fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer()})
	two := fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer()})
	w.add("one", one.URL(), nil)
	if err := w.signIn("one", "alice"); err != nil {
		t.Fatal(err)
	}
	_, err := w.AddServer(t.Context(), local.PutServer{Name: "two", Server: account.Server{URL: two.URL(), Account: "one"}})
	wantCode(t, err, hint.ApprovalNeeded)
	w.add("two", two.URL(), func(p *local.PutServer) { p.Server.Account, p.Bind = "one", true })
	_, err = w.Token(t.Context(), local.TokenRequest{Name: "two"})
	wantCode(t, err, hint.SignInNeeded)
	if err := w.signIn("two", "alice"); err != nil {
		t.Fatal(err)
	}
	a, err := w.Token(t.Context(), local.TokenRequest{Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.Token(t.Context(), local.TokenRequest{Name: "two"})
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash == b.Hash {
		t.Error("two resources got the same token")
	}
	if n := as.Counters().Requests["register"]; n > 2 {
		t.Errorf("%d registrations", n)
	}
}

func TestSecretHeadersStayWithTheirAddress(t *testing.T) {
	w := newWorld(t)
	w.add("mine", "https://mine.example/mcp", func(p *local.PutServer) {
		p.Offline = true
		p.Server.SecretHeaders = []string{"X-API-Key"}
		p.SecretHeaders = map[string]secret.Plain{"X-API-Key": plain("key-" + word)}
	})
	st, err := w.bridgeState("mine")
	if err != nil || st.SecretHeaders["X-API-Key"].Reveal() != "key-"+word {
		t.Fatalf("bridge state = %+v, %v", st, err)
	}
	w.edited("https://mine.example/mcp", "https://evil.example/mcp")
	if st, err = w.bridgeState("mine"); err != nil || st.Status != local.ApprovalNeeded || len(st.SecretHeaders) != 0 {
		t.Errorf("after a hand edit: %s with %d secret headers, %v", st.Status, len(st.SecretHeaders), err)
	}
}

func TestAServerThatIsAwayIsAddedWithAWarning(t *testing.T) {
	w := newWorld(t)
	mcp := fakemcp.Start(t, fakemcp.Options{Open: true})
	url := mcp.URL()
	mcp.Close()
	out := w.add("away", url, nil)
	if out.Warning == nil || out.Warning.Do == "" || out.Server.State != local.Unknown {
		t.Errorf("added = %s, warning %v", out.Server.State, out.Warning)
	}
}

func TestAnOpenServerNeedsNothing(t *testing.T) {
	w := newWorld(t)
	mcp := fakemcp.Start(t, fakemcp.Options{Open: true})
	out := w.add("open", mcp.URL(), nil)
	if out.Server.State != local.Ready || out.Warning != nil {
		t.Errorf("added = %s, %v", out.Server.State, out.Warning)
	}
	err := w.SignIn(t.Context(), local.SignInRequest{Name: "open"}, func(*local.SignInEvent) error { return nil })
	wantCode(t, err, hint.Usage)
}

func TestRotateKeepsWhereTokensGo(t *testing.T) {
	w := newWorld(t)
	w.addStatic("fixed")
	w.add("mine", "https://mine.example/mcp", func(p *local.PutServer) { p.Offline, p.Server.Account = true, "fixed" })
	before, err := w.Token(t.Context(), local.TokenRequest{Name: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.RotateAccount(t.Context(), local.PutAccount{Name: "fixed", Secret: plain("newer-" + word)}); err != nil {
		t.Fatal(err)
	}
	after, err := w.Token(t.Context(), local.TokenRequest{Name: "mine"})
	if err != nil || after.Hash == before.Hash {
		t.Errorf("after the rotation: %v, %v", after, err)
	}
}

func TestRemovingAServerRemovesItsSignIn(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	if err := w.RemoveServer(t.Context(), local.Name{Name: "notes"}); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"account/", "grant/", "server/"} {
		if left := w.vault.Keys(prefix); len(left) != 0 {
			t.Errorf("left in the vault: %v", left)
		}
	}
	if st := w.snapshot(); len(st.Servers)+len(st.Accounts) != 0 {
		t.Errorf("left in the list: %v %v", st.Servers, st.Accounts)
	}
}

func TestRenameKeepsEverything(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	keep := local.Answers{Server: "notes", Results: map[string]json.RawMessage{"tools/list": json.RawMessage(`{"tools":[{},{}]}`)}}
	if err := w.KeepAnswers(t.Context(), keep); err != nil {
		t.Fatal(err)
	}
	if err := w.RenameServer(t.Context(), local.Rename{Old: "notes", New: "Meine Notizen"}); err != nil {
		t.Fatal(err)
	}
	if st := w.status("Meine Notizen"); st.State != local.Ready || st.Tools != 2 {
		t.Errorf("state = %+v", st)
	}
	a, err := w.Answers(t.Context(), local.Name{Name: "Meine Notizen"})
	if err != nil || len(a.Results) != 1 {
		t.Errorf("answers = %v, %v", a, err)
	}
}

func TestADamagedVaultIsNamedAndRestored(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{})
	w.addStatic("fixed")
	w.add("notes", mcp.URL(), nil)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	// A renewal: the refresh token of the generation before is worth nothing now.
	if tok := w.tokenWhenRefused("notes"); tok == nil {
		t.Fatal("no renewal")
	}
	previous, err := os.ReadFile(w.paths.Vault() + ".prev")
	if err != nil {
		t.Fatal(err)
	}
	w.stop() // which writes once more, for the audit log
	if err := os.WriteFile(w.paths.Vault()+".prev", previous, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(w.paths.Vault())
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(w.paths.Vault(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	_, err = w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err == nil || !strings.Contains(hint.Of(err).Text(), "keyporter vault restore") {
		t.Fatalf("error = %v, want the way out", err)
	}
	out, err := w.RestoreVault(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(out.SignedOut) != 1 || out.SignedOut[0] != "notes" {
		t.Errorf("signed out = %v, want notes", out.SignedOut)
	}
	_, err = w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	wantCode(t, err, hint.SignInNeeded)
	if c := as.Counters(); c.Reused != 0 {
		t.Error("an old refresh token was replayed")
	}
	if _, err := w.Token(t.Context(), local.TokenRequest{Name: "fixed"}); err != nil {
		t.Errorf("the other account: %v", err)
	}
}

func TestAnOlderVaultPutInPlaceReplaysNoRefreshToken(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	older, err := os.ReadFile(w.paths.Vault())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if tok := w.tokenWhenRefused("notes"); tok == nil {
			t.Fatal("no renewal")
		}
	}
	w.stop()
	if err := os.WriteFile(w.paths.Vault(), older, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	_, err = w.Token(t.Context(), local.TokenRequest{Name: "notes", Refused: "any"})
	wantCode(t, err, hint.SignInNeeded)
	if c := as.Counters(); c.Reused != 0 {
		t.Error("an old refresh token was replayed")
	}
}

func TestAHandEditSendsNoClientSecretToANewIssuer(t *testing.T) {
	w := newWorld(t)
	const secretOfClient = "client-" + word
	client := fakeas.Client{ID: "app", Secret: secretOfClient, RedirectURIs: []string{"http://127.0.0.1/callback"}}
	good := fakeas.Start(t, fakeas.Options{Clients: []fakeas.Client{client}})
	evil := fakeas.Start(t, fakeas.Options{Clients: []fakeas.Client{client}})
	mine := fakemcp.Start(t, fakemcp.Options{Issuer: good.Issuer()})
	theirs := fakemcp.Start(t, fakemcp.Options{Issuer: evil.Issuer()})
	w.add("notes", mine.URL(), func(p *local.PutServer) {
		p.Server.ClientID = "app"
		s := plain(secretOfClient)
		p.ClientSecret = &s
	})
	for name, edit := range map[string][2]string{
		"the address": {mine.URL(), theirs.URL()},
		"the issuer":  {`"client_id": "app"`, `"client_id": "app", "issuer": "` + evil.Issuer() + `"`},
	} {
		before := w.edited(edit[0], edit[1])
		wantCode(t, w.signIn("notes", "alice"), hint.ApprovalNeeded)
		if n := evil.Counters().Requests["token"]; n != 0 {
			t.Errorf("%s: the secret went to another issuer", name)
		}
		w.restore(before)
	}
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
}
