package tray

import (
	"slices"
	"testing"

	"fyne.io/fyne/v2"

	"keyporter/app/view"
)

// A desk records what Fyne's tray is given.
type desk struct {
	menus []*fyne.Menu
	icons []string
}

func (d *desk) SetSystemTrayMenu(m *fyne.Menu)      { d.menus = append(d.menus, m) }
func (d *desk) SetSystemTrayIcon(res fyne.Resource) { d.icons = append(d.icons, res.Name()) }

// A panel records what a tray shows.
type panel struct {
	menus []view.Menu
	icons []look
	tips  []string
}

func (p *panel) SetMenu(m view.Menu)               { p.menus = append(p.menus, m) }
func (p *panel) SetIcon(c view.Icon, darkOne bool) { p.icons = append(p.icons, look{c, darkOne}) }
func (p *panel) SetTooltip(text string)            { p.tips = append(p.tips, text) }

func menuOf(headline string) view.Menu {
	return view.Menu{Items: []view.Item{
		{Key: "header", Text: headline},
		{Key: "line/1", Separator: true},
		{Key: "server/a", Mark: view.Good, Text: "a", Enabled: true, Items: []view.Item{
			{Key: "server/a/sign-in", Text: "Sign in…", Enabled: true, Action: view.Action{Verb: view.SignIn, Server: "a"}},
		}},
		{Key: "quit", Text: "Quit", Enabled: true, Action: view.Action{Verb: view.Quit}},
	}}
}

func TestTrayShowsOnlyWhatChanged(t *testing.T) {
	var p panel
	tr := New(&p)
	tr.SetDarkPanel(true)
	if len(p.icons) != 0 {
		t.Fatalf("an icon before there is a condition: %v", p.icons)
	}
	tr.Show(menuOf("one"), view.IconReady)
	tr.Show(menuOf("one"), view.IconReady)
	tr.Show(menuOf("two"), view.IconReady)
	other := menuOf("two")
	other.Items[2].Text = "b"
	tr.Show(other, view.IconAttention)
	tr.SetDarkPanel(false)
	tr.SetDarkPanel(false)
	if len(p.menus) != 3 {
		t.Errorf("the menu was set %d times, want 3", len(p.menus))
	}
	if want := []string{"one", "two"}; !slices.Equal(p.tips, want) {
		t.Errorf("tooltips are %q, want %q", p.tips, want)
	}
	if want := []look{{view.IconReady, true}, {view.IconAttention, true}, {view.IconAttention, false}}; !slices.Equal(p.icons, want) {
		t.Errorf("icons are %v, want %v", p.icons, want)
	}
}

func TestFynesTrayShowsTheMenuAndActs(t *testing.T) {
	var d desk
	var done []view.Action
	p := OnDesk(&d, func(a view.Action) { done = append(done, a) })
	p.SetMenu(menuOf("one"))
	p.SetIcon(view.IconReady, true)
	p.SetIcon(view.IconReady, false)
	if len(d.icons) != 2 || d.icons[0] == d.icons[1] {
		t.Errorf("icons are %v, want one for each panel", d.icons)
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

func TestFynesTrayKeepsItsRows(t *testing.T) {
	var d desk
	p := OnDesk(&d, func(view.Action) {})
	p.SetMenu(menuOf("one"))
	header, quit := d.menus[0].Items[0], d.menus[0].Items[3]
	child := d.menus[0].Items[2].ChildMenu.Items[0]
	p.SetMenu(menuOf("two"))
	rows := d.menus[1].Items
	if d.menus[1] != d.menus[0] || rows[0] != header || rows[3] != quit || rows[2].ChildMenu.Items[0] != child {
		t.Error("rows that stayed were made anew")
	}
	if header.Label != "two" {
		t.Errorf("the headline is %q, want two", header.Label)
	}
	less := menuOf("two")
	less.Items[2].Items = nil
	p.SetMenu(less)
	if rows[2].ChildMenu != nil {
		t.Error("a submenu without rows stays")
	}
}
