package window

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// word is in every secret of the tests; no text on the screen may hold it.
const word = "SECRETWORD"

func (w *world) has(want string) {
	w.t.Helper()
	if got := w.read(); !strings.Contains(got, want) {
		w.t.Errorf("there is no %q in\n%s", want, got)
	}
}

func (w *world) hasNot(what string) {
	w.t.Helper()
	if got := w.read(); strings.Contains(got, what) {
		w.t.Errorf("there is %q in\n%s", what, got)
	}
}

// asked reports whether the agent was asked that.
func (w *world) asked(call string) {
	w.t.Helper()
	if !slices.Contains(w.agent.calls, call) {
		w.t.Errorf("the agent was not asked %q, but %q", call, w.agent.calls)
	}
}

// entries are those that are visible, top to bottom.
func (w *world) entries() []*entry {
	var all []*entry
	w.objects(func(o fyne.CanvasObject) {
		if e, ok := o.(*entry); ok {
			all = append(all, e)
		}
	})
	return all
}

func (w *world) press(key fyne.KeyName) {
	e := &fyne.KeyEvent{Name: key}
	if f := w.win.Canvas().Focused(); f != nil {
		f.TypedKey(e)
		return
	}
	w.win.Canvas().OnTypedKey()(e)
}

func ctrl(key fyne.KeyName) fyne.Shortcut {
	return &desktop.CustomShortcut{KeyName: key, Modifier: fyne.KeyModifierShortcutDefault}
}

func english(t *testing.T, s *local.State, change ...func(*world)) *world {
	t.Helper()
	return open(t, view.English, false, s, change...)
}

func TestAddServerInThreeSteps(t *testing.T) {
	w := english(t, none(), google, programs, func(w *world) { w.agent.probed.Accounts = nil })
	w.tap("Add a server")
	test.Type(w.entries()[0], "https://sales.example.com/mc")
	if len(w.agent.calls) > 0 {
		t.Fatalf("the server was asked while typing: %v", w.agent.calls)
	}
	test.Type(w.entries()[0], "p")
	w.elapse()
	if want := []string{"probe https://sales.example.com/mcp"}; !slices.Equal(w.agent.calls, want) {
		t.Errorf("after typing the agent was asked %q, want %q", w.agent.calls, want)
	}
	w.has("Found an MCP server (2025-11-25). It signs people in with Google.")
	w.has("{sales}")
	w.tap("Next")
	w.hasNot("Use a service-account key") // only what fits
	w.tap("Back")
	w.has("{https://sales.example.com/mcp}")
	w.tap("Next")
	w.press(fyne.KeyReturn) // the default
	w.asked("add server sales")
	if want := (view.Action{Verb: view.SignIn, Server: "sales"}); len(w.did) != 1 || w.did[0] != want {
		t.Fatalf("did %v, want %v", w.did, want)
	}
	w.in.Waiting, w.in.Pages = map[string]bool{"sales": true}, map[string]string{"sales": "https://id.example.com/authorize"}
	w.see(&local.State{Vault: local.VaultState{Open: true}, Servers: []local.ServerState{{Name: "sales", State: local.SigningIn}}})
	w.has("Waiting for the browser. Sign in there, then come back.")
	w.tap("Copy address")
	if got := w.o.App.Clipboard().Content(); got != "https://id.example.com/authorize" {
		t.Errorf("the clipboard holds %q", got)
	}
	w.in.Waiting, w.in.Pages = nil, nil
	w.see(&local.State{Vault: local.VaultState{Open: true}, Servers: []local.ServerState{{Name: "sales", State: local.Ready}}})
	w.has("sales is ready.")
	w.has("3 tools found: get_time, whoami, add")
	w.tap("Add to Claude Desktop")
	w.asked("install claude-desktop [sales]")
	var others []*check
	w.objects(func(o fyne.CanvasObject) {
		if c, ok := o.(*check); ok {
			others = append(others, c)
		}
	})
	if len(others) != 3 || others[0].Text != "Cursor" { // Claude Desktop has its button, Zed's file cannot be read
		t.Fatalf("%d other clients are offered", len(others))
	}
	others[0].SetChecked(true)
	w.asked("install cursor [sales]")
	w.has("Done. Quit Cursor")
	others[0].SetChecked(false)
	w.asked("uninstall cursor [sales]")
	w.tap("Copy config")
	if got := w.o.App.Clipboard().Content(); !strings.Contains(got, `"bridge"`) {
		t.Errorf("the clipboard holds %q", got)
	}
}

