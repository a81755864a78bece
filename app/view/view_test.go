package view

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"keyporter/app/apptest"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func open(servers ...local.ServerState) *local.State {
	return &local.State{Vault: local.VaultState{Backend: "keyring", Open: true}, Servers: servers}
}

func input(s *local.State) Input { return Input{Texts: TextsIn(English), Now: now, State: s} }

// text writes a menu down, one row a line, with what choosing it does.
func text(items []Item, indent string) string {
	var b strings.Builder
	for i := range items {
		switch it := &items[i]; {
		case it.Separator:
			fmt.Fprintf(&b, "%s--\n", indent)
		case !it.Enabled:
			fmt.Fprintf(&b, "%s(%s)\n", indent, it.Label())
		case it.Action.Verb != "":
			fmt.Fprintf(&b, "%s%s => %s %s\n", indent, it.Label(), it.Action.Verb, it.Action.Server)
		default:
			fmt.Fprintf(&b, "%s%s\n", indent, it.Label())
		}
		b.WriteString(text(items[i].Items, indent+"  "))
	}
	return b.String()
}

func TestMenuPutsWhatNeedsTheUserFirst(t *testing.T) {
	in := input(open(
		local.ServerState{Name: "Data", Kind: account.GoogleKey, State: local.Ready, Identity: "etl@proj"},
		local.ServerState{Name: "Notion", Kind: account.OAuth, State: local.Ready, Identity: "name@example.com", ExpiresAt: now.Add(42*time.Minute + 59*time.Second)},
		local.ServerState{Name: "Sales", Kind: account.OAuth, State: local.SignInNeeded, ExpiresAt: now.Add(-75 * time.Hour)},
		local.ServerState{Name: "Wiki", Kind: account.OAuth, State: local.SigningIn},
		local.ServerState{Name: "Old", Kind: account.OAuth, State: local.Failed,
			Problem: hint.New(hint.Refused, "The provider says no.", "Ask its owner.")},
	))
	want := `(Keyporter — 2 servers need you)
--
▲ Sign in to Sales… => sign_in Sales
◌ Wiki: waiting for the browser… (cancel) => cancel_sign_in Wiki
(▲ Old does not work)
--
● Data · etl@proj (key)
  (Uses etl@proj (key))
  --
  Copy config for Claude Desktop => copy_config Data
  Show in window => open Data
● Notion · name@example.com
  (Signed in as name@example.com · 42 min left)
  --
  Sign in as somebody else… => switch_user Notion
  Sign out => sign_out Notion
  Copy config for Claude Desktop => copy_config Notion
  Show in window => open Notion
▲ Sales · signed out
  (Signed out 3 days ago)
  --
  Sign in… => sign_in Sales
  (Sign out)
  Copy config for Claude Desktop => copy_config Sales
  Show in window => open Sales
◌ Wiki · waiting for the browser
  (Waiting for the browser)
  --
  Waiting for the browser… (cancel) => cancel_sign_in Wiki
  (Sign out)
  Copy config for Claude Desktop => copy_config Wiki
  Show in window => open Wiki
▲ Old · does not work
  (Does not work)
  (The provider says no.)
  (Ask its owner.)
  --
  Sign in… => sign_in Old
  (Sign out)
  Copy config for Claude Desktop => copy_config Old
  Show in window => open Old
--
Pause everything => pause 
Open Keyporter… => open 
Quit (bridges keep running) => quit 
`
	if got := text(Build(in).Items, ""); got != want {
		t.Errorf("menu is\n%s\nwant\n%s", got, want)
	}
}

