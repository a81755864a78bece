package view

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func TestServerRows(t *testing.T) {
	ends := now.Add(42*time.Minute + 30*time.Second)
	for _, c := range []struct {
		name string
		sv   local.ServerState
		want ServerRow
	}{
		{"ready", local.ServerState{Name: "Notion", URL: "https://mcp.notion.com:443/mcp", Kind: account.OAuth, State: local.Ready, Identity: "a@example.com", ExpiresAt: ends, Bridges: 2},
			ServerRow{Mark: Good, Host: "mcp.notion.com", Line: "a@example.com ‧ 42 min left", Beside: "2 programs use it"}},
		{"a key", local.ServerState{Name: "Data", URL: "http://127.0.0.1:8080/mcp", Kind: account.GoogleKey, State: local.Ready, Identity: "etl@proj", Bridges: 1},
			ServerRow{Mark: Good, Host: "127.0.0.1:8080", Line: "etl@proj (key)", Beside: "1 program uses it"}},
		{"open", local.ServerState{Name: "Open", URL: "https://o.example/", State: local.Ready},
			ServerRow{Mark: Good, Host: "o.example", Line: "Ready"}},
		{"signed out", local.ServerState{Name: "Sales", URL: "https://s.example/", Kind: account.OAuth, State: local.SignInNeeded},
			ServerRow{Mark: Needs, Host: "s.example", Line: "Signed out. Programs see a sign_in tool meanwhile.", Button: "Sign in", Action: Action{SignIn, "Sales"}}},
		{"waiting", local.ServerState{Name: "Sales", URL: "https://s.example/", Kind: account.OAuth, State: local.SigningIn},
			ServerRow{Mark: Working, Host: "s.example", Line: "Waiting for the browser", Button: "Cancel sign-in", Action: Action{CancelSignIn, "Sales"}}},
		{"approval", local.ServerState{Name: "Wiki", URL: "https://w.example/", State: local.ApprovalNeeded},
			ServerRow{Mark: Needs, Host: "w.example", Line: "Its account may not go to this address yet. Look at it and approve.", Button: "Approve…", Action: Action{Approve, "Wiki"}}},
		{"locked", local.ServerState{Name: "L", URL: "https://l.example/", State: local.Locked},
			ServerRow{Mark: Needs, Host: "l.example", Line: "The vault is locked."}},
		{"paused", local.ServerState{Name: "P", URL: "https://p.example/", State: local.Paused},
			ServerRow{Mark: Resting, Host: "p.example", Line: "Paused. Programs wait until you resume."}},
		{"away", local.ServerState{Name: "U", URL: "https://u.example/", State: local.Failed, Problem: hint.New(hint.Unreachable, "No route.", "")},
			ServerRow{Mark: Working, Host: "u.example", Line: "It cannot be reached now. Keyporter tries again by itself."}},
		{"refused key", local.ServerState{Name: "R", URL: "https://r.example/", Kind: account.GoogleKey, State: local.Failed, Problem: hint.New(hint.Refused, "The key is\nrevoked.", "")},
			ServerRow{Mark: Needs, Host: "r.example", Line: "The key is revoked."}},
		{"long", local.ServerState{Name: strings.Repeat("n", 64), URL: "https://" + strings.Repeat("h", 80) + "/", State: local.Unknown},
			ServerRow{Mark: Working, Title: strings.Repeat("n", 39) + "…", Host: strings.Repeat("h", 39) + "…", Line: "Not used yet."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want.Name = c.sv.Name; c.want.Title == "" {
				c.want.Title = c.sv.Name
			}
			rows := ServerRows(input(open(c.sv)))
			if len(rows) != 1 || !reflect.DeepEqual(rows[0], c.want) {
				t.Errorf("row is\n%+v\nwant\n%+v", rows, c.want)
			}
		})
	}
	if rows := ServerRows(input(nil)); rows != nil {
		t.Errorf("without an agent there are rows: %v", rows)
	}
}

func TestServersThatNeedTheUserComeFirst(t *testing.T) {
	var got []string
	for _, r := range ServerRows(input(open(
		local.ServerState{Name: "a", State: local.Ready}, local.ServerState{Name: "b", State: local.SignInNeeded},
		local.ServerState{Name: "c", State: local.Unknown}, local.ServerState{Name: "d", State: local.ApprovalNeeded},
	))) {
		got = append(got, r.Name)
	}
	if want := []string{"b", "d", "a", "c"}; !slices.Equal(got, want) {
		t.Errorf("order is %v, want %v", got, want)
	}
}

