package tray

import (
	"testing"
	"time"

	"keyporter/app/apptest"
	"keyporter/app/view"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// TestAThousandServersInTheMenu prints what each takes, and judges how many rows a
// panel reads.
func TestAThousandServersInTheMenu(t *testing.T) {
	for _, state := range []local.Status{local.Ready, local.SignInNeeded} {
		now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		var b bus
		m := newMenu(func(view.Action) {}, b.emit)
		figure := func(what string, f func()) {
			began := time.Now()
			f()
			t.Logf("1000 servers (%s), menu, %s: %v", state, what, time.Since(began).Round(10*time.Microsecond))
		}
		set := func(s *local.State) {
			m.set(view.Build(view.Input{Texts: view.TextsIn(view.English), Now: now, State: s}))
		}
		figure("made", func() { set(apptest.Thousand(state, now)) })
		figure("read by a panel", func() {
			if all, err := (calls{m}).GetGroupProperties(nil, nil); err != nil || len(all) > 150 {
				t.Errorf("a panel reads %d rows (%v)", len(all), err)
			}
		})
		b.heard()
		figure("one server changed", func() {
			s := apptest.Thousand(state, now)
			s.Servers[3].Problem = hint.New(hint.Failed, "It is odd.", "")
			s.Servers[3].State = local.Failed
			set(s)
		})
		if got := b.heard(); len(got) == 0 {
			t.Error("nobody heard of the change")
		}
		figure("nothing changed", func() { set(apptest.Thousand(state, now)) })
		b.heard()
		set(apptest.Thousand(state, now))
		if got := b.heard(); len(got) > 0 {
			t.Errorf("for nothing a panel heard %.300q", got)
		}
	}
}