func TestHeadlineIconAndLastRows(t *testing.T) {
	server := func(s local.Status) *local.State {
		return open(local.ServerState{Name: "Notion", Kind: account.OAuth, State: s})
	}
	lost := func(code hint.Code) Input {
		in := input(nil)
		in.Problem = hint.New(code, "It is away.", "")
		return in
	}
	waiting := input(server(local.SignInNeeded))
	waiting.Waiting = map[string]bool{"Notion": true}
	away := server(local.Failed)
	away.Servers[0].Problem = hint.New(hint.Unreachable, "The network is down.", "")
	asleep := server(local.Paused)
	asleep.Paused = true
	sealed := server(local.Locked)
	sealed.Vault.Open = false
	for _, c := range []struct {
		name     string
		in       Input
		headline string
		icon     Icon
		has      string
	}{
		{"starting", input(nil), "starting…", IconBusy, "quit"},
		{"stopped", lost(hint.Stopped), "stopped", IconPaused, "start"},
		{"agent lost", lost(hint.Unreachable), "not running", IconAttention, "start"},
		{"no servers", input(open()), "no servers yet", IconReady, "add"},
		{"ready", input(server(local.Ready)), "everything is ready", IconReady, "pause"},
		{"never tried", input(server(local.Unknown)), "everything is ready", IconReady, "pause"},
		{"signed out", input(server(local.SignInNeeded)), "1 server needs you", IconAttention, "need/Notion"},
		{"waiting here", waiting, "waiting for the browser", IconBusy, "need/Notion"},
		{"approval", input(server(local.ApprovalNeeded)), "1 server needs you", IconAttention, "need/Notion"},
		{"unknown status", input(server("from the future")), "1 server needs you", IconAttention, "need/Notion"},
		{"network away", input(away), "everything is ready", IconReady, "pause"},
		{"paused", input(asleep), "paused", IconPaused, "pause"},
		{"locked", input(sealed), "locked", IconAttention, "unlock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Build(c.in)
			if got, want := m.Items[0].Text, "Keyporter — "+c.headline; got != want {
				t.Errorf("headline %q, want %q", got, want)
			}
			if got := IconOf(c.in); got != c.icon {
				t.Errorf("icon %q, want %q", got, c.icon)
			}
			if !keys(t, m.Items, map[string]bool{})[c.has] {
				t.Errorf("no row %q in\n%s", c.has, text(m.Items, ""))
			}
			if last := m.Items[len(m.Items)-1]; last.Action.Verb != Quit || !last.Enabled {
				t.Errorf("the last row is %+v, want quit", last)
			}
		})
	}
}

// keys collects the keys of rows and fails where one stands twice.
func keys(t *testing.T, items []Item, seen map[string]bool) map[string]bool {
	t.Helper()
	for i := range items {
		if k := items[i].Key; k == "" || seen[k] {
			t.Errorf("key %q is empty or stands twice", k)
		}
		seen[items[i].Key] = true
		keys(t, items[i].Items, seen)
	}
	return seen
}

func TestManyServersShowTheNeedyAndTheRecentOnes(t *testing.T) {
	s := open()
	for i := range 20 {
		s.Servers = append(s.Servers, local.ServerState{
			Name: fmt.Sprintf("s%02d", i), Kind: account.OAuth, State: local.Ready, LastUsed: now.Add(time.Duration(i) * time.Minute),
		})
	}
	s.Servers[3].State = local.SignInNeeded
	m := Build(input(s))
	seen := keys(t, m.Items, map[string]bool{})
	var got []string
	for _, it := range m.Items {
		if name, ok := strings.CutPrefix(it.Key, "server/"); ok {
			got = append(got, name)
		}
		if it.Key == "all" && len(it.Items) != 20 {
			t.Errorf("All servers has %d rows, want 20", len(it.Items))
		}
	}
	if want := []string{"s03", "s12", "s13", "s14", "s15", "s16", "s17", "s18", "s19"}; !reflect.DeepEqual(got, want) {
		t.Errorf("top rows are %v, want %v", got, want)
	}
	if !seen["all"] {
		t.Error("All servers is missing")
	}
	s.Servers = s.Servers[:12]
	if keys(t, Build(input(s)).Items, map[string]bool{})["all"] {
		t.Error("twelve servers are not all shown at once")
	}
}

func TestAThousandServersAreAListInTheWindow(t *testing.T) {
	m := Build(input(apptest.Thousand(local.SignInNeeded, now)))
	needs, servers := 0, 0
	for _, it := range m.Items {
		switch {
		case strings.HasPrefix(it.Key, "need/"):
			needs++
		case strings.HasPrefix(it.Key, "server/"):
			servers++
		case it.Key == "all" && (it.Items != nil || it.Action != Action{Verb: AllOfThem}):
			t.Errorf("All servers does %+v", it.Action)
		}
	}
	if needs != maxServers || servers != maxServers || m.Items[0].Text != "Keyporter — 1000 servers need you" {
		t.Errorf("%q: %d rows of what is needed, %d of servers, want twelve", m.Items[0].Text, needs, servers)
	}
}