func TestServerPage(t *testing.T) {
	in := input(open(local.ServerState{
		Name: "Notion", URL: "https://mcp.notion.com/mcp", Account: "me", Kind: account.OAuth, State: local.Ready, Identity: "a@example.com",
		ExpiresAt: now.Add(time.Hour), Renews: true, LastUsed: now.Add(-time.Minute), Bridges: 2,
	}))
	v, ok := ServerViewOf(in, "Notion")
	if !ok {
		t.Fatal("there is no page")
	}
	var facts []string
	for _, f := range v.Facts {
		facts = append(facts, f.Label+": "+f.Text)
	}
	want := []string{"State: Signed in as a@example.com ‧ 1 h left", "Token: 1 h left ‧ renewed by itself", "Last used: 1 min ago", "Programs: 2 programs use it"}
	if !slices.Equal(facts, want) {
		t.Errorf("facts are %q, want %q", facts, want)
	}
	if v.Account != "me ‧ Sign-in" || !v.SignOut || v.Problem != nil {
		t.Errorf("page is %+v", v)
	}
	if got := v.Removal.Text[1]; got != "2 programs are using it now." {
		t.Errorf("the removal says %q", got)
	}
	if _, ok := ServerViewOf(in, "gone"); ok {
		t.Error("a server that is gone has a page")
	}
	in.State.Servers[0].State, in.State.Servers[0].Problem = local.Failed, hint.Wrap(errors.New("cause"), hint.SignInNeeded, "Sign in again.", "")
	if v, _ = ServerViewOf(in, "Notion"); v.Problem == nil || v.Problem.Action != (Action{SignIn, "Notion"}) || v.Problem.Details != "Sign in again: cause" {
		t.Errorf("the problem is %+v", v.Problem)
	}
}

func TestProblemInJapaneseHasAJapaneseTitle(t *testing.T) {
	ja := TextsIn(Japanese)
	for _, code := range []hint.Code{hint.Failed, hint.Usage, hint.NotFound, hint.Exists, hint.SignInNeeded, hint.ApprovalNeeded,
		hint.Locked, hint.Paused, hint.Stopped, hint.Refused, hint.Unreachable, "from the future"} {
		p := ProblemOf(ja, hint.New(code, "It is so.", "Do this."), "")
		if p.Title == "" || p.What != "It is so." || p.Do != "Do this." {
			t.Errorf("%s: %+v", code, p)
		}
	}
	if p := ProblemOf(TextsIn(English), hint.New(hint.Locked, "It is locked.", ""), ""); p.Title != "" || p.Button != "Unlock" {
		t.Errorf("in English: %+v", p)
	}
}

