package broker

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/fakemcp"
	"keyporter/internal/hint"
)

func (w *world) probe(url string) *local.Probed {
	w.t.Helper()
	p, err := w.Probe(w.t.Context(), local.ProbeRequest{URL: url})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(w.config().Servers) > 0 && p.Known == "" {
		w.t.Error("a probe added a server")
	}
	return p
}

func TestProbeSaysHowAServerLetsPeopleIn(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	p := w.probe(mcp.URL())
	if p.Wants != local.WantsSignIn || p.Kind != account.OAuth || !strings.HasPrefix(p.Says, "It signs people in at 127.0.0.1") ||
		p.Issuer == "" || p.Trouble != "" || !strings.HasPrefix(p.Name, "local-") {
		t.Errorf("probed = %+v", p)
	}
	w.add("notes", mcp.URL(), nil)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	p = w.probe(mcp.URL())
	if p.Known != "notes" || len(p.Accounts) != 1 {
		t.Errorf("a server that was added: known %q, accounts %q", p.Known, p.Accounts)
	}
}

func TestProbeOffersAKeyWhereNothingSaysWhoSignsPeopleIn(t *testing.T) {
	w := newWorld(t)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.NotFound(rw, r) // no metadata
			return
		}
		rw.Header().Set("WWW-Authenticate", `Bearer realm="service accounts"`)
		rw.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	if p := w.probe(s.URL + "/api/mcp"); p.Wants != local.WantsSignIn || !p.Guessed || p.Trouble != "" {
		t.Errorf("probed = %+v, want a sign-in that is guessed", p)
	}
	for _, c := range []struct {
		a    account.Account
		want bool
	}{
		{account.Account{Kind: account.GoogleKey, Audience: s.URL}, true},
		{account.Account{Kind: account.GoogleKey, Audience: "https://other.example"}, false},
		{account.Account{Kind: account.OAuth, Issuer: "https://other.example"}, false},
		{account.Account{Kind: account.Static}, false},
	} {
		if got := fits(&c.a, &local.Probed{Wants: local.WantsSignIn, Guessed: true, Issuer: s.URL}, s.URL); got != c.want {
			t.Errorf("%+v fits: %v", c.a, got)
		}
	}
}

func TestProbeSaysWhenAClientIDIsNeeded(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{NoRegistration: true})
	p := w.probe(mcp.URL())
	if p.Wants != local.WantsClient || p.Kind != account.OAuth || !strings.Contains(p.Says, "client id from your administrator") || p.Problem != nil {
		t.Errorf("probed = %+v", p)
	}
}

func TestProbeOfOpenServersTellsVersionAndTitle(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		options fakemcp.Options
		version string
	}{
		{fakemcp.Options{Open: true}, "2026-07-28"},
		{fakemcp.Options{Open: true, Sessions: true}, "2025-11-25"},
	} {
		p := w.probe(fakemcp.Start(t, c.options).URL())
		if p.Wants != local.WantsNothing || p.Version != c.version || p.Title == "" || p.Problem != nil {
			t.Errorf("probed = %+v, want an open server of %s", p, c.version)
		}
	}
}

func TestProbeNamesWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	origin := strings.TrimSuffix(mcp.URL(), fakemcp.Path)
	answering := func(status int, header, value string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set(header, value)
			}
			w.WriteHeader(status)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, c := range []struct {
		url     string
		trouble local.Trouble
		try     string
		do      string
	}{
		{origin + "/wrong", local.TroubleNotFound, mcp.URL(), "often use /mcp"},
		{answering(308, "Location", mcp.URL()), local.TroubleMoved, mcp.URL(), "the address that it points to"},
		{answering(308, "Location", "file:///etc/passwd"), local.TroubleMoved, "", ""},
		{answering(503, "", ""), local.TroubleServer, "", "later"},
		{answering(403, "", ""), local.TroubleRefused, "", "owner"},
		{answering(200, "Content-Type", "text/html"), local.TroubleNotMCP, "", "/mcp"},
		{closed.URL, local.TroubleUnreachable, "", "address"},
		{"ftp://example.com", local.TroubleAddress, "", "https://"},
		{"https://user:SECRETWORD@example.com/", local.TroubleAddress, "", ""},
		{"http://mcp.example.com/", local.TroubleAddress, "https://mcp.example.com/", "https://"},
		{"mcp.example.com/mcp", local.TroubleAddress, "https://mcp.example.com/mcp", "https://"},
		{"mcp", local.TroubleAddress, "", "https://"},
		{"http://user:SECRETWORD@example.com/", local.TroubleAddress, "", ""},
	} {
		p := w.probe(c.url)
		if p.Trouble != c.trouble || p.Try != c.try || p.Problem == nil || !strings.Contains(p.Problem.Do, c.do) || p.Wants != "" {
			t.Errorf("%s: trouble %q, try %q, %v; want %q, %q, %q", c.url, p.Trouble, p.Try, p.Problem, c.trouble, c.try, c.do)
		}
		w.noSecretIn("the problem", p.Problem.Text()+p.Problem.Error())
	}
}

// A server that names an authorization server inside a private network is not
// followed there, as when it is added.
func TestProbeFollowsTheAddressRule(t *testing.T) {
	w := newWorld(t)
	reached := false
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(inside.Close)
	port := inside.URL[strings.LastIndexByte(inside.URL, ':'):]
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = rw.Write([]byte(`{"resource":"` + s.URL + `","authorization_servers":["http://localhost` + port + `"]}`))
			return
		}
		rw.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+s.URL+`/.well-known/oauth-protected-resource"`)
		rw.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	p := w.probe(s.URL)
	if p.Trouble != local.TroubleSignIn || hint.CodeOf(p.Problem) != hint.Refused || reached {
		t.Errorf("probed = %+v (reached: %t), want a refusal", p, reached)
	}
}

