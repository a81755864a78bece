package window

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/test"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
)

// team is the state of somebody who has joined two profiles, in an organisation
// that fixes something.
func team() *local.State {
	s := some()
	s.Profiles = []local.ProfileState{
		{Name: "Data team", URL: "https://example.com/data-team.keyporter.json", Signer: "lead@example.com", JoinedAt: now.Add(-72 * time.Hour), Servers: []string{"Data platform", "Sales data"}},
		{Name: "Library", JoinedAt: now.Add(-2 * time.Hour), Servers: []string{"Wiki"}},
	}
	s.Policies = []local.PolicyState{{
		Source: "/etc/keyporter/policy.json", Organisation: "Example Corp.", Origins: []string{"https://*.example.com", "https://*.run.app"},
		Kinds: []account.Kind{account.OAuth, account.GoogleImpersonate}, Settings: map[string]string{"language": "ja"},
	}}
	return s
}

// reviewed is a profile with something of everything.
func reviewed(w *world) {
	w.agent.review = &local.Review{
		Name: "Data team", Description: "What the data team uses", URL: "https://example.com/team", Update: true, IssuedAt: now.Add(-24 * time.Hour),
		Signer: local.Signer{Standing: local.SignedUnknown, Fingerprint: "SHA256:HrYqVyU3D2VHsdgOA4DfdTCwpzy7wunmaQhW3r2/JBg"},
		Changes: []local.ProfileChange{
			{Op: local.Added, Account: true, Name: "sales-sa", Members: []local.MemberChange{{Name: "kind", New: "google-impersonate"}, {Name: "audience", New: "https://bank.example.com"}},
				To: []string{"https://sales.example.com/mcp"}},
			{Op: local.Added, Name: "sales-2", As: "sales", Members: []local.MemberChange{{Name: "url", New: "https://sales.example.com/mcp"}}},
			{Op: local.Changed, Name: "Wiki", Members: []local.MemberChange{{Name: "url", Old: "https://wiki.example.com/mcp", New: "https://wiki.example.com/v2"}, {Name: "scopes", New: "read"}}},
			{Op: local.Removed, Name: "Search"},
		},
		Concerns: []local.Concern{
			{Code: local.AudienceElsewhere, Server: "sales", Account: "sales-sa", Value: "https://bank.example.com", Origin: "https://sales.example.com"},
			{Code: local.SourceChanged, Value: "https://other.example.com/team"},
		},
		Profile: []byte("{}"), Digest: "digest",
	}
}

// tick clicks the n-th check box that is visible.
func (w *world) tick(n int) {
	w.t.Helper()
	var found []*check
	w.objects(func(o fyne.CanvasObject) {
		if c, ok := o.(*check); ok {
			found = append(found, c)
		}
	})
	if n >= len(found) {
		w.t.Fatalf("there are %d check boxes", len(found))
	}
	test.Tap(found[n])
}

// A profile is joined when everything that has to be agreed to by itself is, and
// not before.
func TestJoiningNeedsEachConcernAgreedTo(t *testing.T) {
	w := open(t, view.English, false, some(), reviewed)
	w.Join("https://example.com/team")
	if len(w.agent.reviewed) > 0 {
		t.Fatal("a link looks something up by itself")
	}
	w.tap("Show what it would do")
	if got := w.agent.reviewed; len(got) != 1 || got[0].URL != "https://example.com/team" {
		t.Fatalf("reviewed %+v", got)
	}
	all := w.read()
	for _, want := range []string{
		"Signed with a key that is not known here: SHA256:HrYq", "+ server sales-2", "called sales in the profile", "~ server Wiki", "url: https://wiki.example.com/mcp → https://wiki.example.com/v2",
		"scopes: nothing → read", "− server Search", "its tokens go to https://sales.example.com/mcp",
		"Tokens for https://bank.example.com are sent to https://sales.example.com, which could use them there.",
		"Before, the profile came from https://other.example.com/team; now it comes from somewhere else.",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not shown in\n%s", want, all)
		}
	}
	w.tap("Join")
	w.tick(0)
	w.tap("Join")
	w.tick(0)
	w.tick(1)
	w.tap("Join")
	if len(w.agent.joined) > 0 {
		t.Fatal("joined before all was agreed to")
	}
	w.tick(0)
	w.tap("Join")
	if got := w.agent.joined; len(got) != 1 || got[0].Digest != "digest" || !got[0].Agreed || got[0].Trust != "" {
		t.Fatalf("joined %+v", got)
	}
	if len(w.sheets) > 0 {
		t.Error("the review stays open")
	}
}

// The key that signed is known from then on when somebody says that they compared it.
func TestJoiningCanTrustTheKey(t *testing.T) {
	w := open(t, view.English, false, some(), reviewed)
	w.agent.review.Concerns = nil
	w.Join("https://example.com/team")
	w.tap("Show what it would do")
	w.tick(0)
	var last *entry
	w.objects(func(o fyne.CanvasObject) {
		if e, ok := o.(*entry); ok {
			last = e
		}
	})
	last.SetText(" lead@example.com ")
	w.tap("Join")
	if got := w.agent.joined; len(got) != 1 || got[0].Trust != "lead@example.com" || got[0].Agreed {
		t.Errorf("joined %+v", got)
	}
}