func TestAnAnswerThatComesLateIsForgotten(t *testing.T) {
	w := english(t, none(), google)
	w.tap("Add a server")
	test.Type(w.entries()[0], "https://a.example.com/mcp")
	late := w.late
	w.press(fyne.KeyEscape)
	for _, f := range late {
		f()
	}
	if len(w.agent.calls) > 0 {
		t.Errorf("a sheet that is closed asked %q", w.agent.calls)
	}
}

func TestSignInThatFailsInTheSheetCanBeTriedAgain(t *testing.T) {
	w := english(t, none(), google, func(w *world) { w.agent.probed.Accounts = nil })
	w.tap("Add a server")
	typeAddress(w)
	w.tap("Next")
	w.tap("Add and sign in")
	w.in.Failed = map[string]*hint.Error{"sales": hint.New(hint.Refused, "The provider said no.", "Ask its owner.")}
	w.see(&local.State{Vault: local.VaultState{Open: true}, Servers: []local.ServerState{{Name: "sales", State: local.SignInNeeded}}})
	w.has("The provider said no.")
	w.tap("Try again")
	if len(w.did) != 2 {
		t.Errorf("did %v, want two sign-ins", w.did)
	}
}

func TestPastedTokenIsClearedAndNeverShown(t *testing.T) {
	w := english(t, none(), func(w *world) {
		w.agent.probed = &local.Probed{Wants: local.WantsKey, Name: "search"}
		w.agent.fail = nil
	})
	w.tap("Add a server")
	test.Type(w.entries()[0], "https://search.example.com/mcp")
	w.elapse()
	w.tap("Next")
	secret := w.entries()[0]
	if !secret.Password {
		t.Fatal("the token is not hidden")
	}
	test.Type(secret, "tok-"+word)
	w.agent.fail = hint.New(hint.Refused, "The vault is full.", "")
	w.tap("Add")
	w.has("The vault is full.")
	w.hasNot(word)
	w.agent.fail = nil
	w.tap("Add")
	if n := len(w.agent.accounts); n != 2 || w.agent.accounts[1].Secret.Reveal() != "tok-"+word || w.agent.accounts[1].Account.Kind != account.Static {
		t.Fatalf("accounts are %v", w.agent.accounts)
	}
	if secret.Text != "" {
		t.Error("the entry still holds the token")
	}
	if p := w.agent.put[len(w.agent.put)-1]; !p.Bind || p.Server.Account != "search" {
		t.Errorf("the server is %+v", p)
	}
}

// keyOnDisk writes a key file.
func keyOnDisk(t *testing.T) string {
	t.Helper()
	b, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "etl@proj.iam.gserviceaccount.com", "private_key": word})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDroppedKeyIsImportedAndItsFileOfferedForDeletion(t *testing.T) {
	for _, verified := range []bool{true, false} {
		w := english(t, none(), func(w *world) { w.agent.verified = verified })
		path := keyOnDisk(t)
		w.dropped([]fyne.URI{storage.NewFileURI(path)})
		w.has("Key of etl@proj.iam.gserviceaccount.com")
		w.has("{etl}")
		w.hasNot(word)
		test.Type(w.entries()[1], "https://data.example.com")
		w.tap("Import")
		w.asked("add account etl")
		if a := w.agent.accounts[0]; a.Account.Audience != "https://data.example.com" || !strings.Contains(a.Secret.Reveal(), word) {
			t.Errorf("the account is %+v", a.Account)
		}
		if !verified {
			w.hasNot("Delete the file")
			continue
		}
		w.has("The key is in the vault now.\nDelete the file it came from?")
		w.tap("Delete file")
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file is still there: %v", err)
		}
		w.tap("Done")
	}
}