func TestProbeProposesAKeyThatFits(t *testing.T) {
	w := newWorld(t)
	google, err := fakegoogle.Start(fakegoogle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer google.Close()
	add := func(name string, a account.Account) {
		t.Helper()
		key, err := google.NewKey("etl@project.iam.gserviceaccount.com")
		if err != nil {
			t.Fatal(err)
		}
		a.Kind = account.GoogleKey
		st, err := w.AddAccount(t.Context(), local.PutAccount{
			Name: name, Account: a, Secret: plain(string(key)), AllowTokenURI: google.TokenURI(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if !st.Verified || st.KeyID == "" {
			t.Errorf("account = %+v, want it read back, with the end of its key id", st)
		}
	}
	add("right", account.Account{Audience: "https://sales-mcp-abcdefghij-uc.a.run.app/"})
	add("other", account.Account{Audience: "https://other-abcdefghij-uc.a.run.app"})
	add("scoped", account.Account{Scopes: []string{"https://www.googleapis.com/auth/bigquery"}})
	u, err := url.Parse("https://sales-mcp-abcdefghij-uc.a.run.app/mcp")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.fitting(w.config(), &local.Probed{Wants: local.WantsIDToken}, u); !slices.Equal(got, []string{"right"}) {
		t.Errorf("fitting accounts are %q", got)
	}
}

func TestProposedNames(t *testing.T) {
	for address, want := range map[string]string{
		"https://mcp.notion.com/mcp":                              "notion",
		"https://mcp.linear.app/sse":                              "linear",
		"https://example.com":                                     "example",
		"https://api.githubcopilot.com/mcp/":                      "githubcopilot",
		"https://sales-mcp-abcdefghij-uc.a.run.app/api/mcp":       "sales-mcp",
		"https://sales-123456789012.europe-west1.run.app/mcp":     "sales",
		"http://127.0.0.1:8080/mcp":                               "local-8080",
		"http://localhost/mcp":                                    "local",
		"https://mcp.example/":                                    "mcp",
		"https://" + strings.Repeat("a", 70) + ".example.com/mcp": "server",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := proposeName(u); got != want {
			t.Errorf("proposeName(%s) = %q, want %q", address, got, want)
		}
	}
}

func TestProvidersAreNamedAsPeopleSay(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://accounts.google.com": "Google", "https://login.microsoftonline.com/tenant/v2.0": "Microsoft",
		"https://acme.okta.com/oauth2/default": "Okta", "https://okta.com.evil.example": "okta.com.evil.example", "https://notgithub.com": "notgithub.com",
	} {
		if got := provider(issuer); got != want {
			t.Errorf("provider(%s) = %q, want %q", issuer, got, want)
		}
	}
}

func TestClaimedTextsAreCleaned(t *testing.T) {
	h := parseHello([]byte(`{"result":{"protocolVersion":"2025-11-25","serverInfo":{"name":"a\u001b[31m\u202eb` + strings.Repeat("x", 60) + `"}}}`))
	if strings.ContainsAny(h.title, "\x1b\u202e") || len([]rune(h.title)) != 40 || h.version != "2025-11-25" {
		t.Errorf("hello = %q", h)
	}
	if h := parseHello([]byte(`{"result":{"supportedVersions":["2025-06-18","2026-07-28"]}}`)); h.version != "2026-07-28" {
		t.Errorf("hello = %q", h)
	}
}

func TestSettingsAreStoredAndWatched(t *testing.T) {
	w := newWorld(t)
	got, err := w.SetSettings(t.Context(), local.SetSettings{Values: map[string]string{"language": "ja", "notifications": "off"}})
	if err != nil || got.Language != account.Japanese || got.Notifications != account.NotificationsOff {
		t.Fatalf("settings = %+v, %v", got, err)
	}
	w.until("the settings in the state", func(s *local.State) bool { return s.Settings == *got })
	_, err = w.SetSettings(t.Context(), local.SetSettings{Values: map[string]string{"language": "en", "notifications": "loud"}})
	wantCode(t, err, hint.Usage)
	if now := w.snapshot().Settings; now != *got {
		t.Errorf("a refused change left %+v", now)
	}
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	w.raiseNotice("notes", "Cursor")
	w.raiseNotice("notes", "another")
	if n := w.snapshot().Notices; len(n) != 1 || n[0].Program != "Cursor" {
		t.Errorf("notices = %+v, want one, of the program that asked first", n)
	}
	if _, notices := w.seen(); notices != 0 || len(w.snapshot().Notices) != 1 {
		t.Errorf("%d notifications were shown and %d wait, want 0 and 1", notices, len(w.snapshot().Notices))
	}
}

func TestAnAnswerToTheProbeIsJudgedByWhatItSays(t *testing.T) {
	for text, want := range map[string]bool{
		`{"jsonrpc":"2.0","id":1,"result":{}}`:                             true,
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}`:  true,
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":""}}`: true,
		`{"jsonrpc":"2.0","error":{"code":-32000,"message":""}}`:           true,
		`{"jsonrpc":"2.0","method":"notifications/message","params":{}}`:   true,
		`{"jsonrpc":"2.0","id":1,"result":`:                                false,
		`{"jsonrpc":"2.0","id":77,"result":{}}`:                            false,
		`{"jsonrpc":"2.0","id":"1","result":{}}`:                           false,
		`{"jsonrpc":"2.0","id":77,"error":{"code":1,"message":""}}`:        false,
		`{"jsonrpc":"1.0","id":1,"result":{}}`:                             false,
		`{"id":1,"result":{"text":"\"jsonrpc\""}}`:                         false,
		`{"jsonrpc":"2.0","id":1}`:                                         false,
		`[]`:                                                               false,
		``:                                                                 false,
	} {
		if got := speaksMCP([]byte(text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
