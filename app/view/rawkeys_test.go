package view

import (
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
)

func TestRawKeysShowWhereTheyStand(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	s := &local.Scanned{CanUndo: at.Add(-2 * time.Hour)}
	for range 60 {
		s.Found = append(s.Found, local.RawKey{File: "/x/a.json\n", Line: 7, Client: "Cursor", Entry: "a", Place: "env KEY", Kind: "newer", Tail: "wxyz"})
	}
	for _, l := range []Language{English, Japanese} {
		in := Input{Texts: TextsIn(l), Now: at}
		v := RawKeysOf(in, s)
		if v.Mark != Needs || !v.Move || !strings.Contains(v.Says, "60") || len(v.Rows) != maxRawKeys || v.Undo == "" {
			t.Errorf("the section is %+v", v)
		}
		if r := v.Rows[0]; r.Title != "a ‧ Cursor" || !strings.HasPrefix(r.Line, in.Texts.Keys.APIKey) || !strings.Contains(r.Line, "wxyz") || r.File != "/x/a.json:7" {
			t.Errorf("a row is %+v", r)
		}
		if v = RawKeysOf(in, &local.Scanned{}); v.Mark != Good || v.Move || v.Undo != "" || v.Says != in.Texts.Keys.None {
			t.Errorf("without keys it is %+v", v)
		}
		if says := RawKeysMoved(in, &local.Scanned{}); len(says) != 1 || says[0] != in.Texts.Keys.None {
			t.Errorf("nothing moved is %q", says)
		}
		if says := RawKeysMoved(in, &local.Scanned{Left: s.Found, SignIn: []string{"a"}, Restored: []string{"x"}}); len(says) != 3 {
			t.Errorf("what was done is %q", says)
		}
	}
}
