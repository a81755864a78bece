package team

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"keyporter/assets"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

const word = "SECRETWORD"

var now = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

// rich is a configuration with something of everything.
func rich() *account.Config {
	c := &account.Config{
		Servers: map[string]*account.Server{
			"wiki":  {URL: "https://wiki.example.com/mcp", Account: "wiki", Scopes: []string{"read"}, SignIn: account.SignInBrowser, Proxy: "http://proxy.example.com", CA: "/etc/ca.pem"},
			"sales": {URL: "https://sales.run.app/mcp", Account: "sales-sa", TokenHeader: "X-Serverless-Authorization", AlsoAccounts: map[string]string{"Authorization": "fixed"}},
			"find": {URL: "https://find.example.com/mcp", SecretHeaders: []string{"X-API-Key"},
				Headers: map[string]string{"X-Tenant": "acme", "X-Old-Api-Key": word}},
			"batch": {URL: "https://batch.example.com/mcp", Account: "job"},
		},
		Accounts: map[string]*account.Account{
			"wiki":     {Kind: account.OAuth, Issuer: "https://id.example.com"},
			"me":       {Kind: account.Google, ClientID: "1.apps.googleusercontent.com"},
			"sales-sa": {Kind: account.GoogleImpersonate, Through: "me", TargetPrincipal: "sales@p.iam.gserviceaccount.com", Audience: "https://sales.run.app"},
			"fixed":    {Kind: account.Static},
			"job":      {Kind: account.Workload, ClientID: "job", TokenFile: "/var/run/token"},
		},
	}
	for n, s := range c.Servers {
		s.Name = n
	}
	for n, a := range c.Accounts {
		a.Name = n
	}
	return c
}

func build(t *testing.T, o Options) (*Profile, []local.Left, []byte) {
	t.Helper()
	o.Name, o.IssuedAt = "Data team", now
	p, left, err := Build(o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return p, left, b
}

// A key in an address is as much a secret as one in a header.
func TestBuildLeavesKeysInAddressesOut(t *testing.T) {
	c := rich()
	c.Servers["wiki"].URL = "https://wiki.example.com/mcp?tenant=acme&api%5Fkey=" + word + "&page=1"
	p, left, text := build(t, Options{Config: c, Servers: []string{"wiki"}})
	if got := p.Servers["wiki"].URL; got != "https://wiki.example.com/mcp?tenant=acme&page=1" || bytes.Contains(text, []byte(word)) {
		t.Errorf("the address is %s", got)
	}
	if !slices.Contains(left, local.Left{Server: "wiki", What: "url.api%5Fkey"}) {
		t.Errorf("left = %+v", left)
	}
}

func TestBuildCarriesWhatATeamShares(t *testing.T) {
	_, left, text := build(t, Options{Config: rich()})
	back, err := Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	sales, sa := back.Servers["sales"], back.Accounts["sales-sa"]
	if sales == nil || sales.TokenHeader != "X-Serverless-Authorization" || sales.AlsoAccounts["Authorization"] != "fixed" {
		t.Errorf("sales = %+v", sales)
	}
	if sa == nil || sa.TargetPrincipal != "sales@p.iam.gserviceaccount.com" || sa.Through != "me" || back.Accounts["me"] == nil || back.Accounts["fixed"] == nil {
		t.Errorf("accounts = %v", back.AccountNames())
	}
	if w := back.Servers["wiki"]; w.Account != "" || w.Proxy+w.CA+string(w.SignIn) != "" || !slices.Equal(w.Scopes, []string{"read"}) {
		t.Errorf("wiki = %+v", w)
	}
	if f := back.Servers["find"]; f.Headers["X-Tenant"] != "acme" || len(f.Headers) != 1 || len(f.SecretHeaders) != 1 {
		t.Errorf("find = %+v", f)
	}
	want := []local.Left{
		{Server: "batch", What: local.OwnAccount},
		{Server: "find", What: "headers.X-Old-Api-Key"}, {Server: "find", What: local.OwnSecret},
		{Account: "fixed", What: local.OwnSecret}, {Account: "me", What: local.OwnSecret},
		{Server: "wiki", What: "ca"}, {Server: "wiki", What: "proxy"}, {Server: "wiki", What: "sign_in"},
	}
	for _, l := range left {
		if !slices.Contains(want, l) {
			t.Errorf("left out %+v, which was not expected", l)
		}
	}
	for _, l := range want {
		if !slices.Contains(left, l) {
			t.Errorf("%+v is not said to be left out", l)
		}
	}
	if strings.Contains(string(text), word) {
		t.Error("the profile holds a secret")
	}
	valid(t, text)
}

// valid checks a profile against the schema that is shipped.
func valid(t *testing.T, text []byte) {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal(assets.ProfileSchema, &schema); err != nil {
		t.Fatal(err)
	}
	r, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if err := r.Validate(v); err != nil {
		t.Errorf("schema: %v\n%s", err, text)
	}
}

// The schema and the code have the same members.
func TestSchemaNamesTheMembersThatAreRead(t *testing.T) {
	var schema struct {
		Properties map[string]any
		Defs       map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(assets.ProfileSchema, &schema); err != nil {
		t.Fatal(err)
	}
	same := func(what string, got map[string]any, want []string) {
		slices.Sort(want)
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Compact(want)) {
			t.Errorf("%s: the schema has %v, the code %v", what, names, want)
		}
	}
	accounts := []string{"kind", clientSecret}
	for _, list := range accountMembers {
		accounts = append(accounts, list...)
	}
	same("server", schema.Defs["server"].Properties, slices.Clone(serverMembers))
	same("account", schema.Defs["account"].Properties, accounts)
	var top []string
	for f := range reflect.TypeFor[file]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		top = append(top, name)
	}
	same("profile", schema.Properties, top)
}