func TestBanner(t *testing.T) {
	asleep, odd, sealed := open(), open(), open(local.ServerState{Name: "a", State: local.Locked})
	asleep.Paused = true
	odd.Problem = hint.New(hint.Usage, "config.json cannot be read.", "Mend line 3.")
	sealed.Vault = local.VaultState{Backend: "passphrase"}
	lost := input(nil)
	lost.Problem = hint.New(hint.Unreachable, "No agent.", "")
	for _, c := range []struct {
		name string
		in   Input
		what string
		verb Verb
	}{
		{"ready", input(open()), "", ""},
		{"starting", input(nil), "", ""},
		{"lost", lost, "No agent.", Start},
		{"paused", input(asleep), "Keyporter is paused.", Resume},
		{"odd config", input(odd), "config.json cannot be read.", ""},
		{"locked", input(sealed), "The vault is locked.", Unlock},
	} {
		p, ok := Banner(c.in)
		if ok != (c.what != "") || p.What != c.what || p.Action.Verb != c.verb {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	if !AsksPassphrase(input(sealed)) || AsksPassphrase(input(open())) {
		t.Error("only the passphrase back end asks for one")
	}
}

func TestFoot(t *testing.T) {
	stopped := input(nil)
	stopped.Problem = hint.New(hint.Stopped, "Stopped.", "")
	for _, c := range []struct {
		in   Input
		want Foot
	}{
		{input(open()), Foot{Good, "Agent runs", "v1"}},
		{input(nil), Foot{Working, "Agent starts…", "v1"}},
		{stopped, Foot{Resting, "Agent is stopped", "v1"}},
	} {
		if got := FootOf(c.in, "v1"); got != c.want {
			t.Errorf("foot is %+v, want %+v", got, c.want)
		}
	}
}

func TestAccountRows(t *testing.T) {
	in := input(&local.State{Accounts: []local.AccountState{
		{Name: "etl", Kind: account.GoogleKey, State: local.Ready, Identity: "etl@proj", KeyID: "a1b2", AddedAt: now.Add(-91 * day),
			UsedBy: []string{"a", "b", "c", "d", "e"}, Origins: []string{"https://x", "https://y", "https://z"}},
		{Name: "fresh", Kind: account.GoogleKey, State: local.Ready, KeyID: "c3d4", AddedAt: now.Add(-90 * day)},
		{Name: "me", Kind: account.OAuth, State: local.Ready, Identity: "me", ExpiresAt: now.Add(time.Hour)},
		{Name: "out", Kind: account.OAuth, State: local.SignInNeeded},
	}})
	rows := AccountRows(in)
	want := []AccountRow{
		{Name: "etl", Title: "etl", Mark: Needs, Kind: "Google service-account key", Who: "etl@proj", Rotate: true,
			Lines: []string{"Its tokens may go to https://x, https://y +1", "Used by a, b, c +2", "Key …a1b2, added 91 days ago"},
			Old:   "This key is older than 90 days. Make a new one and rotate."},
		{Name: "fresh", Title: "fresh", Mark: Good, Kind: "Google service-account key", Rotate: true,
			Lines: []string{"Its tokens may go nowhere yet", "Not used", "Key …c3d4, added 90 days ago"}},
		{Name: "me", Title: "me", Mark: Good, Kind: "Sign-in", SignOut: true, Lines: []string{"Its tokens may go nowhere yet", "Not used", "Token: 1 h left"}},
		{Name: "out", Title: "out", Mark: Needs, Kind: "Sign-in", Lines: []string{"Its tokens may go nowhere yet", "Not used"}},
	}
	for i := range want {
		if !reflect.DeepEqual(rows[i], want[i]) {
			t.Errorf("row %d is\n%+v\nwant\n%+v", i, rows[i], want[i])
		}
	}
	if got := RemovalOf(in, "etl").Text[1]; got != "These servers stop working: a, b, c, d, e." {
		t.Errorf("the removal says %q", got)
	}
	if got := RemovalOf(in, "me").Text[1]; got != "No server uses it." {
		t.Errorf("the removal says %q", got)
	}
}

func TestRotationCommandCanBePasted(t *testing.T) {
	in := input(&local.State{Accounts: []local.AccountState{{Name: "it's mine", Identity: "e@p; rm -rf ~"}}})
	want := "gcloud iam service-accounts keys create key.json --iam-account='e@p; rm -rf ~'\nkeyporter account rotate 'it'\\''s mine' --key-file key.json"
	if got := RotationOf(in, "it's mine"); got != want {
		t.Errorf("command is %s, want %s", got, want)
	}
}

func TestFindings(t *testing.T) {
	en := TextsIn(English)
	for _, c := range []struct {
		p    local.Probed
		mark Mark
		text string
	}{
		{local.Probed{Wants: local.WantsSignIn, Provider: "Google", Version: "2025-11-25"}, Good, "Found an MCP server (2025-11-25). It signs people in with Google."},
		{local.Probed{Wants: local.WantsSignIn, Provider: "x.example", Guessed: true}, Good, "Found an MCP server. It wants a sign-in or a key, and does not say which."},
		{local.Probed{Trouble: local.TroubleAddress, URL: "mcp.x.example", Try: "https://mcp.x.example"}, Needs, en.Add.BadAddress},
		{local.Probed{Trouble: local.TroubleAddress, URL: "http://mcp.x.example", Try: "https://mcp.x.example"}, Needs, en.Add.NotSecure},
		{local.Probed{Wants: local.WantsSignIn}, Good, "Found an MCP server. It signs people in."},
		{local.Probed{Wants: local.WantsIDToken}, Good, "Found an MCP server. It wants a Google service account's ID token."},
		{local.Probed{Wants: local.WantsNothing}, Good, "Found an MCP server. It asks for no sign-in."},
		{local.Probed{Wants: local.WantsClient}, Good, "Found an MCP server. It signs people in, but wants a client id from your administrator."},
		{local.Probed{Wants: "from the future"}, Good, "Found an MCP server. It wants a token, and does not say how to get one."},
		{local.Probed{Trouble: local.TroubleNotFound}, Needs, "It answered 404: is the path right? Servers often use /mcp."},
		{local.Probed{Trouble: local.TroubleUnreachable}, Needs, "The server could not be reached. Check the address and the network. You can add it anyway."},
		{local.Probed{Trouble: "from the future"}, Needs, "Something answers there, but it is no MCP server."},
		{local.Probed{Wants: local.WantsNothing, Known: "Notion"}, Needs, "Found an MCP server. It asks for no sign-in. It is in the list already, as Notion."},
	} {
		f := FindingOf(en, &c.p)
		if f.Mark != c.mark || f.Text != c.text {
			t.Errorf("%+v gives %s %q, want %s %q", c.p, f.Mark, f.Text, c.mark, c.text)
		}
	}
	if f := FindingOf(en, &local.Probed{Trouble: local.TroubleMoved, Try: "https://a.example/mcp"}); f.Use != "Use https://a.example/mcp" {
		t.Errorf("it offers %q", f.Use)
	}
}

func TestWaysThatFit(t *testing.T) {
	for _, c := range []struct {
		p    *local.Probed
		want []WayKind
	}{
		{nil, []WayKind{WaySignIn, WayKey, WayToken, WayClient, WayNothing}},
		{&local.Probed{Wants: local.WantsSignIn}, []WayKind{WaySignIn, WayClient, WayToken}},
		{&local.Probed{Wants: local.WantsSignIn, Accounts: []string{"me"}}, []WayKind{WayAccount, WaySignIn, WayClient, WayToken}},
		{&local.Probed{Wants: local.WantsSignIn, Guessed: true}, []WayKind{WaySignIn, WayKey, WayActAs, WayToken, WayClient}},
		{&local.Probed{Wants: local.WantsIDToken}, []WayKind{WayKey, WayActAs, WayToken}},
		{&local.Probed{Wants: local.WantsNothing}, []WayKind{WayNothing, WaySignIn, WayToken}},
		{&local.Probed{Wants: local.WantsClient}, []WayKind{WayClient, WayToken}},
		{&local.Probed{Wants: local.WantsKey}, []WayKind{WayToken, WayKey, WaySignIn}},
		{&local.Probed{Trouble: local.TroubleUnreachable}, []WayKind{WaySignIn, WayKey, WayToken, WayClient, WayNothing}},
	} {
		var got []WayKind
		for _, w := range WaysOf(TextsIn(English), c.p) {
			got = append(got, w.Kind)
			if w.Label == "" {
				t.Errorf("%s has no label", w.Kind)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("of %+v the ways are %v, want %v", c.p, got, c.want)
		}
	}
}

func TestProposedNames(t *testing.T) {
	for address, want := range map[string]string{
		"https://mcp.notion.com/mcp":   "notion-2",
		"https://sales.a.run.app/mcp":  "sales",
		"http://127.0.0.1:38470/mcp":   "local",
		"https://www.api.example.com/": "example",
		"nonsense":                     "", "": "",
	} {
		if got := ProposeName(address, []string{"notion"}); got != want {
			t.Errorf("for %s it proposes %q, want %q", address, got, want)
		}
	}
}

func TestAdvancedFieldsComeBackAsTheyWere(t *testing.T) {
	full := &account.Server{
		Name: "a", URL: "https://a.example/mcp", Account: "me", ClientID: "id", Issuer: "https://i.example", Scopes: []string{"a", "b"},
		Audience: "aud", Resource: "https://a.example", AssumePKCE: true, AuthorizeParams: map[string]string{"x": "1", "y": "2"},
		Headers: map[string]string{"X-One": "1"}, TokenHeader: "X-Token", AllowHosts: []string{"h.example"}, SignIn: account.SignInBrowser,
	}
	got, err := SetFields(full, FieldsOf(TextsIn(English), full))
	if err != nil || !reflect.DeepEqual(got, full) {
		t.Errorf("fields give %+v %v, want %+v", got, err, full)
	}
	fields := FieldsOf(TextsIn(English), full)
	have := map[string]bool{"url": true, "account": true} // the page has these elsewhere
	for i := range fields {
		have[fields[i].Key] = true
		if fields[i].Key == "header" {
			fields[i].Value = "Host=evil"
		}
	}
	if _, err := SetFields(full, fields); err == nil {
		t.Error("a header of the protocol is taken")
	}
	if full.Headers["X-One"] != "1" {
		t.Error("the record itself was changed")
	}
	for _, k := range account.Keys() {
		if !have[k] {
			t.Errorf("%s can be set on the command line and has no field", k)
		}
	}
}

func TestToolsLine(t *testing.T) {
	en := TextsIn(English)
	for want, names := range map[string][]string{
		"The server has no tools.":           nil,
		"1 tool found: a":                    {"a"},
		"7 tools found: a, b, c, d, e, f +1": {"a", "b", "c", "d", "e", "f", "g"},
	} {
		if got := ToolsLine(en, names); got != want {
			t.Errorf("of %v it says %q, want %q", names, got, want)
		}
	}
}

func TestSettingsPage(t *testing.T) {
	s := open()
	s.Agent.Version = "v2"
	s.Settings = account.Choices{Language: account.Japanese, Notifications: account.NotificationsOff}
	v := SettingsOf(input(s), "v1", Places{Config: "/c"})
	if v.Languages[v.Language].Value != "ja" || v.Notify || v.Programs[1].Text != "v2" || v.Files[0].Text != "/c" {
		t.Errorf("page is %+v", v)
	}
	if v = SettingsOf(input(nil), "v1", Places{}); v.Programs[1].Text != "not running" || v.Language != 0 || !v.Notify {
		t.Errorf("without an agent: %+v", v)
	}
}

func TestSettingsPageListsTheProgramsThatAsked(t *testing.T) {
	ago := func(d time.Duration) time.Time { return input(open()).Now.Add(-d) }
	for name, c := range map[string]struct {
		mode account.Approvals
		a    local.Approval
		want string
	}{
		"waits":          {account.ApprovalsFirstUse, local.Approval{ID: "1", State: local.ApprovalWaiting, PID: 7, Program: "/bin/py\x1bthon3", Server: "Notion", Identity: "a@b.c", At: ago(0)}, "▲ /bin/python3: Wants to use Notion ‧ a@b.c ‧ just now [Deny deny 1] [Allow allow 1]"},
		"allowed":        {account.ApprovalsFirstUse, local.Approval{ID: "1", State: local.ApprovalAllowed, Program: "/bin/a", Account: "ci", Identity: "ci", At: ago(2 * time.Hour)}, "● /bin/a: May use ci ‧ 2 h ago [Revoke deny 1]"},
		"for a start":    {account.ApprovalsSession, local.Approval{ID: "1", State: local.ApprovalAllowed, PID: 7, Program: "/bin/a", Server: "Notion", At: ago(0)}, "● /bin/a: May use Notion until it ends ‧ just now [Revoke deny 1]"},
		"from before":    {account.ApprovalsSession, local.Approval{ID: "1", State: local.ApprovalAllowed, Program: "/bin/a", Server: "Notion", At: ago(0)}, "❚❚ /bin/a: May use Notion where programs are asked about at first use only ‧ just now [Revoke deny 1]"},
		"denied":         {account.ApprovalsFirstUse, local.Approval{ID: "1", State: local.ApprovalDenied, PID: 7, Program: "/bin/a", Account: "program/github", At: ago(0)}, "❚❚ /bin/a: May not use github ‧ just now [Allow allow 1]"},
		"not known here": {account.ApprovalsFirstUse, local.Approval{ID: "1", State: "later", Program: "/bin/a", Server: "Notion", At: ago(0)}, "❚❚ /bin/a: May not use Notion ‧ just now [Allow allow 1]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open()
			s.Settings.Approvals, s.Approvals = c.mode, []local.Approval{c.a}
			r := SettingsOf(input(s), "v1", Places{}).Asked[0]
			got := fmt.Sprintf("%s %s: %s", r.Mark, r.Program, r.Line)
			for _, b := range r.Buttons {
				got += fmt.Sprintf(" [%s %s %s]", b.Label, b.Action.Verb, b.Action.Server)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestGoogleAccountsHaveWordsOfTheirOwn(t *testing.T) {
	for _, texts := range []*Texts{&english, &japanese} {
		seen := map[string]bool{}
		for _, k := range []account.Kind{account.Google, account.GoogleKey, account.GoogleImpersonate, account.GoogleADC} {
			if words := texts.kind(k); words == string(k) || seen[words] {
				t.Errorf("%s is called %q", k, words)
			}
			seen[texts.kind(k)] = true
		}
	}
}

// What a policy says and this version cannot do is not shown as fixed.
func TestPolicySettingsThatAreNotHere(t *testing.T) {
	texts := TextsIn(English)
	all := fixedBy(texts, &local.PolicyState{Source: "/etc/policy", Settings: map[string]string{"language": "ja", "later": "x"}, Unknown: []string{"later"}})
	want := []string{fmt.Sprintf(texts.Team.FixedHere, "/etc/policy"), "Settings: language=ja", "This version does not have these settings, so they are not in force: later=x"}
	if !slices.Equal(all, want) {
		t.Errorf("says %q, want %q", all, want)
	}
}
