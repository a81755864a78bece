package broker

import (
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
	"keyporter/internal/hint"
)

const wantsWrite = `Bearer error="insufficient_scope", scope="mcp:write"`

// narrow is a world in which alice is signed in to notes with mcp:read alone, and
// the agent's browser signs alice in.
func narrow(t *testing.T, way account.SignIn) (w *world, tok *local.Token) {
	t.Helper()
	w = newWorld(t)
	as := fakeas.Start(t, fakeas.Options{})
	mcp := fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer(), OfferedScopes: []string{"mcp:read"}})
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.SignIn = way; p.Server.Scopes = []string{"mcp:read"} })
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	tok, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.user = "alice"
	w.mu.Unlock()
	return w, tok
}

// lastScopes are the scopes that the browser was last asked for.
func (w *world) lastScopes() []string {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := url.Parse(w.opened[len(w.opened)-1])
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Fields(u.Query().Get("scope"))
}

func TestAStepUpAsksForTheUnionAndRemembersIt(t *testing.T) {
	w, tok := narrow(t, account.SignInBrowser)
	more, err := w.StepUp(t.Context(), local.StepUpRequest{Server: "notes", Refused: tok.Hash, Challenge: []string{wantsWrite}, Wait: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if more.Hash == tok.Hash {
		t.Error("the token is the refused one")
	}
	if got := w.lastScopes(); !slices.Equal(got, []string{"mcp:read", "mcp:write"}) {
		t.Errorf("asked for %q, want the union", got)
	}
	// A request that still carries the old token gets the new one.
	again, err := w.StepUp(t.Context(), local.StepUpRequest{Server: "notes", Refused: tok.Hash, Challenge: []string{wantsWrite}, Wait: 30 * time.Second})
	if err != nil || again.Hash != more.Hash {
		t.Errorf("second step-up with the old token = %v, %v", again, err)
	}
	// What was asked for and is still missing, more scopes cannot mend.
	_, err = w.StepUp(t.Context(), local.StepUpRequest{Server: "notes", Refused: more.Hash, Challenge: []string{wantsWrite}, Wait: 30 * time.Second})
	wantCode(t, err, hint.Refused)
	if what := hint.Of(err).What; !strings.Contains(what, "as alice") || !strings.Contains(what, "permission mcp:write is missing") {
		t.Errorf("words = %q", what)
	}
	if opened, _ := w.seen(); opened != 1 {
		t.Errorf("%d browsers, want 1", opened)
	}
	// The next sign-in asks for everything at once, after a restart too.
	if err := w.SignOut(t.Context(), local.SignOutRequest{Name: "notes"}); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.start()
	if err := w.AwaitReady(t.Context(), local.AwaitRequest{Server: "notes", Wait: 30 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if got := w.lastScopes(); !slices.Equal(got, []string{"mcp:read", "mcp:write"}) {
		t.Errorf("the next sign-in asked for %q, want the union", got)
	}
}

func TestRememberedScopesThatAreNotOnOfferAnyMoreAreForgotten(t *testing.T) {
	var withdrawn atomic.Bool
	w := newWorld(t)
	as := fakeas.Start(t, fakeas.Options{CheckAuthorize: func(q url.Values) (code, description string) {
		if withdrawn.Load() && strings.Contains(q.Get("scope"), "mcp:write") {
			return "invalid_scope", "mcp:write is gone"
		}
		return "", ""
	}})
	mcp := fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer(), OfferedScopes: []string{"mcp:read"}})
	w.add("notes", mcp.URL(), func(p *local.PutServer) {
		p.Server.SignIn, p.Server.Scopes = account.SignInBrowser, []string{"mcp:read"}
	})
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	tok, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.user = "alice"
	w.mu.Unlock()
	if _, err := w.StepUp(t.Context(), local.StepUpRequest{Server: "notes", Refused: tok.Hash, Challenge: []string{wantsWrite}, Wait: 30 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if err := w.SignOut(t.Context(), local.SignOutRequest{Name: "notes"}); err != nil {
		t.Fatal(err)
	}
	w.stop()
	w.start()
	withdrawn.Store(true)
	wantCode(t, w.signIn("notes", "alice"), hint.Refused)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Errorf("the sign-in after the refused one: %v", err)
	}
}

// endingSignIn leaves a sign-in where what it brought is at work, and its end is not
// noted yet.
func (w *world) endingSignIn(server string) {
	w.update(func() { w.attempts[server] = &attempt{server: server, opens: true, cancel: func() {}, kept: true} })
}

// The first call after a sign-in may want more before that sign-in has noted its
// end: the browser opens again.
func TestAStepUpRightBehindASignInOpensTheBrowser(t *testing.T) {
	w, tok := narrow(t, account.SignInBrowser)
	w.endingSignIn("notes")
	if _, err := w.StepUp(t.Context(), local.StepUpRequest{Server: "notes", Refused: tok.Hash, Challenge: []string{wantsWrite}, Wait: 30 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if opened, _ := w.seen(); opened != 1 {
		t.Errorf("%d browsers, want 1", opened)
	}
}

// The rules for browsers that no person asked for hold then too: none within ten
// minutes for a model, and no fourth one for a bridge. The person is asked instead.
func TestNoBrowserTooManyOpensRightBehindASignIn(t *testing.T) {
	t.Run("model", func(t *testing.T) {
		w, _ := narrow(t, account.SignInNotify)
		if err := w.SignOut(t.Context(), local.SignOutRequest{Name: "notes"}); err != nil {
			t.Fatal(err)
		}
		w.endingSignIn("notes")
		if st := w.status("notes"); st.State != local.SignInNeeded {
			t.Errorf("state = %s", st.State)
		}
		out, err := w.RequestSignIn(t.Context(), local.AwaitRequest{Server: "notes", Wait: time.Millisecond})
		if err != nil || out.Ready {
			t.Errorf("the sign_in tool: %+v, %v", out, err)
		}
		w.askedInsteadOfABrowser()
	})
	t.Run("bridge", func(t *testing.T) {
		w, tok := narrow(t, account.SignInBrowser)
		w.endingSignIn("notes")
		w.update(func() {
			for range maxUnasked {
				w.historyOf("notes").unasked = append(w.historyOf("notes").unasked, time.Now())
			}
		})
		_, err := w.StepUp(t.Context(), local.StepUpRequest{Server: "notes", Refused: tok.Hash, Challenge: []string{wantsWrite}, Wait: time.Millisecond})
		wantCode(t, err, hint.SignInNeeded)
		w.askedInsteadOfABrowser()
	})
}

func (w *world) askedInsteadOfABrowser() {
	w.t.Helper()
	w.mu.Lock()
	opened := len(w.opened)
	w.mu.Unlock()
	if st := w.snapshot(); opened != 0 || len(st.Notices) != 1 {
		w.t.Errorf("%d browsers and %d notices, want a notice", opened, len(st.Notices))
	}
}

// A server that is ready is shown as that, and not as waiting for the browser.
func TestASignInThatIsAtWorkIsNotShownAsUnderWay(t *testing.T) {
	w, _ := narrow(t, account.SignInNotify)
	w.endingSignIn("notes")
	if st := w.status("notes"); st.State != local.Ready {
		t.Errorf("state = %s", st.State)
	}
	wantCode(t, w.PasteRedirect(t.Context(), local.PastedRedirect{Name: "notes", URL: plain("http://127.0.0.1/")}), hint.Usage)
}

func TestAStepUpWaitsForThePerson(t *testing.T) {
	w, tok := narrow(t, account.SignInNotify)
	r := local.StepUpRequest{Server: "notes", Refused: tok.Hash, Challenge: []string{wantsWrite}, Wait: 30 * time.Second}
	done := make(chan error, 1)
	go func() {
		_, err := w.StepUp(t.Context(), r)
		done <- err
	}()
	w.until("a notice that names the permission", func(st *local.State) bool {
		return len(st.Notices) == 1 && slices.Equal(st.Notices[0].Scopes, []string{"mcp:write"})
	})
	if st := w.status("notes"); st.State != local.Ready {
		t.Errorf("state = %s: what the old token may do, it still may", st.State)
	}
	// keyporter login is no "signed in already" now.
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if opened, _ := w.seen(); opened != 0 {
		t.Errorf("%d browsers were opened by the agent, want none", opened)
	}
}

func TestAStepUpThatNobodyAnswersSaysWhatIsMissing(t *testing.T) {
	for _, way := range []account.SignIn{account.SignInNotify, account.SignInNever} {
		w, tok := narrow(t, way)
		wait := time.Millisecond
		if way == account.SignInNever {
			wait = time.Hour
		}
		_, err := w.StepUp(t.Context(), local.StepUpRequest{Server: "notes", Refused: tok.Hash, Challenge: []string{wantsWrite}, Wait: wait})
		wantCode(t, err, hint.SignInNeeded)
		if h := hint.Of(err); !strings.Contains(h.What, "mcp:write") || !strings.Contains(h.Do, "keyporter login notes") {
			t.Errorf("%s: words = %q", way, h.Text())
		}
	}
}

func TestA403ThatNamesNoScopeOrHasNoSignInIsNotMended(t *testing.T) {
	w, tok := narrow(t, account.SignInBrowser)
	_, err := w.StepUp(t.Context(), local.StepUpRequest{Server: "notes", Refused: tok.Hash, Challenge: []string{`Bearer error="insufficient_scope"`}, Wait: time.Hour})
	wantCode(t, err, hint.Refused)
	w.addStatic("key")
	w.add("search", "http://127.0.0.1:1/mcp", func(p *local.PutServer) { p.Server.Account, p.Offline = "key", true })
	fixed, err := w.Token(t.Context(), local.TokenRequest{Name: "search"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.StepUp(t.Context(), local.StepUpRequest{Server: "search", Refused: fixed.Hash, Challenge: []string{wantsWrite}, Wait: time.Hour})
	wantCode(t, err, hint.Refused)
	if opened, notices := w.seen(); opened+notices != 0 {
		t.Errorf("%d browsers and %d notices, want none", opened, notices)
	}
}

func TestASignInThatWasRefusedIsSaidAtOnceAndNotRepeated(t *testing.T) {
	w := newWorld(t)
	w.user = saysNo
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.SignIn = account.SignInBrowser })
	for range 2 {
		err := w.AwaitReady(t.Context(), local.AwaitRequest{Server: "notes", Wait: time.Hour})
		wantCode(t, err, hint.Refused)
	}
	w.until("a notice", func(st *local.State) bool { return len(st.Notices) == 1 })
	if opened, _ := w.seen(); opened != 1 {
		t.Errorf("%d browsers, want one", opened)
	}
	w.mu.Lock()
	w.user = "alice"
	w.mu.Unlock()
	// A change by the user is a reason to try again.
	rec, err := w.ShowServer(t.Context(), local.Name{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.SetServer(t.Context(), local.PutServer{Name: "notes", Server: *rec}); err != nil {
		t.Fatal(err)
	}
	if err := w.AwaitReady(t.Context(), local.AwaitRequest{Server: "notes", Wait: 30 * time.Second}); err != nil {
		t.Fatal(err)
	}
}