// A new member of a record has to be put into one of the lists on purpose.
func TestEveryMemberIsCarriedOrKept(t *testing.T) {
	kept := map[string][]string{
		"server":  notCarried,
		"account": {"token_uri", "key_id", "token_file"},
	}
	carried := map[string][]string{"server": serverMembers, "account": {"kind"}}
	for _, list := range accountMembers {
		carried["account"] = append(carried["account"], list...)
	}
	for what, record := range map[string]reflect.Type{"server": reflect.TypeFor[account.Server](), "account": reflect.TypeFor[account.Account]()} {
		for _, f := range reflect.VisibleFields(record) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" || name == "team" {
				continue
			}
			if slices.Contains(carried[what], name) == slices.Contains(kept[what], name) {
				t.Errorf("the member %s of a %s is neither among those that a profile carries nor among those that it does not", name, what)
			}
		}
	}
}

// entry makes a profile with one server and one account, each a JSON object.
func entry(server, acct string) string {
	return fmt.Sprintf(`{"version":1,"name":"t","servers":{"s":%s},"accounts":{"a":%s}}`, server, acct)
}

const (
	plainServer  = `{"url":"https://s.example.com/mcp","account":"a"}`
	plainAccount = `{"kind":"static"}`
)

// What a stranger could write into a profile is refused whole, and said.
func TestHostileProfilesAreRefused(t *testing.T) {
	server := func(member string) string {
		return entry(`{"url":"https://s.example.com/mcp",`+member+`}`, plainAccount)
	}
	for name, c := range map[string]struct{ text, says string }{
		"empty":                  {"", "cut off"},
		"cut":                    {entry(plainServer, plainAccount)[:60], "cut off"},
		"other JSON":             {`{"mcpServers":{}}`, "another kind of file"},
		"no JSON":                {"hello", "not JSON"},
		"two documents":          {entry(plainServer, plainAccount) + "{}", "behind its end"},
		"future":                 {strings.Replace(entry(plainServer, plainAccount), `"version":1`, `"version":2`, 1), "newer Keyporter"},
		"future with a new form": {`{"version":2,"things":[]}`, "newer Keyporter"},
		"version that is none":   {strings.Replace(entry(plainServer, plainAccount), `"version":1`, `"version":"1"`, 1), "another kind of file"},
		"duplicate name":         {strings.Replace(entry(plainServer, plainAccount), `"name":"t"`, `"name":"t","name":"u"`, 1), "stands twice"},
		"duplicate in a server":  {entry(`{"url":"https://s.example.com","url":"https://evil.example.com"}`, plainAccount), "stands twice"},
		"duplicate by escape":    {entry(`{"url":"https://s.example.com","\u0075rl":"https://evil.example.com"}`, plainAccount), "stands twice"},
		"unknown member":         {strings.Replace(entry(plainServer, plainAccount), `"name":"t"`, `"name":"t","run":"rm"`, 1), "run"},
		"member in other case":   {server(`"URL":"https://evil.example.com"`), "URL"},
		"command":                {server(`"command":"/bin/sh"`), "command"},
		"file":                   {server(`"ca":"/home/me/ca.pem"`), "ca"},
		"proxy":                  {server(`"proxy":"http://evil.example.com"`), "proxy"},
		"opens a browser":        {server(`"sign_in":"browser"`), "sign_in"},
		"allows http":            {server(`"allow_http":true`), "allow_http"},
		"http":                   {entry(`{"url":"http://s.example.com"}`, plainAccount), "http://"},
		"file address":           {entry(`{"url":"file:///etc/passwd"}`, plainAccount), "cannot be used"},
		"user in the address":    {entry(`{"url":"https://good.example.com@evil.example.com"}`, plainAccount), "user name"},
		"look-alike host":        {entry(`{"url":"https://ex\u0430mple.com"}`, plainAccount), "ASCII"},
		"issuer over http":       {server(`"issuer":"http://evil.example.com"`), "http://"},
		"redirect elsewhere":     {server(`"redirect_uri":"https://evil.example.com/cb"`), "redirect URI"},
		"redirect in the preset": {server(`"preset":{"redirect_uri":"http://evil.example.com"}`), "redirect URI"},
		"preset that is none":    {server(`"preset":{"run":"x"}`), "preset"},
		"token in a header":      {server(`"headers":{"authorization":"Bearer x"}`), "is for tokens"},
		"header of the protocol": {server(`"headers":{"Host":"evil.example.com"}`), "Host"},
		"account of the reader":  {strings.Replace(entry(plainServer, plainAccount), `"account":"a"`, `"account":"mine"`, 1), "not in it"},
		"through the reader's":   {entry(plainServer, `{"kind":"google-impersonate","through":"mine","audience":"https://s.example.com","target_principal":"x@p.iam.gserviceaccount.com"}`), "not in it"},
		"secret":                 {entry(plainServer, `{"kind":"static","secret":"x"}`), "secret"},
		"client secret":          {entry(plainServer, `{"kind":"client-credentials","client_id":"x","client_secret":"x"}`), "client_secret"},
		"token file":             {entry(plainServer, `{"kind":"enterprise","client_id":"x","idp_client_id":"x","idp_token_endpoint":"https://x.example.com","token_file":"/etc/passwd"}`), "token_file"},
		"workload":               {entry(plainServer, `{"kind":"workload","client_id":"x","token_file":"/etc/passwd"}`), "kind"},
		"token_uri":              {entry(plainServer, `{"kind":"google-key","audience":"https://s.example.com","token_uri":"https://evil.example.com"}`), "token_uri"},
		"null":                   {entry(`null`, plainAccount), "cannot be used"},
		"path as a name":         {strings.Replace(entry(plainServer, plainAccount), `"s":`, `"../s":`, 1), "cannot be a name"},
		"control character":      {server(`"client_id":"a\u001b[2J"`), "U+001B"},
		"line end":               {server(`"client_id":"a\nb"`), "U+000A"},
		"right to left":          {strings.Replace(entry(plainServer, plainAccount), `"name":"t"`, `"name":"t\u202e"`, 1), "U+202E"},
		"isolate":                {strings.Replace(entry(plainServer, plainAccount), `"name":"t"`, `"name":"t","description":"\u2066x"`, 1), "U+2066"},
		"zero width":             {server(`"scopes":["a\u200bb"]`), "U+200B"},
		"hidden in a name":       {server(`"headers":{"X\u00adY":"z"}`), "U+00AD"},
		"empty cell":             {strings.Replace(entry(plainServer, plainAccount), `"name":"t"`, `"name":"t","description":"x\u2800"`, 1), "U+2800"},
		"filler":                 {strings.Replace(entry(plainServer, plainAccount), `"name":"t"`, `"name":"t","description":"x\u115f"`, 1), "U+115F"},
		"look-alike server":      {strings.Replace(entry(plainServer, plainAccount), `"s":`, `"n\u043etion":`, 1), "look alike"},
		"look-alike profile":     {strings.Replace(entry(plainServer, plainAccount), `"name":"t"`, `"name":"Data te\u0430m"`, 1), "look alike"},
		"reference to a file":    {entry(plainServer, `{"kind":"static","secret_ref":"file:///etc/passwd"}`), "not a reference"},
		"reference over http":    {entry(plainServer, `{"kind":"static","secret_ref":"vault://secret/x?address=http://evil.example.com"}`), "not the address"},
		"broken UTF-8":           {server("\"client_id\":\"\xff\""), "not JSON"},
		"long text":              {server(`"client_id":"` + strings.Repeat("x", maxText+1) + `"`), "longer than"},
		"large":                  {strings.Repeat(" ", MaxSize) + entry(plainServer, plainAccount), "larger than"},
		"deep":                   {`{"version":1,"name":` + strings.Repeat("[", 20000), "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Parse([]byte(c.text))
			if err == nil {
				t.Fatalf("accepted: %+v", p)
			}
			h := hint.Of(err)
			if !strings.Contains(h.Text(), c.says) || h.Do == "" {
				t.Errorf("says %q, want %q in it", h.Text(), c.says)
			}
			if strings.ContainsFunc(h.Text(), hidden) {
				t.Errorf("the words have hidden characters: %q", h.Text())
			}
		})
	}
	plain := entry(plainServer, plainAccount)
	for _, text := range []string{plain, strings.Replace(plain, `"s":`, `"Sales 売上データ":`, 1), strings.Replace(plain, `"s":`, `"продажи 2":`, 1)} {
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("a plain one: %v", err)
		}
	}
}

