package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
	"keyporter/internal/hint"
)

// jwtOf looks like a JWT and is none.
func jwtOf(s string) string { return "e30." + s + "." + word }

// tokenFile writes a file that another program would keep fresh.
func tokenFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (w *world) addAccount(a account.Account, secret string) {
	w.t.Helper()
	if _, err := w.AddAccount(w.t.Context(), local.PutAccount{Name: a.Name, Account: a, Secret: plain(secret)}); err != nil {
		w.t.Fatal(err)
	}
}

func TestAWorkloadGetsTokensWhereItsServerSaysAndNowhereElse(t *testing.T) {
	w := newWorld(t)
	var fresh string
	assertion := func(a string) (string, string) {
		if a != fresh {
			return "", "stale"
		}
		return "workload", ""
	}
	as := fakeas.Start(t, fakeas.Options{Clients: []fakeas.Client{{ID: "ci", Scopes: []string{"mcp:read"}}}, Assertion: assertion})
	mcp := fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer()})
	fresh = jwtOf("one")
	file := tokenFile(t, fresh+"\n")
	w.addAccount(account.Account{Name: "ci", Kind: account.Workload, ClientID: "ci", TokenFile: file, Scopes: []string{"mcp:read"}}, "")
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.Account = "ci" })
	tok, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := as.Verify(tok.Value.Reveal(), mcp.Resource()); err != nil || claims["sub"] != "workload" {
		t.Errorf("token of %v, %v", claims["sub"], err)
	}
	// The platform has replaced the file; the refused token is replaced with it.
	fresh = jwtOf("two")
	if err := os.WriteFile(file, []byte(fresh), 0o600); err != nil {
		t.Fatal(err)
	}
	w.cache.Drop("ci")
	if _, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"}); err != nil {
		t.Fatal(err)
	}
	// Another server of this account names another authorization server.
	other := fakeas.Start(t, fakeas.Options{Clients: []fakeas.Client{{ID: "ci"}}, Assertion: assertion})
	elsewhere := fakemcp.Start(t, fakemcp.Options{Issuer: other.Issuer()})
	w.add("other", elsewhere.URL(), func(p *local.PutServer) { p.Server.Account, p.Bind = "ci", true })
	_, err = w.Token(t.Context(), local.TokenRequest{Name: "other"})
	wantCode(t, err, hint.ApprovalNeeded)
	if n := other.Counters().Requests[fakeas.Token]; n != 0 {
		t.Errorf("the other authorization server got %d requests", n)
	}
}

func TestSingleSignOnReachesAServer(t *testing.T) {
	w := newWorld(t)
	id := jwtOf("alice")
	idp := fakeas.Start(t, fakeas.Options{Clients: []fakeas.Client{{ID: "kp-sso"}}, SubjectTokens: []string{id}})
	as := fakeas.Start(t, fakeas.Options{
		Clients:   []fakeas.Client{{ID: "kp", Secret: "client-" + word}},
		Assertion: func(a string) (string, string) { return "alice", "" },
	})
	mcp := fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer()})
	a := account.Account{Name: "work", Kind: account.Enterprise, ClientID: "kp", IDPClientID: "kp-sso", IDPTokenEndpoint: idp.URL() + "/token", TokenFile: tokenFile(t, id)}
	w.addAccount(a, "client-"+word)
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.Account = "work" })
	tok, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := as.Verify(tok.Value.Reveal(), mcp.Resource()); err != nil || claims["sub"] != "alice" {
		t.Errorf("token of %v, %v", claims["sub"], err)
	}
	// By itself the account has no place to go to.
	_, err = w.Token(t.Context(), local.TokenRequest{Name: "work"})
	wantCode(t, err, hint.Usage)
}

func TestProofsAreSignedForTheServerAlone(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.DPoP = account.DPoPAlways })
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	tok, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	if tok.Scheme != "DPoP" {
		t.Fatalf("scheme = %q", tok.Scheme)
	}
	r := local.ProveRequest{Server: "notes", Token: tok.Value, Method: "POST", URL: mcp.URL()}
	p, err := w.Prove(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := as.VerifyDPoP(tok.Value.Reveal(), mcp.Resource(), "POST", mcp.URL(), p.Proof); err != nil || claims["sub"] != "alice" {
		t.Errorf("proof: %v, %v", claims, err)
	}
	for _, url := range []string{"https://evil.example/mcp", strings.TrimSuffix(mcp.URL(), "/mcp") + "/other", as.URL() + "/token"} {
		r.URL = url
		_, err := w.Prove(t.Context(), r)
		wantCode(t, err, hint.Refused)
	}
	w.addStatic("key")
	w.add("search", "http://127.0.0.1:1/mcp", func(p *local.PutServer) { p.Server.Account, p.Offline = "key", true })
	_, err = w.Prove(t.Context(), local.ProveRequest{Server: "search", Method: "POST", URL: "http://127.0.0.1:1/mcp"})
	wantCode(t, err, hint.Refused)
}

func TestAnAccountOfOnesOwnNameIsSignedInTo(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	w.addAccount(account.Account{Name: "mine", Kind: account.OAuth}, "")
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.Account = "mine" })
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	if st := w.status("notes"); st.State != local.Ready || st.Account != "mine" || st.Identity != "alice" {
		t.Errorf("state = %+v", st)
	}
}
