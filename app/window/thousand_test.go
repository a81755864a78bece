package window

import (
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"keyporter/app/apptest"
	"keyporter/app/view"
	"keyporter/broker/local"
)

func thousand() *local.State { return apptest.Thousand(local.Ready, now) }

// oneChanged returns thousand with another text in one server's row, and in one account's.
func oneChanged(server, acc int) *local.State {
	s := thousand()
	s.Servers[server].Bridges++
	s.Accounts[acc].Identity = "another@example.com"
	return s
}

// TestAThousandServersInTheWindow prints what each takes, and judges what is drawn.
func TestAThousandServersInTheWindow(t *testing.T) {
	w := english(t, thousand())
	for _, p := range []struct {
		page view.Page
		list func() *list
	}{
		{view.PageServers, func() *list { return w.page.(*serversPage).list }},
		{view.PageAccounts, func() *list { return w.page.(*accountsPage).list }},
	} {
		figure := func(what string, f func()) {
			began := time.Now()
			f()
			t.Logf("1000 servers and 200 accounts, page %s, %s: %v", p.page, what, time.Since(began).Round(10*time.Microsecond))
		}
		w.see(thousand())
		figure("open", func() { w.goTo(p.page) })
		l := p.list()
		const n = 190
		filled, seen := 0, len(l.rows) // by now; further ones are counted as they come
		fill := l.UpdateItem
		l.UpdateItem = func(id int, o fyne.CanvasObject) {
			filled++
			seen = max(seen, id+1)
			fill(id, o)
		}
		figure("scrolled through 190", func() {
			for seen < n {
				l.ScrollToOffset(l.GetScrollOffset() + l.Size().Height/2)
			}
		})
		if filled > n {
			t.Errorf("page %s: %d rows were drawn on the way through %d", p.page, filled, n)
		}
		l.ScrollToTop()
		filled = 0
		figure("a state in which nothing changed", func() { w.see(thousand()) })
		if filled != 0 {
			t.Errorf("%d rows were drawn for nothing", filled)
		}
		filled = 0
		figure("one row of those that are seen changed", func() { w.see(oneChanged(2, 2)) })
		if filled != 1 {
			t.Errorf("page %s: %d rows were drawn for one that changed", p.page, filled)
		}
		filled = 0
		figure("one row beyond them changed", func() { w.see(oneChanged(900, 190)) })
		if filled != 1 { // the one that is as it was
			t.Errorf("page %s: %d rows were drawn for one that changed back", p.page, filled)
		}
	}
}