func TestConcerns(t *testing.T) {
	for name, c := range map[string]struct {
		server, acct string
		want         []local.ConcernCode
	}{
		"own audience":         {`"account":"a"`, `{"kind":"google-key","audience":"https://s.example.com"}`, nil},
		"own audience, path":   {`"account":"a"`, `{"kind":"google-key","audience":"https://s.example.com/mcp"}`, nil},
		"other audience":       {`"account":"a"`, `{"kind":"google-key","audience":"https://bank.example.com"}`, []local.ConcernCode{local.AudienceElsewhere}},
		"look-alike":           {`"account":"a"`, `{"kind":"google-key","audience":"https://s.example.com.evil.example"}`, []local.ConcernCode{local.AudienceElsewhere}},
		"IAP client id":        {`"account":"a"`, `{"kind":"google-key","audience":"123.apps.googleusercontent.com"}`, []local.ConcernCode{local.AudienceElsewhere}},
		"second layer":         {`"also_accounts":{"X-Serverless-Authorization":"a"}`, `{"kind":"google-key","audience":"https://bank.example.com"}`, []local.ConcernCode{local.AudienceElsewhere}},
		"access token":         {`"account":"a"`, `{"kind":"google-key","scopes":["https://www.googleapis.com/auth/cloud-platform"]}`, []local.ConcernCode{local.GoogleAccess}},
		"person's token":       {`"account":"a"`, `{"kind":"google","client_id":"x"}`, []local.ConcernCode{local.GoogleAccess}},
		"issuer of sign-in":    {`"issuer":"https://id.example.com"`, plainAccount, []local.ConcernCode{local.IssuerElsewhere}},
		"client of any issuer": {`"client_id":"x","scopes":["https://graph.microsoft.com/.default"]`, plainAccount, []local.ConcernCode{local.SignInChanged}},
		"client at home":       {`"client_id":"x","issuer":"https://s.example.com"`, plainAccount, nil},
		"issuer at home":       {`"issuer":"https://s.example.com/realm"`, plainAccount, nil},
		"issuer of account":    {`"account":"a"`, `{"kind":"client-credentials","client_id":"x","issuer":"https://id.example.com"}`, []local.ConcernCode{local.IssuerElsewhere}},
		"token endpoint":       {`"account":"a"`, `{"kind":"client-credentials","client_id":"x","token_endpoint":"https://id.example.com/t"}`, []local.ConcernCode{local.IssuerElsewhere}},
		"resource":             {`"resource":"https://bank.example.com"`, plainAccount, []local.ConcernCode{local.ResourceElsewhere}},
		"audience of Auth0":    {`"audience":"urn:bank"`, plainAccount, []local.ConcernCode{local.AudienceElsewhere}},
		"no resource":          {`"no_resource":true`, plainAccount, []local.ConcernCode{local.NoResource}},
		"ID token":             {`"use_id_token":true`, plainAccount, []local.ConcernCode{local.SendsIDToken}},
		"parameter":            {`"authorize_params":{"claims":"{}"}`, plainAccount, []local.ConcernCode{local.SignInChanged}},
		"harmless parameter":   {`"authorize_params":{"hd":"example.com"}`, plainAccount, nil},
		"preset":               {`"preset":{"no_resource":true}`, plainAccount, []local.ConcernCode{local.SignInChanged}},
		"private host":         {`"allow_hosts":["10.0.0.1"]`, plainAccount, []local.ConcernCode{local.PrivateHost}},
		"reference":            {`"account":"a"`, `{"kind":"static","secret_ref":"vault://v.example.com/x"}`, []local.ConcernCode{local.SecretElsewhere}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Parse([]byte(entry(`{"url":"https://s.example.com/mcp",`+c.server+`}`, c.acct)))
			if err != nil {
				t.Fatal(hint.Of(err).Text())
			}
			var got []local.ConcernCode
			for _, concern := range p.Concerns() {
				got = append(got, concern.Code)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("concerns = %v, want %v", got, c.want)
			}
		})
	}
	two := `{"version":1,"name":"t","servers":{"s":` + plainServer + `,"u":{"url":"https://u.example.com","account":"a"},"v":{"url":"http://127.0.0.1:1/mcp"}},"accounts":{"a":{"kind":"static"}}}`
	p, err := Parse([]byte(two))
	if err != nil {
		t.Fatal(err)
	}
	want := []local.Concern{
		{Code: local.SeveralServers, Server: "u", Account: "a", Value: "https://s.example.com", Origin: "https://u.example.com"},
		{Code: local.ThisComputer, Server: "v", Value: "http://127.0.0.1:1/mcp", Origin: "http://127.0.0.1:1"},
	}
	if got := p.Concerns(); !slices.Equal(got, want) {
		t.Errorf("concerns = %+v, want %+v", got, want)
	}
}

