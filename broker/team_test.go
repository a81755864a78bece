package broker

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/team"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
	"keyporter/internal/sshsig"
)

// profile writes a profile; servers and accounts are JSON objects' members.
func profile(servers, accounts string) []byte {
	return fmt.Appendf(nil, `{"version":1,"name":"Data team","issued_at":"2026-06-01T00:00:00Z","servers":{%s},"accounts":{%s}}`, servers, accounts)
}

func (w *world) review(text []byte) *local.Review {
	w.t.Helper()
	r, err := w.ReviewProfile(w.t.Context(), local.ReviewRequest{Profile: text})
	if err != nil {
		w.t.Fatalf("review: %s", hint.Of(err).Text())
	}
	return r
}

// join joins what was reviewed, concerns included.
func (w *world) join(r *local.Review) *local.JoinedProfile {
	w.t.Helper()
	out, err := w.JoinProfile(w.t.Context(), local.JoinRequest{Profile: r.Profile, URL: r.URL, ETag: r.ETag, Digest: r.Digest, Agreed: true})
	if err != nil {
		w.t.Fatalf("join: %s", hint.Of(err).Text())
	}
	return out
}

// told is the changes as lines: op, kind, name, members, where to, what is needed.
func told(changes []local.ProfileChange) []string {
	var lines []string
	for _, c := range changes {
		kind := "server"
		if c.Account {
			kind = "account"
		}
		l := fmt.Sprintf("%s %s %s", c.Op, kind, c.Name)
		if c.Op == local.Changed {
			for _, m := range c.Members {
				l += fmt.Sprintf(" %s:%s->%s", m.Name, m.Old, m.New)
			}
		}
		if len(c.To) > 0 {
			l += " to " + strings.Join(c.To, ",")
		}
		if c.Needs != "" {
			l += " needs " + c.Needs
		}
		lines = append(lines, l)
	}
	return lines
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func codes(r *local.Review) (all []local.ConcernCode) {
	for _, c := range r.Concerns {
		all = append(all, c.Code)
	}
	return all
}

const (
	sales   = `"sales":{"url":"https://sales.example.com/mcp","account":"key"}`
	salesA  = `"key":{"kind":"google-key","audience":"https://sales.example.com"}`
	wiki    = `"wiki":{"url":"https://wiki.example.com/mcp","scopes":["read"]}`
	elseKey = `"key":{"kind":"google-key","audience":"https://bank.example.com"}`
)

// A later version of a profile changes what came from it, and nothing else.
func TestJoinAndUpdate(t *testing.T) {
	w := newWorld(t)
	w.add("own", "https://own.example.com/mcp", func(p *local.PutServer) { p.Offline = true })
	first := w.review(profile(sales+","+wiki, salesA))
	wantLines(t, told(first.Changes), "add account key to https://sales.example.com/mcp needs own_secret", "add server sales", "add server wiki needs sign_in")
	if first.Update || first.Nothing || len(first.Concerns) > 0 {
		t.Errorf("review = %+v", first)
	}
	if len(w.snapshot().Servers) != 1 {
		t.Fatal("a review changes something")
	}
	w.join(first)
	if p := w.snapshot().Profiles; len(p) != 1 || p[0].Name != "Data team" || !slices.Equal(p[0].Servers, []string{"sales", "wiki"}) {
		t.Errorf("profiles = %+v", p)
	}
	if !w.review(profile(sales+","+wiki, salesA)).Nothing {
		t.Error("the same again does something")
	}

	// A name that the user gives, and what the user adds, stay.
	if err := w.RenameServer(t.Context(), local.Rename{Old: "wiki", New: "Notes"}); err != nil {
		t.Fatal(err)
	}
	notes, err := w.ShowServer(t.Context(), local.Name{Name: "Notes"})
	if err != nil {
		t.Fatal(err)
	}
	mine := *notes
	mine.DenyTools, mine.Scopes = []string{"delete*"}, []string{"everything"}
	if _, err := w.SetServer(t.Context(), local.PutServer{Name: "Notes", Server: mine}); err != nil {
		t.Fatal(err)
	}
	second := w.review(profile(`"wiki":{"url":"https://wiki.example.com/v2","issuer":"https://wiki.example.com"},"new":{"url":"https://new.example.com/mcp"}`, ""))
	wantLines(t, told(second.Changes),
		"add server new needs sign_in",
		"change server Notes url:https://wiki.example.com/mcp->https://wiki.example.com/v2 issuer:->https://wiki.example.com scopes:everything->",
		"remove server sales", "remove account key")
	w.join(second)
	names := w.config().ServerNames()
	if !slices.Equal(names, []string{"Notes", "new", "own"}) || len(w.config().Accounts) != 0 {
		t.Errorf("servers = %v, accounts = %v", names, w.config().AccountNames())
	}
	if s := w.config().Servers["Notes"]; s.URL != "https://wiki.example.com/v2" || !slices.Equal(s.DenyTools, []string{"delete*"}) || s.Scopes != nil {
		t.Errorf("Notes = %+v", s)
	}
	if s := w.config().Servers["own"]; s.URL != "https://own.example.com/mcp" || s.Team != nil {
		t.Errorf("own = %+v", s)
	}

	// Forgotten, it is the user's own, and the same profile is a new one.
	if err := w.ForgetProfile(t.Context(), local.Name{Name: "Data team"}); err != nil {
		t.Fatal(err)
	}
	if r := w.review(profile(wiki, "")); r.Update || told(r.Changes)[0] != "add server wiki needs sign_in" {
		t.Errorf("after forgetting: %+v", told(r.Changes))
	}
	wantCode(t, w.ForgetProfile(t.Context(), local.Name{Name: "Data team"}), hint.NotFound)
}

// A name that is taken is left to whom it belongs.
func TestJoinLeavesTakenNamesAlone(t *testing.T) {
	w := newWorld(t)
	w.add("sales", "https://mine.example.com/mcp", func(p *local.PutServer) { p.Offline = true })
	w.addStatic("key")
	w.addStatic("key-2")
	r := w.review(profile(sales, salesA))
	wantLines(t, told(r.Changes), "add account key-3 to https://sales.example.com/mcp needs own_secret", "add server sales-2")
	if r.Changes[1].As != "sales" {
		t.Errorf("As = %q", r.Changes[1].As)
	}
	w.join(r)
	cfg := w.config()
	if cfg.Servers["sales"].URL != "https://mine.example.com/mcp" || cfg.Servers["sales-2"].Account != "key-3" || cfg.Accounts["key"].Kind != account.Static {
		t.Errorf("servers = %+v", cfg.Servers)
	}
	if !w.review(profile(sales, salesA)).Nothing {
		t.Error("the same again does something")
	}
}

// Nobody agrees by accident to tokens for one place that are sent to another.
func TestJoinWantsConcernsAgreedTo(t *testing.T) {
	w := newWorld(t)
	r := w.review(profile(sales, elseKey))
	if got := codes(r); !slices.Equal(got, []local.ConcernCode{local.AudienceElsewhere}) {
		t.Fatalf("concerns = %v", got)
	}
	ask := local.JoinRequest{Profile: r.Profile, Digest: r.Digest}
	_, err := w.JoinProfile(t.Context(), ask)
	wantCode(t, err, hint.ApprovalNeeded)
	if len(w.snapshot().Servers) > 0 {
		t.Error("something was joined")
	}
	w.join(r)
	if r := w.review(profile(sales, elseKey)); !r.Nothing {
		t.Errorf("what was agreed to is asked about again: %v", codes(r))
	}
	// Access as one service account is not access as another.
	as := func(email string) []byte {
		return profile(sales, `"me":{"kind":"google-adc"},"key":{"kind":"google-impersonate","through":"me","scopes":["https://www.googleapis.com/auth/bigquery"],"target_principal":"`+email+`@p.iam.gserviceaccount.com"}`)
	}
	w2 := newWorld(t)
	w2.join(w2.review(as("reader")))
	if got := codes(w2.review(as("owner"))); !slices.Equal(got, []local.ConcernCode{local.GoogleAccess}) {
		t.Errorf("concerns about another service account = %v", got)
	}
	// The harmless one has nothing to agree to; the harmful new version has.
	if got := codes(w.review(profile(sales, strings.Replace(elseKey, "bank", "mint", 1)))); !slices.Equal(got, []local.ConcernCode{local.AudienceElsewhere}) {
		t.Errorf("concerns = %v", got)
	}
}

// What is joined is what was shown, also when files change in between.
func TestJoinDoesOnlyWhatWasReviewed(t *testing.T) {
	w := newWorld(t)
	r := w.review(profile(sales, salesA))
	other := local.JoinRequest{Profile: profile(sales, elseKey), Digest: r.Digest, Agreed: true}
	_, err := w.JoinProfile(t.Context(), other)
	wantCode(t, err, hint.ApprovalNeeded)
	w.add("sales", "https://mine.example.com/mcp", func(p *local.PutServer) { p.Offline = true })
	_, err = w.JoinProfile(t.Context(), local.JoinRequest{Profile: r.Profile, Digest: r.Digest, Agreed: true})
	wantCode(t, err, hint.ApprovalNeeded)
	if len(w.config().Accounts) > 0 {
		t.Error("an account was made")
	}
}

// A colleague's key goes only where the profile said when it was given. When a new
// version gets tokens elsewhere, the key is forgotten.
func TestJoinedAccountGetsItsSecretAndKeepsItsPlace(t *testing.T) {
	as, mcp := oauthServer(t, fakeas.Options{Clients: []fakeas.Client{{ID: "ci", Secret: word + "-ci", GrantTypes: []string{"client_credentials"}}}})
	w := newWorld(t)
	server := fmt.Sprintf(`"api":{"url":%q,"account":"ci"}`, mcp.URL())
	at := func(issuer string) string {
		return fmt.Sprintf(`"ci":{"kind":"client-credentials","client_id":"ci","issuer":%q}`, issuer)
	}
	r := w.review(profile(server, at(as.Issuer())))
	if got := codes(r); !slices.Equal(got, []local.ConcernCode{local.ThisComputer, local.IssuerElsewhere}) {
		t.Errorf("concerns = %v", got)
	}
	w.join(r)
	_, err := w.Token(t.Context(), local.TokenRequest{Name: "api"})
	wantCode(t, err, hint.SignInNeeded)
	if !strings.Contains(hint.Of(err).Text(), "account rotate ci --key-file") {
		t.Errorf("words = %q", hint.Of(err).Text())
	}
	_, err = w.Token(t.Context(), local.TokenRequest{Name: "ci"})
	wantCode(t, err, hint.SignInNeeded)
	if _, err := w.RotateAccount(t.Context(), local.PutAccount{Name: "ci", Secret: plain(word + "-ci")}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Token(t.Context(), local.TokenRequest{Name: "api"}); err != nil {
		t.Fatal(err)
	}
	evil := w.review(profile(server, at("https://evil.example.com")))
	wantLines(t, told(evil.Changes), "change account ci issuer:"+as.Issuer()+"->https://evil.example.com needs own_secret")
	if got := codes(evil); !slices.Contains(got, local.IssuerElsewhere) {
		t.Errorf("concerns = %v", got)
	}
	w.join(evil)
	_, err = w.Token(t.Context(), local.TokenRequest{Name: "api"})
	wantCode(t, err, hint.SignInNeeded)
}

// A secret that was given for one server does not follow it, or its account, to
// another origin without being asked about by itself.
func TestSecretsDoNotFollowAServerElsewhere(t *testing.T) {
	const fixed = `"key":{"kind":"static"}`
	evil := strings.Replace(sales, "sales.example.com", "evil.example.org", 1)
	for name, text := range map[string][]byte{
		"the server's address":    profile(evil, fixed),
		"another server":          profile(strings.Replace(evil, `"sales"`, `"new"`, 1), fixed),
		"a secret of another use": profile(evil, `"key":{"kind":"client-credentials","client_id":"x","token_endpoint":"https://evil.example.org/token"}`),
		"one more server":         profile(sales+","+strings.Replace(evil, `"sales"`, `"new"`, 1), fixed),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.join(w.review(profile(sales, fixed)))
			if _, err := w.RotateAccount(t.Context(), local.PutAccount{Name: "key", Secret: plain(word)}); err != nil {
				t.Fatal(err)
			}
			if r := w.review(profile(strings.Replace(sales, "/mcp", "/v2", 1), fixed)); len(r.Concerns) > 0 {
				t.Errorf("concerns about another path = %+v", r.Concerns)
			}
			r := w.review(text)
			if len(r.Concerns) != 1 {
				t.Fatalf("concerns = %+v", r.Concerns)
			}
			if between := []string{r.Concerns[0].Value, r.Concerns[0].Origin}; !slices.Contains(between, "https://sales.example.com") || !slices.Contains(between, "https://evil.example.org") {
				t.Errorf("concerns = %+v", r.Concerns)
			}
			_, err := w.JoinProfile(t.Context(), local.JoinRequest{Profile: r.Profile, Digest: r.Digest})
			wantCode(t, err, hint.ApprovalNeeded)
			w.join(r)
			if r := w.review(text); !r.Nothing {
				t.Errorf("what was agreed to is asked about again: %+v", r)
			}
		})
	}
	// Nor does an account of the user's own that config.json calls the profile's.
	w := newWorld(t)
	w.add("own", "https://own.example.com/mcp", func(p *local.PutServer) { p.Offline = true })
	w.addStatic("mine")
	own := *w.config().Servers["own"]
	own.Account = "mine"
	if _, err := w.SetServer(t.Context(), local.PutServer{Name: "own", Server: own, Bind: true}); err != nil {
		t.Fatal(err)
	}
	if err := w.editConfig(t.Context(), func(cfg *account.Config) error {
		a := *cfg.Accounts["mine"]
		a.Team = &account.TeamMark{Profile: "Data team", Name: "key"}
		cfg.Accounts["mine"] = &a
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := codes(w.review(profile(evil, fixed))); !slices.Equal(got, []local.ConcernCode{local.SeveralServers}) {
		t.Errorf("concerns = %v", got)
	}
}

// Whoever edits config.json cannot have a profile carry that into the vault.
func TestJoinTakesNothingFromAnEditedConfig(t *testing.T) {
	w := newWorld(t)
	w.join(w.review(profile(sales, salesA)))
	if err := w.editConfig(t.Context(), func(cfg *account.Config) error {
		a := *cfg.Accounts["key"]
		a.Issuer = "https://evil.example.com"
		cfg.Accounts["key"] = &a
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	_, err := w.ReviewProfile(t.Context(), local.ReviewRequest{Profile: profile(sales+","+wiki, salesA)})
	wantCode(t, err, hint.ApprovalNeeded)

	// A server that was given the account by hand does not get its tokens.
	if err := w.editConfig(t.Context(), func(cfg *account.Config) error {
		a, s := *cfg.Accounts["key"], *cfg.Servers["sales"]
		a.Issuer, s.Name, s.URL = "", "other", "https://evil.example.com/mcp"
		s.Team = &account.TeamMark{Profile: "Data team", Name: "wiki"}
		cfg.Accounts["key"], cfg.Servers["other"] = &a, &s
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r := w.review(profile(sales+","+wiki, salesA))
	w.join(r)
	for _, a := range w.snapshot().Accounts {
		if !slices.Equal(a.Origins, []string{"https://sales.example.com/mcp"}) {
			t.Errorf("tokens of %s go to %v", a.Name, a.Origins)
		}
	}
}

// An account that something of the user's own uses stays when the profile drops it.
func TestJoinReleasesAnAccountThatIsUsed(t *testing.T) {
	w := newWorld(t)
	w.join(w.review(profile(sales, `"key":{"kind":"static"}`)))
	w.add("mine", "https://sales.example.com/mcp/mine", func(p *local.PutServer) { p.Offline, p.Server.Account, p.Bind = true, "key", true })
	r := w.review(profile(wiki, ""))
	wantLines(t, told(r.Changes), "add server wiki needs sign_in", "remove server sales", "release account key")
	w.join(r)
	if a := w.config().Accounts["key"]; a == nil || a.Team != nil {
		t.Errorf("key = %+v", a)
	}
}

func TestExpiredAndFutureProfiles(t *testing.T) {
	w := newWorld(t)
	_, err := w.ReviewProfile(t.Context(), local.ReviewRequest{Profile: []byte(`{"version":1,"name":"t","expires_at":"2020-01-01T00:00:00Z","servers":{}}`)})
	wantCode(t, err, hint.Refused)
	_, err = w.ReviewProfile(t.Context(), local.ReviewRequest{Profile: []byte(`{"version":7,"name":"t"}`)})
	wantCode(t, err, hint.Failed)
}

func sshKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signedBy(t *testing.T, text []byte, key ssh.Signer) []byte {
	t.Helper()
	out, err := team.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Who signed is remembered: another signer, none, or an older version is called out.
func TestJoinNoticesAnotherSigner(t *testing.T) {
	w := newWorld(t)
	lead, stranger := sshKey(t), sshKey(t)
	first := w.review(signedBy(t, profile(wiki, ""), lead))
	if first.Signer.Standing != local.SignedUnknown || first.Signer.Fingerprint != ssh.FingerprintSHA256(lead.PublicKey()) {
		t.Errorf("signer = %+v", first.Signer)
	}
	_, err := w.JoinProfile(t.Context(), local.JoinRequest{Profile: first.Profile, Digest: first.Digest, Trust: "lead@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.review(first.Profile).Signer; got.Standing != local.SignedKnown || got.Name != "lead@example.com" {
		t.Errorf("signer = %+v", got)
	}
	if p := w.snapshot().Profiles; len(p) != 1 || p[0].Signer != "lead@example.com" {
		t.Errorf("profiles = %+v", p)
	}
	older := []byte(strings.Replace(string(profile(wiki, "")), "2026-06-01", "2026-05-01", 1))
	for name, c := range map[string]struct {
		text []byte
		want []local.ConcernCode
	}{
		"the same":   {signedBy(t, profile(sales, salesA), lead), nil},
		"a stranger": {signedBy(t, profile(wiki, ""), stranger), []local.ConcernCode{local.SignerChanged}},
		"nobody":     {profile(wiki, ""), []local.ConcernCode{local.NoLongerSigned}},
		"older":      {signedBy(t, older, lead), []local.ConcernCode{local.OlderProfile}},
	} {
		r := w.review(c.text)
		if got := codes(r); !slices.Equal(got, c.want) || r.Nothing {
			t.Errorf("%s: concerns = %v, want %v", name, got, c.want)
		}
	}
	// Another key of the same person, and one whose time is over.
	list := sshsig.Line("lead@example.com", team.Namespace, stranger.PublicKey()) + "\n" +
		strings.Replace(sshsig.Line("lead@example.com", team.Namespace, lead.PublicKey()), " ", ` valid-before="20260101Z",`, 1) + "\n"
	if err := os.WriteFile(w.paths.Signers(), []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := codes(w.review(signedBy(t, profile(wiki, ""), stranger))); got != nil {
		t.Errorf("another key of the same person: %v", got)
	}
	if r := w.review(signedBy(t, profile(wiki, ""), lead)); r.Signer.Standing != local.SignedExpired || !slices.Contains(codes(r), local.SignerExpired) {
		t.Errorf("expired key: %+v", r.Signer)
	}
	if err := os.WriteFile(w.paths.Signers(), []byte("lead\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = w.ReviewProfile(t.Context(), local.ReviewRequest{Profile: profile(wiki, "")})
	wantCode(t, err, hint.Failed)
	if !strings.Contains(hint.Of(err).Text(), "line 1") {
		t.Errorf("words = %q", hint.Of(err).Text())
	}
}

// A changed byte makes a signed profile one that cannot be joined at all.
func TestChangedProfileIsNotReviewed(t *testing.T) {
	w := newWorld(t)
	text := strings.Replace(string(signedBy(t, profile(wiki, ""), sshKey(t))), "wiki.example.com", "wikl.example.com", 1)
	_, err := w.ReviewProfile(t.Context(), local.ReviewRequest{Profile: []byte(text)})
	wantCode(t, err, hint.Refused)
}

// A profile at an address is read anew when it has changed, and asks for nothing else.
func TestProfileAtAnAddress(t *testing.T) {
	text, etag, asked := profile(wiki, ""), `"v1"`, []string{}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.Header.Get("If-None-Match"))
		switch {
		case r.URL.Path == "/plain":
			http.Redirect(rw, r, "http://example.com/profile", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/leads/"):
			http.Redirect(rw, r, "https://"+strings.TrimPrefix(r.URL.Path, "/leads/")+"/profile", http.StatusFound)
		case r.URL.Path == "/gone":
			http.NotFound(rw, r)
		case r.URL.Path == "/large":
			rw.Write(make([]byte, team.MaxSize+1))
		case r.Header.Get("If-None-Match") == etag:
			rw.WriteHeader(http.StatusNotModified)
		default:
			rw.Header().Set("ETag", etag)
			rw.Write(text)
		}
	}))
	defer srv.Close()
	w := newWorld(t)
	w.opt.HTTP = srv.Client().Transport
	w.join(w.review(text))
	r, err := w.ReviewProfile(t.Context(), local.ReviewRequest{URL: srv.URL + "/team"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Nothing || len(r.Changes) > 0 {
		t.Errorf("the same from an address, which is to be remembered: %+v", r)
	}
	w.join(r)
	if p := w.snapshot().Profiles; len(p) != 1 || p[0].URL != srv.URL+"/team" {
		t.Fatalf("profiles = %+v", p)
	}
	again, err := w.ReviewProfile(t.Context(), local.ReviewRequest{Name: "Data team"})
	if err != nil || !again.Nothing {
		t.Errorf("unchanged: %+v, %v", again, err)
	}
	text, etag = profile(wiki+","+sales, salesA), `"v2"`
	changed, err := w.ReviewProfile(t.Context(), local.ReviewRequest{Name: "Data team"})
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, told(changed.Changes), "add account key to https://sales.example.com/mcp needs own_secret", "add server sales")
	w.join(changed)
	wantLines(t, asked, "/team ", `/team "v1"`, `/team "v1"`)

	text, etag = []byte(strings.Replace(string(text), "Data team", "Others", 1)), `"v3"`
	_, err = w.ReviewProfile(t.Context(), local.ReviewRequest{Name: "Data team"})
	wantCode(t, err, hint.Refused)
	if got := codes(w.review(profile(wiki+","+sales, salesA))); !slices.Equal(got, []local.ConcernCode{local.SourceChanged}) {
		t.Errorf("from a file: %v", got)
	}
	for address, code := range map[string]hint.Code{
		srv.URL + "/plain": hint.Unreachable, srv.URL + "/leads/10.0.0.5": hint.Unreachable, srv.URL + "/leads/printer.local": hint.Unreachable, srv.URL + "/gone": hint.Failed, srv.URL + "/large": hint.Refused,
		"http://example.com/x": hint.Usage, "file:///etc/passwd": hint.Usage, "https://u:p@example.com/": hint.Usage, "/etc/passwd": hint.Usage,
	} {
		_, err := w.ReviewProfile(t.Context(), local.ReviewRequest{URL: address})
		wantCode(t, err, code)
	}
	_, err = w.ReviewProfile(t.Context(), local.ReviewRequest{URL: srv.URL + "/leads/10.0.0.5"})
	if what := hint.Of(err).What; !strings.Contains(what, "https://10.0.0.5, which is not used") {
		t.Errorf("an address that leads inside: %q", what)
	}
	_, err = w.ReviewProfile(t.Context(), local.ReviewRequest{Name: "nobody"})
	wantCode(t, err, hint.NotFound)
}

// Nothing of a full vault is in what is shared, in any encoding.
func TestShareHoldsNoSecret(t *testing.T) {
	_, mcp := oauthServer(t, fakeas.Options{})
	w := newWorld(t)
	w.add("signed", mcp.URL(), nil)
	if err := w.signIn("signed", "alice"); err != nil {
		t.Fatal(err)
	}
	w.addStatic("fixed")
	w.add("keyed", "https://keyed.example.com/mcp", func(p *local.PutServer) {
		p.Offline, p.Server.Account, p.Server.SecretHeaders = true, "fixed", []string{"X-Key"}
		p.SecretHeaders = map[string]secret.Plain{"X-Key": plain("header-" + word)}
		p.Server.ClientID = "registered"
		s := plain("client-" + word)
		p.ClientSecret = &s
	})
	out, err := w.ShareProfile(t.Context(), local.ShareRequest{Name: "all"})
	if err != nil {
		t.Fatal(hint.Of(err).Text())
	}
	n := 0
	for _, key := range w.vault.Keys("") {
		secrets, err := secretsOf(w.vault, key)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			if n++; team.Holds(out.Profile, s.Value) {
				t.Errorf("the profile holds a secret of %s", key)
			}
		}
	}
	if n < 5 || out.Searched != n { // fixed token, header, client secret, access and refresh token
		t.Errorf("%d secrets in the vault, searched for %d", n, out.Searched)
	}
	w.noSecretIn("the profile", string(out.Profile))
	wantLines(t, out.Servers, "keyed", "signed")
	wantLines(t, out.Accounts, "fixed")
}

// A secret that somebody wrote into an ordinary member is found, and nothing is
// shared.
func TestShareRefusesASecretInTheClear(t *testing.T) {
	w := newWorld(t)
	const token = "in-the-clear-and-known"
	if _, err := w.AddAccount(t.Context(), local.PutAccount{Name: "fixed", Account: account.Account{Kind: account.Static}, Secret: plain(token)}); err != nil {
		t.Fatal(err)
	}
	w.add("open", "https://open.example.com/mcp?k="+token, func(p *local.PutServer) { p.Offline = true })
	_, err := w.ShareProfile(t.Context(), local.ShareRequest{Name: "all"})
	wantCode(t, err, hint.Refused)
	for _, r := range []local.ShareRequest{{Name: "../x"}, {Name: "x", Servers: []string{"nobody"}}, {Name: "x", ExpiresAt: time.Unix(1, 0)}, {Name: "x", PublicApps: []string{"fixed"}}} {
		if _, err := w.ShareProfile(t.Context(), r); err == nil {
			t.Errorf("%+v: shared", r)
		}
	}
}

// What one shares, another joins: the same servers, with nothing of one's own.
func TestShareThenJoin(t *testing.T) {
	lead, colleague := newWorld(t), newWorld(t)
	lead.addStatic("teamkey")
	lead.add("Search", "https://search.example.com/mcp", func(p *local.PutServer) {
		p.Offline, p.Server.Account, p.Server.Proxy = true, "teamkey", "http://proxy.lead.example.com"
		p.Server.DenyTools = []string{"drop*"}
	})
	out, err := lead.ShareProfile(t.Context(), local.ShareRequest{Name: "Data team", Description: "What the data team uses"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(out.Left, local.Left{Server: "Search", What: "proxy"}) || !slices.Contains(out.Left, local.Left{Account: "teamkey", What: local.OwnSecret}) {
		t.Errorf("left = %+v", out.Left)
	}
	colleague.join(colleague.review(out.Profile))
	s := colleague.config().Servers["Search"]
	if s == nil || s.Account != "teamkey" || s.Proxy != "" || !slices.Equal(s.DenyTools, []string{"drop*"}) {
		b, _ := json.Marshal(s)
		t.Errorf("Search = %s", b)
	}
	colleague.until("what is missing to be said", func(st *local.State) bool {
		return st.Servers[0].State == local.ApprovalNeeded && strings.Contains(st.Servers[0].Problem.Text(), "account rotate")
	})
}
