package view

import (
	"strings"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func TestDoctorsChecksAreGroupedWithWhatToDo(t *testing.T) {
	checks := []*local.Check{
		{ID: local.CheckAgent, Result: local.CheckOK, Seen: "process 1"},
		{ID: local.CheckTLS, Subject: "notes\n", Result: local.CheckNote, Problem: hint.New(hint.Failed, "It is inspected.", "Nothing.")},
		{ID: local.CheckGrant, Subject: "notes\n", Result: local.CheckFailed, Problem: hint.New(hint.SignInNeeded, "notes needs a sign-in.", "Sign in.")},
		{ID: local.CheckRoundTrip, Subject: "notes\n", Result: local.CheckSkipped, After: local.CheckGrant},
		{ID: local.CheckClient, Subject: "Cursor", Result: local.CheckFailed, Problem: hint.New(hint.Failed, "Its file is broken.", "Mend it.")},
		{ID: "newer", Subject: "x", Result: "newer"},
	}
	for _, l := range []Language{English, Japanese} {
		txt := TextsIn(l)
		groups := DoctorOf(txt, checks)
		var titles []string
		for _, g := range groups {
			titles = append(titles, g.Title)
		}
		if got, want := strings.Join(titles, "|"), "Keyporter|notes|"+txt.Doctor.Clients+"|x"; got != want {
			t.Fatalf("groups are %s, want %s", got, want)
		}
		notes := groups[1].Rows
		if notes[0].Mark != Good || notes[0].Note != "It is inspected. Nothing." {
			t.Errorf("the note is %+v", notes[0])
		}
		if p := notes[1].Problem; notes[1].Mark != Needs || p == nil || p.Do != "Sign in." || p.Action != (Action{SignIn, "notes\n"}) {
			t.Errorf("the failure is %+v, %+v", notes[1], p)
		}
		if notes[2].Mark != Resting || !strings.Contains(notes[2].Seen, txt.Doctor.Grant) {
			t.Errorf("what was skipped is %+v", notes[2])
		}
		if c := groups[2].Rows[0]; c.Title != "Cursor" || c.Problem.Button != "" {
			t.Errorf("the client is %+v", c)
		}
		for n, want := range map[int]string{1: txt.Doctor.Fine, 2: txt.Doctor.Notes, 3: txt.Doctor.FailedOne} {
			if got := DoctorSays(txt, checks[:n]); got != want {
				t.Errorf("%d checks are summed up as %q, want %q", n, got, want)
			}
		}
		for _, id := range local.CheckIDs() {
			if txt.checkTitle(&local.Check{ID: id}) == string(id) {
				t.Errorf("%s has no title in %s", id, l)
			}
		}
	}
}
