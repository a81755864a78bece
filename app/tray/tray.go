// Package tray shows a menu value and an icon as the system tray's. It decides
// nothing: texts, conditions and actions come from app/view. It owns no
// goroutine; its methods are called on Fyne's UI goroutine.
package tray

import (
	"fmt"
	"reflect"

	"fyne.io/fyne/v2"

	"keyporter/app/view"
	"keyporter/assets"
)

// A Desk is the part of Fyne's desktop.App that a tray needs.
type Desk interface {
	SetSystemTrayMenu(*fyne.Menu)
	SetSystemTrayIcon(fyne.Resource)
}

// A Tray is the icon and its menu.
type Tray struct {
	desk Desk
	do   func(view.Action)

	menu  *fyne.Menu
	shown view.Menu
	rows  map[string]*fyne.MenuItem // by view.Item.Key

	icon      view.Icon
	darkPanel bool
	iconSet   string // name of the picture that is shown
}

// New returns a tray that shows nothing yet. do starts an action and returns at
// once: while it runs, further clicks on the row would be lost.
func New(desk Desk, do func(view.Action)) *Tray {
	return &Tray{desk: desk, do: do, menu: fyne.NewMenu("Keyporter"), rows: map[string]*fyne.MenuItem{}}
}

// Show shows m and icon. What did not change is left alone: every refresh gives
// all rows new ids on Linux, and a click on an old one is lost. The first Show
// has to come before the app runs, because Fyne starts the tray there.
func (t *Tray) Show(m view.Menu, icon view.Icon) {
	t.icon = icon
	t.showIcon()
	if reflect.DeepEqual(m, t.shown) {
		return
	}
	rows := make(map[string]*fyne.MenuItem, len(t.rows))
	t.menu.Items = t.fill(m.Items, rows)
	if n := len(t.menu.Items); n > 0 {
		t.menu.Items[n-1].IsQuit = true // or Fyne adds one of its own
	}
	t.rows, t.shown = rows, m
	t.desk.SetSystemTrayMenu(t.menu)
}

// SetDarkPanel says whether the panel under the icon is dark.
func (t *Tray) SetDarkPanel(dark bool) {
	t.darkPanel = dark
	if t.icon != "" {
		t.showIcon()
	}
}

// fill returns the rows of one menu, those of before where they exist, and
// collects them in rows.
func (t *Tray) fill(items []view.Item, rows map[string]*fyne.MenuItem) []*fyne.MenuItem {
	list := make([]*fyne.MenuItem, len(items))
	for i := range items {
		it := &items[i]
		row := t.rows[it.Key]
		if row == nil {
			row = &fyne.MenuItem{}
		}
		t.set(row, it, rows)
		rows[it.Key], list[i] = row, row
	}
	return list
}

func (t *Tray) set(row *fyne.MenuItem, it *view.Item, rows map[string]*fyne.MenuItem) {
	row.IsSeparator, row.IsQuit = it.Separator, false
	row.Label = escape(it.Label())
	row.Disabled = !it.Enabled && !it.Separator
	action := it.Action
	row.Action = func() {
		if action.Verb != "" {
			t.do(action)
		}
	}
	if len(it.Items) == 0 {
		row.ChildMenu = nil
		return
	}
	if row.ChildMenu == nil {
		row.ChildMenu = fyne.NewMenu("")
	}
	row.ChildMenu.Items = t.fill(it.Items, rows)
}

// showIcon shows the picture for the icon and the panel, if it is another one.
func (t *Tray) showIcon() {
	name, data := assets.TrayIcon(string(t.icon), t.darkPanel)
	if name == t.iconSet {
		return
	}
	data, err := pixmap(data)
	if err != nil {
		panic(fmt.Sprintf("embedded icon %s: %v", name, err)) // assets/render made it
	}
	t.iconSet = name
	t.desk.SetSystemTrayIcon(fyne.NewStaticResource(name, data))
}
