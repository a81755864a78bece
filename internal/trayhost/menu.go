package trayhost

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/godbus/dbus/v5"
)

// A Row is one row of a menu as the panel would show it.
type Row struct {
	ID        int32
	Label     string
	Enabled   bool
	Separator bool
	Rows      []*Row // of a submenu; nil where the item has not told them yet
}

// Find returns the first row with a label, in r or below it, or nil.
func (r *Row) Find(label string) *Row {
	if r.Label == label {
		return r
	}
	for _, c := range r.Rows {
		if f := c.Find(label); f != nil {
			return f
		}
	}
	return nil
}

// String gives the menu as an indented list, for failures of tests.
func (r *Row) String() string {
	var b strings.Builder
	r.write(&b, "")
	return b.String()
}

func (r *Row) write(b *strings.Builder, indent string) {
	for _, c := range r.Rows {
		switch {
		case c.Separator:
			fmt.Fprintf(b, "%s────\n", indent)
		case c.Enabled:
			fmt.Fprintf(b, "%s%s\n", indent, c.Label)
		default:
			fmt.Fprintf(b, "%s%s (off)\n", indent, c.Label)
		}
		c.write(b, indent+"    ")
	}
}

// Menu reads the menu.
func (it *Item) Menu(ctx context.Context) (*Row, error) {
	menu, err := it.menuObject(ctx)
	if err != nil {
		return nil, err
	}
	var revision uint32
	var l layout
	err = menu.CallWithContext(ctx, menuIface+".GetLayout", 0, int32(0), int32(-1), []string{}).Store(&revision, &l)
	if err != nil {
		return nil, fmt.Errorf("read tray menu: %w", err)
	}
	return l.row()
}

// WaitMenu waits for a menu that ok accepts.
func (it *Item) WaitMenu(ctx context.Context, ok func(*Row) bool) (*Row, error) {
	var menu *Row
	err := it.host.until(ctx, func() (done bool, err error) {
		menu, err = it.Menu(ctx)
		return err == nil && ok(menu), err
	})
	if err != nil {
		return menu, fmt.Errorf("wait for tray menu: %w; the last one was\n%v", err, menu)
	}
	return menu, nil
}

// WaitRow waits for a row with a label.
func (it *Item) WaitRow(ctx context.Context, label string) (*Row, error) {
	var row *Row
	_, err := it.WaitMenu(ctx, func(m *Row) bool {
		row = m.Find(label)
		return row != nil
	})
	if err != nil {
		return nil, fmt.Errorf("row %q: %w", label, err)
	}
	return row, nil
}

// Click waits for a row with a label and chooses it. A row that is off is an
// error: a panel would not let the user choose it.
func (it *Item) Click(ctx context.Context, label string) error {
	row, err := it.WaitRow(ctx, label)
	if err != nil {
		return err
	}
	if !row.Enabled || row.Separator {
		return fmt.Errorf("row %q is off", label)
	}
	menu, err := it.menuObject(ctx)
	if err != nil {
		return err
	}
	call := menu.CallWithContext(ctx, menuIface+".Event", 0, row.ID, "clicked", dbus.MakeVariant(int32(0)), uint32(0))
	if call.Err != nil {
		return fmt.Errorf("click %q: %w", label, call.Err)
	}
	return nil
}

// Quit clicks on a row that ends the program, which may be gone before it answers.
func (it *Item) Quit(ctx context.Context, label string) error {
	err := it.Click(ctx, label)
	var answer dbus.Error
	if errors.As(err, &answer) && answer.Name == "org.freedesktop.DBus.Error.NoReply" {
		return nil
	}
	return err
}

func (it *Item) menuObject(ctx context.Context) (dbus.BusObject, error) {
	var path dbus.ObjectPath
	if err := it.property(ctx, "Menu", &path); err != nil {
		return nil, err
	}
	return it.host.conn.Object(it.dest, path), nil
}

// A layout is a menu as com.canonical.dbusmenu sends it: (ia{sv}av).
type layout struct {
	ID       int32
	Props    map[string]dbus.Variant
	Children []dbus.Variant
}

// row reads a layout. Properties that are absent have the values that the
// interface names.
func (l *layout) row() (*Row, error) {
	r := &Row{ID: l.ID, Enabled: true}
	if s, ok := l.Props["label"].Value().(string); ok {
		r.Label = unescape(s)
	}
	if on, ok := l.Props["enabled"].Value().(bool); ok {
		r.Enabled = on
	}
	r.Separator = l.Props["type"].Value() == "separator"
	for _, v := range l.Children {
		var child layout
		if err := dbus.Store([]any{v.Value()}, &child); err != nil {
			return nil, fmt.Errorf("read tray menu: %w", err)
		}
		c, err := child.row()
		if err != nil {
			return nil, err
		}
		r.Rows = append(r.Rows, c)
	}
	return r, nil
}

// unescape gives a label as it looks: a single underscore marks an access key,
// two stand for one.
func unescape(label string) string {
	parts := strings.Split(label, "__")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "_", "")
	}
	return strings.Join(parts, "_")
}
