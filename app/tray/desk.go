package tray

import (
	"fyne.io/fyne/v2"
	"fyne.io/systray"

	"keyporter/app/view"
	"keyporter/assets"
)

// A Desk is the part of Fyne's desktop.App that a panel needs.
type Desk interface {
	SetSystemTrayMenu(*fyne.Menu)
	SetSystemTrayIcon(fyne.Resource)
}

// onDesk is Fyne's own tray.
type onDesk struct {
	desk Desk
	do   func(view.Action)
	menu *fyne.Menu
	rows map[string]*fyne.MenuItem // by view.Item.Key
}

// OnDesk returns Fyne's own tray as a panel. Its methods are called on Fyne's UI
// goroutine; the first SetMenu has to come before the app runs, because Fyne
// starts the tray there. do starts an action and returns at once: while it runs,
// further clicks on the row would be lost.
func OnDesk(desk Desk, do func(view.Action)) Panel {
	return &onDesk{desk: desk, do: do, menu: fyne.NewMenu("Keyporter"), rows: map[string]*fyne.MenuItem{}}
}

func (d *onDesk) SetMenu(m view.Menu) {
	rows := make(map[string]*fyne.MenuItem, len(d.rows))
	d.menu.Items = d.fill(m.Items, rows)
	if n := len(d.menu.Items); n > 0 {
		d.menu.Items[n-1].IsQuit = true // or Fyne adds one of its own
	}
	d.rows = rows
	d.desk.SetSystemTrayMenu(d.menu)
}

func (d *onDesk) SetIcon(condition view.Icon, dark bool) {
	name, picture := assets.TrayIcon(string(condition), dark)
	d.desk.SetSystemTrayIcon(fyne.NewStaticResource(name, picture))
}

// SetTooltip goes past Fyne, which has no call for it.
func (d *onDesk) SetTooltip(text string) { systray.SetTooltip(text) }

// fill returns the rows of one menu, those of before where they exist, and
// collects them in rows.
func (d *onDesk) fill(items []view.Item, rows map[string]*fyne.MenuItem) []*fyne.MenuItem {
	list := make([]*fyne.MenuItem, len(items))
	for i := range items {
		it := &items[i]
		row := d.rows[it.Key]
		if row == nil {
			row = &fyne.MenuItem{}
		}
		d.set(row, it, rows)
		rows[it.Key], list[i] = row, row
	}
	return list
}

func (d *onDesk) set(row *fyne.MenuItem, it *view.Item, rows map[string]*fyne.MenuItem) {
	row.IsSeparator, row.IsQuit = it.Separator, false
	row.Label = escape(it.Label())
	row.Disabled = !it.Enabled && !it.Separator
	action := it.Action
	row.Action = func() {
		if action.Verb != "" {
			d.do(action)
		}
	}
	if len(it.Items) == 0 {
		row.ChildMenu = nil
		return
	}
	if row.ChildMenu == nil {
		row.ChildMenu = fyne.NewMenu("")
	}
	row.ChildMenu.Items = d.fill(it.Items, rows)
}