func TestTimesAsPeopleSayThem(t *testing.T) {
	en, ja := TextsIn(English), TextsIn(Japanese)
	for _, c := range []struct {
		d              time.Duration
		left, ago, jaL string
	}{
		{0, "less than a minute left", "just now", "残り 1 分未満"},
		{59 * time.Second, "less than a minute left", "just now", "残り 1 分未満"},
		{time.Minute, "1 min left", "1 min ago", "残り 1 分"},
		{42*time.Minute + 59*time.Second, "42 min left", "42 min ago", "残り 42 分"},
		{time.Hour, "1 h left", "1 h ago", "残り 1 時間"},
		{day - 1, "23 h left", "23 h ago", "残り 23 時間"},
		{day, "1 day left", "1 day ago", "残り 1 日"},
		{75 * time.Hour, "3 days left", "3 days ago", "残り 3 日"},
	} {
		if got := en.Left(c.d); got != c.left {
			t.Errorf("Left(%v) = %q, want %q", c.d, got, c.left)
		}
		if got := en.Ago(c.d); got != c.ago {
			t.Errorf("Ago(%v) = %q, want %q", c.d, got, c.ago)
		}
		if got := ja.Left(c.d); got != c.jaL {
			t.Errorf("Japanese Left(%v) = %q, want %q", c.d, got, c.jaL)
		}
	}
}

func TestWordsChangeIsCoarse(t *testing.T) {
	for _, c := range []struct{ left, want time.Duration }{
		{3 * time.Minute, time.Minute},
		{42 * time.Minute, 5 * time.Minute},
		{5 * time.Hour, time.Hour},
		{-3 * time.Minute, time.Minute},
	} {
		in := input(open(local.ServerState{Name: "a", State: local.Ready, ExpiresAt: now.Add(c.left)}))
		if got := WordsChange(in).Sub(now); got != c.want {
			t.Errorf("with %v left the words change after %v, want %v", c.left, got, c.want)
		}
	}
	if got := WordsChange(input(open(local.ServerState{Name: "a"}))); !got.IsZero() {
		t.Errorf("without a time the words change at %v", got)
	}
}

