// Package tray shows a menu value and an icon as the system tray's. It decides
// nothing: texts, conditions and actions come from app/view.
//
// A Tray stands on a Panel. On Linux that is an Item of its own, on a connection
// of its own: fyne.io/systray v1.12.2, through which Fyne shows a tray, gives all
// rows new ids when one text changes, so that an open menu jumps and a click is
// lost; follows even the change of one row with the whole layout; garbles
// half-transparent pixels; misses a panel that starts while it registers; and
// shares its connection with whoever else asks for the session bus. Driving it
// without Fyne would mend the first of these only. On Windows and macOS, where
// the tray is the system's own and wants Fyne's main loop, it is Fyne's.
package tray

import (
	"reflect"

	"keyporter/app/view"
)

// A Panel is where the icon and its menu are shown.
type Panel interface {
	// SetMenu shows a menu that differs from the last one.
	SetMenu(m view.Menu)
	// SetIcon shows the picture of a condition on a dark or a light panel.
	SetIcon(condition view.Icon, dark bool)
	// SetTooltip sets the text beside the pointer.
	SetTooltip(text string)
}

// A Tray is the icon and its menu. It is not safe for concurrent use.
type Tray struct {
	panel Panel

	menu      view.Menu
	icon      view.Icon
	darkPanel bool
	shown     look // of the icon
}

// A look is what an icon looks like.
type look struct {
	icon view.Icon
	dark bool
}

// New returns a tray that shows nothing yet.
func New(p Panel) *Tray { return &Tray{panel: p} }

// Show shows m and icon. What did not change is left alone. The headline is the
// tooltip too.
func (t *Tray) Show(m view.Menu, icon view.Icon) {
	t.icon = icon
	t.showIcon()
	if reflect.DeepEqual(m, t.menu) {
		return
	}
	before := headline(t.menu)
	t.menu = m
	t.panel.SetMenu(m)
	if h := headline(m); h != before {
		t.panel.SetTooltip(h)
	}
}

func headline(m view.Menu) string {
	if len(m.Items) == 0 {
		return ""
	}
	return m.Items[0].Text
}

// SetDarkPanel says whether the panel under the icon is dark.
func (t *Tray) SetDarkPanel(dark bool) {
	t.darkPanel = dark
	if t.icon != "" {
		t.showIcon()
	}
}

// showIcon shows the picture for the icon and the panel, if it is another one.
func (t *Tray) showIcon() {
	if l := (look{t.icon, t.darkPanel}); l != t.shown {
		t.shown = l
		t.panel.SetIcon(l.icon, l.dark)
	}
}