func TestWhatIsNoKeyIsRefusedInWords(t *testing.T) {
	w := english(t, none())
	path := filepath.Join(t.TempDir(), "note.json")
	if err := os.WriteFile(path, []byte(`{"private_key":"`+word+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.dropped([]fyne.URI{storage.NewFileURI(path)})
	w.has("This file is not a service-account key.")
	w.hasNot(word)
}

func TestRotationKeepsTheAccountAndGivesTheCommand(t *testing.T) {
	w := english(t, some(), func(w *world) { w.agent.verified = true })
	w.goTo(view.PageAccounts)
	w.has("This key is older than 90 days.")
	w.tap("Rotate…")
	w.has("keyporter account rotate etl --key-file key.json")
	w.sheets[0].drop(storage.NewFileURI(keyOnDisk(t)))
	w.tap("Rotate")
	w.asked("rotate etl")
	w.tap("Keep")
}

func TestRemovalSaysWhatHappensAndCancelIsTheDefault(t *testing.T) {
	w := english(t, some())
	w.goTo(view.PageAccounts)
	w.tap("Remove…")
	w.has("These servers stop working: Notion.")
	w.press(fyne.KeyReturn)
	if len(w.agent.calls) > 0 || len(w.sheets) > 0 {
		t.Errorf("Enter did %q", w.agent.calls)
	}
	w.tap("Remove…")
	w.tap("Remove")
	w.asked("remove account Notion")

	w.OpenServer("Notion")
	w.tap("Remove")
	w.has("2 programs are using it now.")
	w.tap("Remove")
	w.asked("remove server Notion")
	if _, ok := w.page.(*serversPage); !ok {
		t.Errorf("after the removal the page is %T", w.page)
	}
}

func TestApprovalNamesTheAddress(t *testing.T) {
	s := some()
	s.Servers[1].State = local.ApprovalNeeded
	w := english(t, s)
	w.tap("Approve…")
	w.has("Tokens of Notion will go to https://mcp.notion.com/mcp from now on.")
	w.tap("Approve")
	if len(w.agent.put) != 1 || !w.agent.put[0].Bind {
		t.Errorf("the server was set to %+v", w.agent.put)
	}
}

func TestKeyboardReachesPagesAndCloses(t *testing.T) {
	w := english(t, some())
	for i, p := range view.Pages {
		w.shortcut(ctrl(pageKeys[i]))
		if w.page.of() != p {
			t.Errorf("Ctrl+%s shows %s, want %s", pageKeys[i], w.page.of(), p)
		}
	}
	w.goTo(view.PageActivity)
	w.entries()[0].TypedShortcut(ctrl(fyne.Key1)) // also from an entry
	if w.page.of() != view.PageServers {
		t.Error("Ctrl+1 in an entry does nothing")
	}
	w.tap("Add server")
	w.press(fyne.KeyEscape)
	if len(w.sheets) > 0 || w.win == nil {
		t.Fatal("Escape closes the sheet, and nothing else")
	}
	w.press(fyne.KeyEscape)
	if w.win != nil {
		t.Error("Escape does not close the window")
	}
	w.Open()
	w.shortcut(ctrl(fyne.KeyW))
	if w.win != nil {
		t.Error("Ctrl+W does not close the window")
	}
}

func TestTabReachesEveryButton(t *testing.T) {
	w := english(t, some())
	var want, got []string
	w.objects(func(o fyne.CanvasObject) {
		if b, ok := o.(*button); ok {
			want = append(want, b.Text)
		}
	})
	for range 2 * len(want) {
		w.win.Canvas().FocusNext()
		if b, ok := w.win.Canvas().Focused().(*button); ok && !slices.Contains(got, b.Text) {
			got = append(got, b.Text)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(slices.Compact(want), got) {
		t.Errorf("Tab reaches %q, want %q", got, want)
	}
}

func TestAPageThatWasLeftHearsNothing(t *testing.T) {
	w := english(t, some())
	w.OpenServer("Notion")
	ctx := w.ctx
	w.goTo(view.PageSettings)
	if ctx.Err() == nil {
		t.Error("the context of the page that was left goes on")
	}
}

func TestSizeAndPageAreRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "window.json")
	w := english(t, some())
	w.o.Remember = path
	w.win.Resize(fyne.NewSize(1000, 700))
	w.goTo(view.PageAccounts)
	w.Close()
	if got, want := recall(path), (memory{Width: 1000, Height: 700, Page: view.PageAccounts}); got != want {
		t.Errorf("remembered %+v, want %+v", got, want)
	}
	w.Open()
	if w.page.of() != view.PageAccounts {
		t.Errorf("the window opens at %s", w.page.of())
	}
	for _, bad := range []string{"{", `{"width":3,"height":3}`} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := recall(path); got.Width != firstWidth || got.Page != view.PageServers {
			t.Errorf("of %s it remembers %+v", bad, got)
		}
	}
}

func TestSecretLeavesTheClipboardAfter45Seconds(t *testing.T) {
	w := english(t, some(), func(w *world) { w.agent.token = "at-" + word })
	w.OpenServer("Notion")
	w.openAdvanced()
	w.tap("Copy access token")
	clip := w.o.App.Clipboard()
	if clip.Content() != "at-"+word {
		t.Fatalf("the clipboard holds %q", clip.Content())
	}
	w.hasNot(word)
	w.elapse()
	if clip.Content() != "" {
		t.Error("the secret stays in the clipboard")
	}
	w.tap("Copy access token")
	clip.SetContent("something else")
	w.elapse()
	if clip.Content() != "something else" {
		t.Error("what was copied later is gone")
	}
}

func TestAdvancedFieldsAreSaved(t *testing.T) {
	w := english(t, some())
	w.OpenServer("Notion")
	w.openAdvanced()
	test.Type(w.entries()[0], "my-client")
	w.tap("Save")
	if p := w.agent.put; len(p) != 1 || p[0].Server.ClientID != "my-client" || p[0].Server.URL != "https://mcp.notion.com/mcp" {
		t.Errorf("the server was set to %+v", p)
	}
	w.has("Saved.")
}

func TestLanguageChangesAtOnce(t *testing.T) {
	w := english(t, some())
	w.goTo(view.PageSettings)
	w.in.Texts = view.TextsIn(view.Japanese)
	w.Show(w.in)
	w.has("ログイン時に起動する")
	if got := lang.L("Paste"); got != "貼り付け" {
		t.Errorf("Fyne's own Paste is %q", got)
	}
	w.in.Texts = view.TextsIn(view.English)
	w.Show(w.in)
	w.has("Start at login")
	if got := lang.L("Paste"); got != "Paste" {
		t.Errorf("Fyne's own Paste is %q", got)
	}
}

func TestProgramsAreAnsweredForOnThePageSettings(t *testing.T) {
	w := english(t, asking())
	w.goTo(view.PageSettings)
	w.has("Wants to use Notion ‧ name@example.com ‧ just now")
	w.tap("Revoke")
	if !slices.Contains(w.agent.calls, "revoke 11111111") {
		t.Errorf("the agent was asked %q", w.agent.calls)
	}
	p := w.page.(*settingsPage)
	p.answer(view.Action{Verb: view.Allow, Server: "4f1d02aa"})
	if !slices.Contains(w.agent.calls, "approve 4f1d02aa") {
		t.Errorf("the agent was asked %q", w.agent.calls)
	}
	w.agent.fail = hint.New(hint.Locked, "The vault is locked.", "")
	w.tap("Revoke")
	w.has("The vault is locked.")
}

func TestApprovalsThatTheOrganisationFixedCannotBeChanged(t *testing.T) {
	for _, fixed := range []bool{false, true} {
		s := asking()
		if fixed {
			s.Policies = []local.PolicyState{{Source: "/etc/keyporter/policy.json", Settings: map[string]string{"approvals": "first-use"}}}
		}
		w := english(t, s)
		w.goTo(view.PageSettings)
		found := false
		w.objects(func(o fyne.CanvasObject) {
			if c, ok := o.(*selector); ok && c.Selected == "Ask at first use" {
				if found = true; c.Disabled() != fixed {
					t.Errorf("fixed: %t, and disabled: %t", fixed, c.Disabled())
				}
			}
		})
		if !found {
			t.Error("the setting is not shown")
		}
		if fixed {
			w.has("Fixed by your organisation (/etc/keyporter/policy.json)")
		}
	}
}

func TestSettingsAreTheAgents(t *testing.T) {
	w := english(t, some())
	w.goTo(view.PageSettings)
	p := w.page.(*settingsPage)
	p.set("language", "ja")
	if w.agent.settings["language"] != "ja" {
		t.Errorf("set %v", w.agent.settings)
	}
	test.Tap(p.login)
	if l := w.o.Login.(*login); l.on {
		t.Error("the start at login is still on")
	}
	w.agent.fail = hint.New(hint.Failed, "The file cannot be written.", "")
	p.set("notifications", "off")
	w.has("The file cannot be written.")
}

// TestActivityGoesOnWhereTheLogBrokeOff is an agent that ended and was started
// again. Its log then holds what was shown, what came while nobody looked, and a
// record that a bridge handed over late.
func TestActivityGoesOnWhereTheLogBrokeOff(t *testing.T) {
	w := english(t, some(), calls)
	w.goTo(view.PageActivity)
	w.elapse()
	p := w.page.(*activityPage)
	before := len(p.rows)

	w.agent.brokenOff(hint.New(hint.Unreachable, "The agent is gone.", "Wait."))
	w.see(nil)
	w.elapse() // the pause, without an agent
	w.has("The agent is gone.")
	if n := len(w.agent.asked); n != 1 {
		t.Fatalf("without an agent the log was asked for %d times", n)
	}
	newest := w.agent.log[len(w.agent.log)-1]
	zone := time.FixedZone("", 9*60*60) // the same times, written in another zone
	for i := range w.agent.log {
		w.agent.log[i].Time = w.agent.log[i].Time.In(zone)
	}
	late, next, twin := newest, newest, newest
	late.Time, late.Method = newest.Time.Add(-10*time.Second), "late"
	next.Time, next.Method = newest.Time.Add(time.Second), "next"
	w.agent.log = append(w.agent.log, late, next, twin)
	w.see(some())
	w.elapse()
	if n := len(w.agent.asked); n != 2 || !w.agent.asked[1].Follow || w.agent.asked[1].Since.IsZero() {
		t.Fatalf("the log was asked for as %+v", w.agent.asked)
	}
	if got := len(p.rows); got != before+3 {
		t.Errorf("%d rows are %d now, want 3 more", before, got)
	}
	if strings.Contains(w.read(), "The agent is gone.") {
		t.Error("the problem is over and stays")
	}

	w.agent.brokenOff(nil) // the log alone: the state says nothing
	w.elapse()
	if n := len(w.agent.asked); n != 3 {
		t.Errorf("after the pause the log was asked for %d times, want 3", n)
	}
	if w.elapse(); len(p.rows) != before+3 {
		t.Errorf("read again, %d rows are %d", before+3, len(p.rows))
	}
}

func TestActivityFiltersPausesAndKeepsItsPlace(t *testing.T) {
	w := english(t, some(), calls)
	w.goTo(view.PageActivity)
	w.elapse()
	p := w.page.(*activityPage)
	all := len(p.rows)
	test.Type(w.entries()[0], "sign-in missing")
	if n := len(p.rows); n == 0 || n >= all {
		t.Errorf("the filter leaves %d of %d rows", n, all)
	}
	w.entries()[0].SetText("")
	p.list.ScrollToOffset(400)
	first := p.rows[0]
	more := local.AuditRecord{Time: now, Event: "call", Program: "new", Server: "Notion", Outcome: "ok"}
	p.take(&more)
	p.take(&more)
	if len(w.late) != 1 {
		t.Fatalf("two calls make %d drawings", len(w.late))
	}
	w.elapse()
	if p.rows[2] != first {
		t.Fatal("the new calls are not on top")
	}
	if got, want := p.list.GetScrollOffset(), 400+2*p.rowHeight(); got != want {
		t.Errorf("the list stands at %v, want %v: it lost its place", got, want)
	}
	w.tap("Pause")
	n := len(p.rows)
	p.take(&more)
	w.elapse()
	if len(p.rows) != n {
		t.Error("a paused list goes on")
	}
	w.tap("Resume")
	if len(p.rows) != n+1 {
		t.Error("after the pause a call is missing")
	}
}

func TestTheChartTellsWhatThePointerIsOn(t *testing.T) {
	w := english(t, some(), calls)
	w.goTo(view.PageActivity)
	w.elapse()
	p := w.page.(*activityPage)
	p.chart.MouseMoved(&desktop.MouseEvent{PointEvent: fyne.PointEvent{Position: fyne.NewPos(p.chart.Size().Width-chartRight-2, 40)}})
	if !strings.HasPrefix(p.about.Text, "14:03 ‧ calls:") {
		t.Errorf("it tells %q", p.about.Text)
	}
	p.chart.MouseOut()
	if !strings.HasPrefix(p.about.Text, "Bars: calls each minute") {
		t.Errorf("without the pointer it tells %q", p.about.Text)
	}
}

func TestALongLogIsDrawnOnce(t *testing.T) {
	w := english(t, some(), func(w *world) {
		for i := range 100_000 {
			w.agent.log = append(w.agent.log, local.AuditRecord{Time: now.Add(-time.Duration(100_000-i) * time.Second), Event: "call", Outcome: "ok", Latency: time.Millisecond})
		}
	})
	w.goTo(view.PageActivity)
	if n := len(w.late); n != 1 {
		t.Errorf("the log makes %d drawings", n)
	}
	w.elapse()
	if n := len(w.page.(*activityPage).rows); n != listedCalls {
		t.Errorf("the list has %d rows, want %d", n, listedCalls)
	}
}

func TestBannerSaysWhyAndStarts(t *testing.T) {
	w := english(t, nil, func(w *world) {
		w.in.Problem = hint.Wrap(errors.New("refused"), hint.Unreachable, "The agent does not answer.", "")
	})
	w.has("The agent does not answer.")
	w.tap("Details")
	w.tap("Copy details")
	if got := w.o.App.Clipboard().Content(); got != "The agent does not answer: refused" {
		t.Errorf("the clipboard holds %q", got)
	}
	w.tap("Start Keyporter")
	if len(w.did) != 1 || w.did[0].Verb != view.Start {
		t.Errorf("did %v", w.did)
	}
	w.in.Problem = nil
	w.see(some())
	w.hasNot("does not answer")
}

func TestPassphraseIsClearedWhenItsSheetCloses(t *testing.T) {
	s := some()
	s.Vault = local.VaultState{Backend: "passphrase", Problem: hint.New(hint.Locked, "The vault is locked.", "")}
	w := english(t, s)
	w.tap("Unlock")
	e := w.entries()[0]
	test.Type(e, word)
	w.press(fyne.KeyReturn)
	w.asked("unlock 10")
	if e.Text != "" || len(w.sheets) > 0 {
		t.Error("the passphrase stays in its entry")
	}
}

func TestSignInFromTheList(t *testing.T) {
	w := english(t, some())
	w.tap("Sign in")
	if want := (view.Action{Verb: view.SignIn, Server: "Sales data"}); len(w.did) != 1 || w.did[0] != want {
		t.Errorf("did %v, want %v", w.did, want)
	}
}

// The host of a server has the room to the end of its row, unless a button or the
// programs stand there; hosts begin below each other all the same.
func TestHostTakesTheRoomThatNothingElseNeeds(t *testing.T) {
	state := none()
	for i, status := range []local.Status{local.Ready, local.SignInNeeded, local.Ready} {
		state.Servers = append(state.Servers, local.ServerState{Name: fmt.Sprint("s", i), URL: "https://" + strings.Repeat("long-", 12) + "host.example.com/mcp", Kind: account.OAuth, State: status, Bridges: i / 2})
	}
	w := english(t, state)
	room := map[string][2]float32{} // where the host begins and ends
	w.objects(func(o fyne.CanvasObject) {
		if i, ok := o.(*serverItem); ok {
			driver := fyne.CurrentApp().Driver()
			at := driver.AbsolutePositionForObject(i.host).X - driver.AbsolutePositionForObject(i).X
			room[i.title.Text] = [2]float32{at, i.Size().Width - at - i.host.Size().Width}
		}
	})
	if room["s0"][0] == 0 || room["s0"][0] != room["s1"][0] || room["s0"][0] != room["s2"][0] {
		t.Errorf("hosts do not begin below each other: %v", room)
	}
	if left := room["s0"][1]; left > 10 {
		t.Errorf("%v are left at the right of a host beside nothing", left)
	}
	if button, programs := room["s1"][1], room["s2"][1]; button < 50 || button > 100 || programs < 100 || programs > rightWidth {
		t.Errorf("%v are kept for a button, %v for the programs", button, programs)
	}
}

func TestServerSaysWhichClientsHaveItInsteadOfOfferingThem(t *testing.T) {
	w := english(t, some(), programs)
	w.agent.clients[0].Servers = nil
	w.OpenServer("Wiki")
	w.has("In VS Code")
	w.agent.clients[0].Servers = []string{"Wiki"} // the agent's answer from now on
	w.tap("Add to Claude Desktop")
	w.asked("install claude-desktop [Wiki]")
	w.has("In Claude Desktop, VS Code")
	w.hasNot("Add to Claude Desktop")
	w.agent.clients[0].Servers = nil
	w.see(lostNotice()) // something was taken out of a client's file
	w.has("Add to Claude Desktop")
}

func TestEnterImportsTheKeyOnce(t *testing.T) {
	w := english(t, none())
	w.goTo(view.PageAccounts)
	w.tap(w.Window.t.Accounts.Import)
	enter := &fyne.KeyEvent{Name: fyne.KeyReturn}
	w.entries()[1].TypedKey(enter)
	if len(w.agent.calls) > 0 {
		t.Fatalf("without a key the agent was asked to %v", w.agent.calls)
	}
	w.sheets[0].drop(storage.NewFileURI(keyOnDisk(t)))
	audience := w.entries()[1]
	test.Type(audience, "https://data.example.com")
	audience.TypedKey(enter)
	audience.TypedKey(enter)
	if got := strings.Join(w.agent.calls, ", "); got != "add account etl" {
		t.Errorf("two Enters did %s", got)
	}
}

func TestEnterAddsAServerWithAKeyOnce(t *testing.T) {
	w := english(t, none())
	w.agent.probed = &local.Probed{URL: "https://sales.example.com/mcp", Wants: local.WantsIDToken, Name: "sales", Kind: account.GoogleKey}
	w.tap(w.Window.t.Servers.Add)
	typeAddress(w)
	w.tap(w.Window.t.Window.Next)
	w.sheets[0].drop(storage.NewFileURI(keyOnDisk(t)))
	before := len(w.agent.calls)
	enter := &fyne.KeyEvent{Name: fyne.KeyReturn}
	name := w.entries()[0]
	name.TypedKey(enter)
	name.TypedKey(enter)
	if got := strings.Join(w.agent.calls[before:], ", "); strings.Count(got, "add account") != 1 {
		t.Errorf("two Enters did %q", got)
	}
}

// A call that failed says why in words that can be read at the window's first size,
// with figures or without.
func TestWhyACallFailedIsNotCut(t *testing.T) {
	for _, l := range []view.Language{view.English, view.Japanese} {
		w := open(t, l, false, some(), func(w *world) {
			for _, outcome := range []string{"ok", "sign_in_needed", "approval_needed", "http_500", "unreachable"} {
				w.agent.log = append(w.agent.log, local.AuditRecord{Time: now, Event: "call", Program: "Claude Desktop", Server: "Data platform", Method: "tools/call", Name: "search", Outcome: outcome},
					local.AuditRecord{Time: now, Event: "call", Program: "Claude Desktop", Server: "Notion", Method: "tools/call", Name: "search", Outcome: outcome, Latency: 234 * time.Millisecond})
			}
		})
		w.goTo(view.PageActivity)
		w.elapse()
		failed := 0
		w.objects(func(o fyne.CanvasObject) {
			i, ok := o.(*callItem)
			if !ok {
				return
			}
			switch room := i.outcome.Size().Width - 2*theme.InnerPadding(); {
			case fyne.MeasureText(i.outcome.Text, theme.TextSize(), fyne.TextStyle{}).Width > room:
				t.Errorf("%q has %v of room", i.outcome.Text, room)
			case i.failed:
				failed++
			case i.outcome.Position().X+i.outcome.Size().Width > i.latency.Position().X:
				t.Errorf("%q lies over the figures", i.outcome.Text)
			}
		})
		if failed == 0 {
			t.Error("no call that failed is in sight")
		}
	}
}

func TestEscapeInTheFilePickerKeepsTheSheet(t *testing.T) {
	w := english(t, some())
	w.goTo(view.PageAccounts)
	w.tap(w.Window.t.Accounts.Import)
	w.tap(w.Window.t.Accounts.Choose)
	escape := &fyne.KeyEvent{Name: fyne.KeyEscape}
	w.typed(escape)
	if len(w.sheets) != 1 || len(w.win.Canvas().Overlays().List()) != 1 {
		t.Fatalf("there are %d sheets and %d overlays, want the sheet alone", len(w.sheets), len(w.win.Canvas().Overlays().List()))
	}
	w.typed(escape)
	if len(w.sheets) != 0 || w.win == nil {
		t.Error("a second Escape does not close the sheet alone")
	}
}

func TestDemoIsOneClick(t *testing.T) {
	w := english(t, none(), google)
	w.tap("Or try the demo server on this computer")
	w.has("{http://127.0.0.1:38470/mcp}")
	w.has("{demo}")
	w.has("Sign in as alice.")
	w.elapse() // the address answered, with a name of its own
	w.has("{demo}")
	state := none()
	state.Servers = []local.ServerState{{Name: "demo", State: local.Ready}}
	w = english(t, state, google)
	w.addDemo()
	w.has("{demo-2}")
}

func lostNotice() *local.State {
	s := some()
	s.Notices = []local.Notice{{ID: "lost cursor", Kind: local.NoticeClientLost, Client: "cursor", Program: "Cursor", Servers: []string{"Data platform", "Notion"}}}
	return s
}

func TestAClientThatForgotItsServersIsRestoredByOneClick(t *testing.T) {
	w := english(t, some())
	w.goTo(view.PageClients)
	w.hasNot("Restore")
	programs(w)
	w.see(lostNotice()) // the page asks again when the agent says that something was lost
	w.has("Its config file was rewritten. Gone from it: Data platform, Notion")
	w.has("Not on this computer: Windsurf, LM Studio, Goose")
	w.agent.clients[1].Lost, w.agent.clients[1].Servers = nil, []string{"Data platform", "Notion"}
	w.tap("Restore")
	w.asked("repair cursor")
	w.hasNot("Gone from it")
}

func TestServersOfAClientAreChosen(t *testing.T) {
	w := english(t, some(), programs)
	chooseAll(w)
	programs(w)
	w.agent.clients[1].Lost, w.agent.clients[1].Servers = nil, []string{"Sales data", "Search", "Wiki"}
	w.tap("Save")
	w.asked("install cursor [Sales data Search Wiki]")
	w.asked("uninstall cursor [Data platform Notion]")
	w.has("Done. Quit Cursor and start it again")
	w.has("mcp.json.keyporter-backup")
	w.tap("Close")
	calls := len(w.agent.calls)
	chosen := func(row int) {
		n := 0
		w.objects(func(o fyne.CanvasObject) {
			if b, ok := o.(*button); ok && b.Text == "Choose servers" {
				if n++; n == row {
					defer test.Tap(b)
				}
			}
		})
	}
	chosen(2) // Claude Desktop, then Cursor: neither needs the user any more
	w.tap("Save")
	if got := w.agent.calls[calls:]; len(got) != 0 {
		t.Errorf("nothing was changed, but the agent was asked %q", got)
	}
	chosen(2)
	w.agent.fail = hint.New(hint.Failed, "The file /home/name/.cursor/mcp.json is read-only, so it was left alone.", "Make it writable.")
	w.objects(func(o fyne.CanvasObject) {
		if c, ok := o.(*check); ok {
			c.SetChecked(!c.Checked)
		}
	})
	w.tap("Save")
	w.has("is read-only")
}

func TestClientsThatCannotBeAskedAreAProblem(t *testing.T) {
	w := english(t, some(), func(w *world) { w.agent.fail = hint.New(hint.Unreachable, "The agent is away.", "Try again.") })
	w.goTo(view.PageClients)
	w.has("The agent is away.")
	w.agent.fail = nil
	programs(w)
	w.see(lostNotice())
	w.has("Claude Desktop")
}

func TestAllServersOfTheTrayAreTheListOfTheWindow(t *testing.T) {
	w := english(t, none())
	w.goTo(view.PageSettings)
	w.OpenServers()
	if p := w.page.of(); p != view.PageServers {
		t.Errorf("the window shows %s", p)
	}
}