// A profile comes by drop, also from another page, and from the clipboard; what is
// not one says so.
func TestProfilesAreDroppedAndPasted(t *testing.T) {
	w := open(t, view.English, false, some(), reviewed)
	file := filepath.Join(t.TempDir(), "data.keyporter.json")
	if err := os.WriteFile(file, []byte(`{"version":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.dropped([]fyne.URI{storage.NewFileURI(file)})
	if w.page.of() != view.PageTeam || len(w.sheets) != 1 {
		t.Fatalf("page %s with %d sheets", w.page.of(), len(w.sheets))
	}
	w.tap("Cancel")
	clip := w.o.App.Clipboard()
	clip.SetContent(` {"version":1,"name":"x"} `)
	w.tap("Paste")
	w.tap("Cancel")
	asked := len(w.agent.reviewed)
	clip.SetContent("keyporter://join?profile=abc")
	w.tap("Paste")
	if len(w.agent.reviewed) != asked || !strings.Contains(w.read(), "{keyporter://join?profile=abc}") {
		t.Error("an address in the clipboard is looked up by itself")
	}
	w.tap("Show what it would do")
	w.tap("Cancel")
	clip.SetContent("hello")
	w.tap("Paste")
	if !strings.Contains(w.read(), "There is no profile in the clipboard.") {
		t.Errorf("shows\n%s", w.read())
	}
	w.dropped([]fyne.URI{storage.NewFileURI(filepath.Join(t.TempDir(), "missing.keyporter.json"))})
	if !strings.Contains(w.read(), "The file cannot be read.") {
		t.Errorf("shows\n%s", w.read())
	}
	var texts []string
	for _, r := range w.agent.reviewed {
		texts = append(texts, string(r.Profile)+r.URL)
	}
	if want := []string{`{"version":1}`, `{"version":1,"name":"x"}`, "keyporter://join?profile=abc"}; !slices.Equal(texts, want) {
		t.Errorf("reviewed %q, want %q", texts, want)
	}
	w.agent.review = &local.Review{Name: "Data team", Nothing: true}
	w.dropped([]fyne.URI{storage.NewFileURI(file)})
	if !strings.Contains(w.read(), "Data team: nothing new.") || len(w.agent.joined) > 0 {
		t.Errorf("shows\n%s", w.read())
	}
}

// What is shared is what is checked, and it is shown before it is saved.
func TestSharingShowsWhatTheFileHolds(t *testing.T) {
	w := open(t, view.English, false, some())
	w.goTo(view.PageTeam)
	w.tick(1)
	w.page.(*teamPage).name.SetText("Data team")
	w.tap("Show what it holds")
	if got := w.agent.shared; len(got) != 1 || got[0].Name != "Data team" || !slices.Equal(got[0].Servers, []string{"Data platform", "Sales data", "Search", "Wiki"}) {
		t.Fatalf("shared %+v", got)
	}
	for _, want := range []string{`"url": "https://wiki.example.com/mcp"`, "No secrets: searched for the 7 in the vault.", "Left out of Wiki: proxy", "Everybody gives a key of their own to Search."} {
		if !strings.Contains(w.read(), want) {
			t.Errorf("%q is not shown in\n%s", want, w.read())
		}
	}
	w.tap("Copy link")
	if got := w.o.App.Clipboard().Content(); !strings.HasPrefix(got, "keyporter://join?profile=") {
		t.Errorf("the clipboard holds %q", got)
	}
	for _, n := range []int{0, 2, 3, 4} { // the one that is left: 1 is off already
		w.tick(n)
	}
	w.tap("Show what it holds")
	if len(w.agent.shared) != 1 || !strings.Contains(w.read(), "no servers to share") {
		t.Error("with nothing checked, everything is shared")
	}
}

// What was joined is listed; it can be looked at again, and forgotten after a question.
func TestJoinedProfilesAndWhatIsFixed(t *testing.T) {
	w := open(t, view.English, false, team(), reviewed)
	w.goTo(view.PageTeam)
	for _, want := range []string{
		"Signed by lead@example.com ‧ joined 3 days ago", "Not signed ‧ joined 2 h ago", "Example Corp., in /etc/keyporter/policy.json", "Servers are at https://*.example.com", "language=ja",
	} {
		if !strings.Contains(w.read(), want) {
			t.Errorf("%q is not shown in\n%s", want, w.read())
		}
	}
	w.tap("Look for a new version")
	if got := w.agent.reviewed; len(got) != 1 || got[0].Name != "Data team" {
		t.Errorf("reviewed %+v", got)
	}
	w.tap("Cancel")
	w.tap("Forget")
	if !strings.Contains(w.read(), "Forget Data team?") || len(w.agent.calls) > 0 {
		t.Errorf("shows\n%s", w.read())
	}
	w.tap("Forget")
	if !slices.Equal(w.agent.calls, []string{"forget Data team"}) {
		t.Errorf("calls = %v", w.agent.calls)
	}
}
