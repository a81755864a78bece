package tray

import (
	"testing"

	"fyne.io/fyne/v2"

	"keyporter/app/view"
)

// A desk records what the tray is given.
type desk struct {
	menus []*fyne.Menu
	icons []string
}

func (d *desk) SetSystemTrayMenu(m *fyne.Menu)      { d.menus = append(d.menus, m) }
func (d *desk) SetSystemTrayIcon(res fyne.Resource) { d.icons = append(d.icons, res.Name()) }

func menu(headline string) view.Menu {
	return view.Menu{Items: []view.Item{
		{Key: "header", Text: headline},
		{Key: "line/1", Separator: true},
		{Key: "server/a", Mark: view.Good, Text: "a", Enabled: true, Items: []view.Item{
			{Key: "server/a/sign-in", Text: "Sign in…", Enabled: true, Action: view.Action{Verb: view.SignIn, Server: "a"}},
		}},
		{Key: "quit", Text: "Quit", Enabled: true, Action: view.Action{Verb: view.Quit}},
	}}
}

func TestTrayShowsTheMenuAndActs(t *testing.T) {
	var d desk
	var done []view.Action
	tr := New(&d, func(a view.Action) { done = append(done, a) })
	tr.Show(menu("one"), view.IconReady)
	if len(d.menus) != 1 {
		t.Fatalf("the menu was set %d times, want once", len(d.menus))
	}
	rows := d.menus[0].Items
	if !rows[0].Disabled || rows[0].Label != "one" || !rows[1].IsSeparator || rows[2].Label != "● a" || rows[2].Disabled {
		t.Errorf("rows are %+v %+v %+v", rows[0], rows[1], rows[2])
	}
	if !rows[3].IsQuit {
		t.Error("the last row is not marked as quit, so Fyne adds another")
	}
	rows[0].Action()
	rows[2].ChildMenu.Items[0].Action()
	rows[3].Action()
	if want := (view.Action{Verb: view.SignIn, Server: "a"}); len(done) != 2 || done[0] != want || done[1].Verb != view.Quit {
		t.Errorf("actions are %v", done)
	}
}

func TestTrayLeavesAloneWhatDidNotChange(t *testing.T) {
	var d desk
	tr := New(&d, func(view.Action) {})
	tr.Show(menu("one"), view.IconReady)
	header, quit := d.menus[0].Items[0], d.menus[0].Items[3]
	child := d.menus[0].Items[2].ChildMenu.Items[0]

	tr.Show(menu("one"), view.IconReady)
	if len(d.menus) != 1 || len(d.icons) != 1 {
		t.Errorf("an equal menu set the menu %d and the icon %d times, want once each", len(d.menus), len(d.icons))
	}
	tr.Show(menu("two"), view.IconReady)
	if len(d.menus) != 2 || len(d.icons) != 1 {
		t.Errorf("another headline set the menu %d and the icon %d times, want 2 and 1", len(d.menus), len(d.icons))
	}
	rows := d.menus[1].Items
	if d.menus[1] != d.menus[0] || rows[0] != header || rows[3] != quit || rows[2].ChildMenu.Items[0] != child {
		t.Error("rows that stayed were made anew")
	}
	if header.Label != "two" {
		t.Errorf("the headline is %q, want two", header.Label)
	}

	less := menu("two")
	less.Items[2].Items = nil
	tr.Show(less, view.IconReady)
	if rows[2].ChildMenu != nil {
		t.Error("a submenu without rows stays")
	}
}

func TestTrayIconFollowsConditionAndPanel(t *testing.T) {
	var d desk
	tr := New(&d, func(view.Action) {})
	tr.SetDarkPanel(true)
	if len(d.icons) != 0 {
		t.Fatalf("an icon before there is a condition: %v", d.icons)
	}
	tr.Show(menu("one"), view.IconReady)
	tr.Show(menu("one"), view.IconAttention)
	tr.SetDarkPanel(false)
	tr.SetDarkPanel(false)
	if len(d.icons) != 3 || d.icons[0] == d.icons[1] || d.icons[1] == d.icons[2] {
		t.Errorf("icons are %v, want three different ones", d.icons)
	}
}
