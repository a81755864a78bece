package broker

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/hint"
)

const (
	robot  = "etl@my-project.iam.gserviceaccount.com"
	client = "1234-abc.apps.googleusercontent.com"
)

// signInWorld is a world whose network leads to a fake Google, with a person's
// account (me), a service account through it (etl) and two servers that use that.
func signInWorld(t *testing.T) (*world, *fakegoogle.Server) {
	t.Helper()
	g, err := fakegoogle.Start(fakegoogle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	transport := g.Transport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	g.NewClient(client, "client-"+word)
	g.NewServiceAccount(robot)
	g.Enable("1234")
	g.Grant(robot, "user:alice@example.com", fakegoogle.TokenCreator)
	w := newWorldWith(t, func(o *Options) {
		o.HTTP = transport
		o.OpenBrowser = func(_ context.Context, url string, _ bool) error {
			w := &http.Client{Transport: transport}
			go func() { _, _ = fakeas.BrowseWith(context.Background(), w, url, "") }()
			return nil
		}
	})
	must := func(_ *local.AccountState, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.AddAccount(t.Context(), local.PutAccount{Name: "me", Account: account.Account{Kind: account.Google, ClientID: client}, Secret: plain("client-" + word)}))
	must(w.AddAccount(t.Context(), local.PutAccount{Name: "etl", Account: account.Account{
		Kind: account.GoogleImpersonate, Through: "me", TargetPrincipal: robot, Audience: "https://sales.example.com"}}))
	for _, name := range []string{"sales", "sales2"} {
		w.add(name, "https://sales.example.com/"+name, func(p *local.PutServer) { p.Server.Account, p.Offline = "etl", true })
	}
	return w, g
}

func TestOneGoogleSignInServesAllServersThroughIt(t *testing.T) {
	w, g := signInWorld(t)
	for _, name := range []string{"sales", "sales2"} {
		_, err := w.Token(t.Context(), local.TokenRequest{Name: name})
		wantCode(t, err, hint.SignInNeeded)
		if st := w.status(name); st.State != local.SignInNeeded {
			t.Errorf("%s is %s", name, st.State)
		}
	}
	var wg sync.WaitGroup
	for _, name := range []string{"sales", "sales2"} { // calls that wait, each of its own server
		wg.Go(func() {
			if err := w.AwaitReady(t.Context(), local.AwaitRequest{Server: name, Wait: 20e9}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	w.until("a notice", func(st *local.State) bool { return len(st.Notices) > 0 })
	w.noticeClicked("sales")
	wg.Wait()
	w.until("no notice", func(st *local.State) bool { return len(st.Notices) == 0 })
	var tokens sync.WaitGroup
	for range 20 {
		tokens.Go(func() {
			if _, err := w.Token(t.Context(), local.TokenRequest{Name: "sales"}); err != nil {
				t.Error(err)
			}
		})
	}
	tokens.Wait()
	if c := g.Counts(); c.SignedIn != 1 || c.Impersonated != 1 || c.Refreshed != 0 {
		t.Errorf("counts %+v, want one sign-in and one ID token", c)
	}
	for _, a := range w.snapshot().Accounts {
		if a.State != local.Ready {
			t.Errorf("%s is %s: %v", a.Name, a.State, a.Problem)
		}
	}
	if err := w.SignOut(t.Context(), local.SignOutRequest{Name: "sales", Revoke: true}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Token(t.Context(), local.TokenRequest{Name: "sales2"})
	wantCode(t, err, hint.SignInNeeded)
}

func TestAGoogleSignInSurvivesARestartAndEndsWhereGoogleEndsIt(t *testing.T) {
	w, g := signInWorld(t)
	if err := w.startSignIn(w.config().Servers["sales"], person); err != nil {
		t.Fatal(err)
	}
	w.until("the sign-in", func(st *local.State) bool { return st.Servers[0].State == local.Ready })
	w.stop()
	w.start()
	if _, err := w.Token(t.Context(), local.TokenRequest{Name: "sales"}); err != nil {
		t.Fatal(err)
	}
	if c := g.Counts(); c.SignedIn != 1 {
		t.Errorf("%d sign-ins, want the first one kept", c.SignedIn)
	}
	g.EndSignIns()
	w.stop()
	w.start()
	_, err := w.Token(t.Context(), local.TokenRequest{Name: "sales"})
	wantCode(t, err, hint.SignInNeeded)
	if st := w.status("sales2"); st.State != local.SignInNeeded {
		t.Errorf("the other server is %s", st.State)
	}
}

func TestNamesThatMeanAGoogleAccountAreKeptForIt(t *testing.T) {
	w, _ := signInWorld(t)
	_, err := w.AddServer(t.Context(), local.PutServer{Name: "me", Server: account.Server{URL: "https://me.example.com/mcp"}, Offline: true})
	wantCode(t, err, hint.Exists)
	wantCode(t, w.RenameServer(t.Context(), local.Rename{Old: "sales", New: "me"}), hint.Exists)
	_, err = w.AddAccount(t.Context(), local.PutAccount{Name: "sales", Account: account.Account{Kind: account.Google, ClientID: client}, Secret: plain(word)})
	wantCode(t, err, hint.Exists)
	_, err = w.AddAccount(t.Context(), local.PutAccount{Name: "x", Account: account.Account{
		Kind: account.GoogleImpersonate, Through: "etl", TargetPrincipal: robot, Audience: "a"}})
	wantCode(t, err, hint.Usage)
}

func TestAKeyCanBeWhatAnImpersonationGoesThrough(t *testing.T) {
	w, g := signInWorld(t)
	const key = "caller@my-project.iam.gserviceaccount.com"
	file, err := g.NewGoogleKey(key)
	if err != nil {
		t.Fatal(err)
	}
	g.Enable("my-project")
	g.Grant(robot, "serviceAccount:"+key, fakegoogle.TokenCreator)
	for _, p := range []local.PutAccount{
		{Name: "key", Account: account.Account{Kind: account.GoogleKey, Audience: "https://other.example.com"}, Secret: plain(string(file))},
		{Name: "through-key", Account: account.Account{Kind: account.GoogleImpersonate, Through: "key", TargetPrincipal: robot, Audience: "https://sales.example.com"}},
	} {
		if _, err := w.AddAccount(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Token(t.Context(), local.TokenRequest{Name: "through-key"}); err != nil {
		t.Fatal(err)
	}
	if c := g.Calls(); len(c) != 1 || c[0].Caller != key || c[0].On != robot {
		t.Errorf("calls %+v", c)
	}
}