func TestClientSecretOnlyWhereItWasDeclared(t *testing.T) {
	secrets := map[string]secret.Plain{"me": {Value: secret.New("GOCSPX-public")}, "fixed": {Value: secret.New(word)}}
	_, left, text := build(t, Options{Config: rich(), ClientSecrets: secrets})
	if !strings.Contains(string(text), "GOCSPX-public") || strings.Contains(string(text), word) {
		t.Errorf("profile = %s", text)
	}
	if slices.Contains(left, local.Left{Account: "me", What: local.OwnSecret}) {
		t.Error("a client secret that is carried is said to be left out")
	}
	back, err := Parse(text)
	if err != nil || back.ClientSecrets["me"] != "GOCSPX-public" {
		t.Errorf("read back %v, %v", back, err)
	}
	valid(t, text)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(entry(plainServer, plainAccount)))
	f.Add([]byte(entry(`{"url":"https://s.example.com","preset":{"no_resource":true}}`, `{"kind":"google","client_id":"x","client_secret":"y"}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			if h := hint.Of(err); h.What == "" || h.What == "Something went wrong." {
				t.Errorf("no words: %v", err)
			}
			return
		}
		// What was read can be written, and says the same.
		again, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(again)
		if err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		if !reflect.DeepEqual(back.Concerns(), p.Concerns()) || !slices.Equal(back.ServerNames(), p.ServerNames()) {
			t.Errorf("%s\nbecame\n%s", text, again)
		}
	})
}
