package broker

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/policy"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

// rules are policies that a test changes while the Broker runs.
type rules struct {
	mu  sync.Mutex
	set policy.Set
}

func (r *rules) load() policy.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set
}

// systemPolicy is the system's own policy with that text.
func systemPolicy(text string) policy.Set {
	return policy.Set{policy.System([]byte(text), "/etc/keyporter/policy.json")}
}

func wantPolicy(t *testing.T, err error) {
	t.Helper()
	wantCode(t, err, hint.Refused)
	if h := hint.Of(err); !strings.Contains(h.What, "/etc/keyporter/policy.json") || h.Do == "" {
		t.Errorf("words = %q, want the policy's file", h.Text())
	}
}

// under starts the Broker again under a policy.
func (w *world) under(text string) {
	w.t.Helper()
	w.stop()
	r := &rules{set: systemPolicy(text)}
	w.policy = r.load
	w.start()
}

// A policy counts for what is there already, also by hand, and for what is new.
func TestPolicyFixesOriginsAndKinds(t *testing.T) {
	as, mcp := oauthServer(t, fakeas.Options{})
	w := newWorld(t)
	w.add("mine", mcp.URL(), nil)
	if err := w.signIn("mine", "alice"); err != nil {
		t.Fatal(err)
	}
	w.addStatic("fixed")
	w.add("inside", "https://a.example.com/mcp", func(p *local.PutServer) { p.Offline, p.Server.Account = true, "fixed" })
	_ = as
	w.under(`{"version":1,"organisation":"Example","allowed_origins":["https://*.example.com"],"allowed_kinds":["oauth","google-impersonate"]}`)

	for _, name := range []string{"mine", "inside"} {
		_, err := w.Token(t.Context(), local.TokenRequest{Name: name})
		wantPolicy(t, err)
		if st := w.status(name); st.State != local.Failed || st.Problem == nil || !strings.Contains(st.Problem.What, "Example") {
			t.Errorf("%s = %+v", name, st)
		}
		if st, err := w.bridgeState(name); err != nil || st.Status == local.Ready || st.Status == local.Unknown || st.Token != nil {
			t.Errorf("a bridge of %s gets %+v, %v", name, st, err)
		}
	}
	_, err := w.Token(t.Context(), local.TokenRequest{Name: "fixed"})
	wantPolicy(t, err)
	wantPolicy(t, w.signIn("mine", "alice"))
	wantPolicy(t, w.startSignIn(w.config().Servers["mine"], bridge))
	_, err = w.AddServer(t.Context(), local.PutServer{Name: "new", Server: account.Server{URL: "https://example.com.evil.example/mcp"}, Offline: true})
	wantPolicy(t, err)
	_, err = w.SetServer(t.Context(), local.PutServer{Name: "inside", Server: account.Server{URL: "https://other.example.org"}})
	wantPolicy(t, err)
	_, err = w.AddServer(t.Context(), local.PutServer{Name: "keyed", Server: account.Server{URL: "https://a.example.com/mcp", SecretHeaders: []string{"X-Key"}}, Offline: true})
	wantPolicy(t, err)
	_, err = w.AddAccount(t.Context(), local.PutAccount{Name: "key", Account: account.Account{Kind: account.Static}, Secret: plain("x" + word)})
	wantPolicy(t, err)
	_, err = w.ReviewProfile(t.Context(), local.ReviewRequest{Profile: profile(sales, salesA)})
	wantPolicy(t, err)
	_, err = w.ReviewProfile(t.Context(), local.ReviewRequest{Profile: profile(`"s":{"url":"https://elsewhere.org"}`, "")})
	wantPolicy(t, err)
	if err := w.editConfig(t.Context(), func(cfg *account.Config) error {
		cfg.Servers["hand"] = &account.Server{Name: "hand", URL: "https://hand.example.org/mcp"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if st := w.status("hand"); st.State != local.Failed {
		t.Errorf("a server written by hand is %s", st.State)
	}
	w.add("fine", "https://fine.example.com/mcp", func(p *local.PutServer) { p.Offline = true })
	if st := w.status("fine"); st.State != local.Unknown {
		t.Errorf("an allowed server is %s: %v", st.State, st.Problem)
	}
}

func TestPolicyFixesSettings(t *testing.T) {
	w := newWorld(t)
	if _, err := w.SetSettings(t.Context(), local.SetSettings{Values: map[string]string{"language": "en"}}); err != nil {
		t.Fatal(err)
	}
	w.under(`{"version":1,"settings":{"language":"ja","not-known-yet":"always"}}`)
	if got := w.snapshot(); got.Settings.Language != account.Japanese || len(got.Policies) != 1 || !slices.Equal(got.Policies[0].Unknown, []string{"not-known-yet"}) {
		t.Errorf("settings = %+v, policies = %+v", got.Settings, got.Policies)
	}
	_, err := w.SetSettings(t.Context(), local.SetSettings{Values: map[string]string{"language": "en", "notifications": "off"}})
	wantPolicy(t, err)
	now, err := w.SetSettings(t.Context(), local.SetSettings{Values: map[string]string{"notifications": "off"}})
	if err != nil || now.Language != account.Japanese {
		t.Errorf("settings = %+v, %v", now, err)
	}
	w.under(`{"version":1}`)
	if got := w.snapshot().Settings; got.Language != account.English || got.Notifications != account.NotificationsOff {
		t.Errorf("without the policy the settings are %+v", got)
	}
}

// A lock that is broken stays shut.
func TestPolicyThatCannotBeReadAllowsNothing(t *testing.T) {
	w := newWorld(t)
	w.add("s", "https://s.example.com/mcp", func(p *local.PutServer) { p.Offline = true })
	w.under(`{"version":1,"allowed_origin":["https://s.example.com"]}`)
	if st := w.status("s"); st.State != local.Failed {
		t.Errorf("s is %s", st.State)
	}
	_, err := w.AddServer(t.Context(), local.PutServer{Name: "t", Server: account.Server{URL: "https://s.example.com/mcp"}, Offline: true})
	wantPolicy(t, err)
	if p := w.snapshot().Policies; len(p) != 1 || p[0].Problem == nil {
		t.Errorf("policies = %+v", p)
	}
}

// Everybody joins the profile of the policy, without being asked, and it stays.
func TestPolicyProfileIsJoinedByEverybody(t *testing.T) {
	w := newWorld(t)
	key := sshKey(t)
	file := filepath.Join(t.TempDir(), "team.keyporter.json")
	write := func(text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(signedBy(t, profile(sales, elseKey), key))
	signer := "lead@example.com " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
	text := `{"version":1,"profile":"` + file + `","signers":["` + signer + `"]}`
	w.under(text)
	joined := func(server string) func(*local.State) bool {
		return func(st *local.State) bool {
			return len(st.Profiles) == 1 && slices.Equal(st.Profiles[0].Servers, []string{server})
		}
	}
	w.until("the profile to be joined", joined("sales"))
	w.until("its name to be known", func(*local.State) bool { return w.mayForget("Data team") != nil })
	wantCode(t, w.ForgetProfile(t.Context(), local.Name{Name: "Data team"}), hint.Refused)

	// A new version comes by itself; one that somebody else signed does not.
	write(signedBy(t, profile(wiki, ""), key))
	w.under(text)
	w.until("the new version to be joined", joined("wiki"))
	write(signedBy(t, profile(sales, salesA), sshKey(t)))
	w.under(text)
	w.until("what is wrong to be said", func(st *local.State) bool { return st.Policies[0].Problem != nil })
	if !joined("wiki")(w.snapshot()) {
		t.Errorf("profiles = %+v", w.snapshot().Profiles)
	}
	_, err := w.ReviewProfile(t.Context(), local.ReviewRequest{Profile: profile(wiki, "")})
	wantPolicy(t, err)
	r := w.review(signedBy(t, profile(wiki, ""), key))
	if r.Signer.Name != "lead@example.com" {
		t.Errorf("signer = %+v", r.Signer)
	}
}