func TestNamesAreCleaned(t *testing.T) {
	for in, want := range map[string]string{
		"Notion":                  "Notion",
		" a\n\tb\u0000c ":         "a bc",
		"safe\u202etxt.exe":       "safetxt.exe",
		"bad\xffbytes":            "badbytes",
		strings.Repeat("名", 40):   strings.Repeat("名", 40),
		strings.Repeat("名", 41):   strings.Repeat("名", 39) + "…",
		"\x1b[31mred\x1b[0m text": "[31mred[0m text",
	} {
		if got := Name(in); got != want {
			t.Errorf("Name(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestLanguagesSayTheSame holds the tables together: no text is missing, and each
// format takes the same values in the same order.
func TestLanguagesSayTheSame(t *testing.T) {
	verbs := regexp.MustCompile(`%[a-z]`)
	en := reflect.ValueOf(*TextsIn(English))
	for l, table := range texts {
		eachText(reflect.ValueOf(*table), en, "", func(name, got, want string) {
			if got == "" {
				t.Errorf("%s: %s is missing", l, name)
			}
			if g, w := verbs.FindAllString(got, -1), verbs.FindAllString(want, -1); !reflect.DeepEqual(g, w) {
				t.Errorf("%s: %s has %v, want %v", l, name, g, w)
			}
			if strings.ContainsAny(got, "!！") {
				t.Errorf("%s: %s has an exclamation mark: %s", l, name, got)
			}
		})
	}
}

// eachText calls f with each text of table and the same one of other.
func eachText(table, other reflect.Value, at string, f func(name, got, want string)) {
	for i := range table.NumField() {
		name := at + table.Type().Field(i).Name
		if table.Field(i).Kind() == reflect.Struct {
			eachText(table.Field(i), other.Field(i), name+".", f)
			continue
		}
		f(name, table.Field(i).String(), other.Field(i).String())
	}
}

// TestJapaneseIsJapanese finds texts that were left in English, and whole
// sentences that are not in the polite form.
func TestJapaneseIsJapanese(t *testing.T) {
	same := map[string]bool{
		"Title": true, "Row": true, "Also": true, "Servers.Joined": true, "Activity.From": true, // only the order of values
		"Window.OK": true, "Accounts.Audience": true, "Fields.Audience": true, "Add.Example": true, "Accounts.RotateDo": true,
	}
	polite := regexp.MustCompile(`(です|ます|ません|ました|でした|ですか|ください|ましょう)。$`)
	eachText(reflect.ValueOf(*TextsIn(Japanese)), reflect.ValueOf(*TextsIn(English)), "", func(name, got, en string) {
		if got == en && !same[name] {
			t.Errorf("%s is the same in both languages: %s", name, got)
		}
		if strings.HasSuffix(got, "。") && !polite.MatchString(got) {
			t.Errorf("%s is not polite: %s", name, got)
		}
	})
}

func TestLanguageFollowsTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Language
	}{
		{nil, English},
		{map[string]string{"LANG": "ja_JP.UTF-8"}, Japanese},
		{map[string]string{"LANG": "ja"}, Japanese},
		{map[string]string{"LANG": "jam_JM"}, English},
		{map[string]string{"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, English},
		{map[string]string{"LANG": "en_US", "LC_MESSAGES": "ja_JP"}, Japanese},
		{map[string]string{"LANG": "de_DE.UTF-8"}, English},
	} {
		if got := LanguageOf(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("LanguageOf(%v) = %q, want %q", c.env, got, c.want)
		}
	}
}

func TestConfigCanBePasted(t *testing.T) {
	s, err := Config("Sales & data", `C:\Program Files\Keyporter\keyporter.exe`)
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "mcpServers": {
    "Sales & data": {
      "command": "C:\\Program Files\\Keyporter\\keyporter.exe",
      "args": [
        "bridge",
        "Sales & data"
      ]
    }
  }
}
`
	if s != want || !json.Valid([]byte(s)) {
		t.Errorf("config is\n%s\nwant\n%s", s, want)
	}
}

func TestNotices(t *testing.T) {
	en := TextsIn(English)
	n, ok := NoteOf(en, local.Notice{Kind: local.NoticeSignIn, Server: "Sales\ndata", Program: "Claude\u202e Desktop"})
	want := Note{Title: "Sign in to Sales data", Body: "Claude Desktop wants to use it.", Button: "Sign in", Action: Action{SignIn, "Sales\ndata"}}
	if !ok || !reflect.DeepEqual(n, want) {
		t.Errorf("NoteOf = %+v %v, want %+v", n, ok, want)
	}
	if n, _ = NoteOf(en, local.Notice{Kind: local.NoticeSignIn, Server: "a"}); n.Body != "A program wants to use it." {
		t.Errorf("body %q", n.Body)
	}
	n, _ = NoteOf(en, local.Notice{Kind: local.NoticeSignIn, Server: "Sales data", Program: "Claude Desktop", SignedOut: true})
	want = Note{Title: "Sales data signed you out", Body: "The server ended the sign-in. Nothing was lost.", Button: "Sign in", Action: Action{SignIn, "Sales data"}}
	if !reflect.DeepEqual(n, want) {
		t.Errorf("NoteOf = %+v, want %+v", n, want)
	}
	if _, ok := NoteOf(en, local.Notice{Kind: "from the future"}); ok {
		t.Error("a notice of an unknown kind is shown")
	}
	n = NoteOfFailure(en, "Notion", hint.New(hint.Refused, "It said no.", "Ask.\x00"))
	if n.Title != "That did not work: Notion" || n.Body != "It said no. Ask." {
		t.Errorf("NoteOfFailure = %+v", n)
	}
}

func TestAProgramThatAsksIsShownWithBothAnswers(t *testing.T) {
	s := open(local.ServerState{Name: "Notion", Kind: account.OAuth, State: local.Ready})
	s.Approvals = []local.Approval{
		{ID: "4f1d02aa", State: local.ApprovalWaiting, Program: "/usr/bin/py\x1bthon3", Server: "Notion", Identity: "name@example.com"},
		{ID: "00000000", State: local.ApprovalAllowed, Program: "/usr/bin/claude", Server: "Notion"},
		{ID: "11111111", State: local.ApprovalDenied, Program: "/usr/bin/curl", Account: "ci"},
	}
	in := input(s)
	if got := IconOf(in); got != IconAttention {
		t.Errorf("icon %q, want %q", got, IconAttention)
	}
	want := `(Keyporter — a program asks for approval)
--
▲ A program asks for Notion
  (/usr/bin/python3 wants to use it as name@example.com.)
  --
  Deny => deny 4f1d02aa
  Allow => allow 4f1d02aa
--
`
	if got := text(Build(in).Items, ""); !strings.HasPrefix(got, want) || strings.Contains(got, "claude") || strings.Contains(got, "curl") {
		t.Errorf("menu is\n%s\nwant\n%s", got, want)
	}
	n, ok := NoteOf(in.Texts, local.Notice{Kind: local.NoticeApproval, Server: "Notion", Program: "/usr/bin/python3", Identity: "name@example.com", Approval: "4f1d02aa"})
	note := Note{Title: "A program asks for Notion", Body: "/usr/bin/python3 wants to use it as name@example.com.",
		Answers: []Answer{{"Allow", Action{Allow, "4f1d02aa"}}, {"Deny", Action{Deny, "4f1d02aa"}}}}
	if !ok || !reflect.DeepEqual(n, note) {
		t.Errorf("NoteOf = %+v, want %+v", n, note)
	}
}
