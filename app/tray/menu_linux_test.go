package tray

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"keyporter/app/view"
)

// A bus records the signals of a menu, as "LayoutUpdated 1 0".
type bus struct{ signals []string }

func (b *bus) emit(signal string, args ...any) {
	for i, a := range args {
		switch a := a.(type) {
		case []properties:
			var s []string
			for _, p := range a {
				s = append(s, fmt.Sprint(p.ID, p.Props))
			}
			args[i] = s
		}
	}
	b.signals = append(b.signals, strings.TrimSpace(signal+" "+fmt.Sprintln(args...)))
}

// heard returns the signals since the last call.
func (b *bus) heard() []string {
	s := b.signals
	b.signals = nil
	return s
}

// newTestMenu returns a menu that shows menuOf("one"), and what it did. Its rows
// have the numbers 1 to 5 from the top, as read.
func newTestMenu() (*menu, *bus, *[]view.Action) {
	var b bus
	var did []view.Action
	m := newMenu(func(a view.Action) { did = append(did, a) }, b.emit)
	m.set(menuOf("one"))
	return m, &b, &did
}

func TestPanelReadsTheWholeMenuAtOnce(t *testing.T) {
	m, b, _ := newTestMenu()
	if got, want := b.heard(), []string{"LayoutUpdated 1 0"}; !slices.Equal(got, want) {
		t.Errorf("signals are %q, want %q", got, want)
	}
	revision, root, err := calls{m}.GetLayout(0, -1, nil)
	if err != nil || revision != 1 || len(root.Children) != 4 {
		t.Fatalf("layout %d of %+v, %v", revision, root, err)
	}
	server := root.Children[2].Value().(node)
	child := server.Children[0].Value().(node)
	for _, c := range []struct {
		n    node
		want map[string]any
	}{
		{root, map[string]any{"children-display": "submenu"}},
		{root.Children[0].Value().(node), map[string]any{"label": "one", "enabled": false}},
		{root.Children[1].Value().(node), map[string]any{"type": "separator"}},
		{server, map[string]any{"label": "● a", "enabled": true, "children-display": "submenu"}},
		{child, map[string]any{"label": "Sign in…", "enabled": true}},
	} {
		got := map[string]any{}
		for name, v := range c.n.Props {
			got[name] = v.Value()
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("row %d is %v, want %v", c.n.ID, got, c.want)
		}
	}
	if _, one, _ := (calls{m}).GetLayout(server.ID, 0, []string{"label"}); len(one.Children) != 0 || len(one.Props) != 1 {
		t.Errorf("one level with one property is %+v", one)
	}
	if all, _ := (calls{m}).GetGroupProperties(nil, nil); len(all) != 6 {
		t.Errorf("all rows are %d, want 6", len(all))
	}
	if some, _ := (calls{m}).GetGroupProperties([]int32{child.ID, 99}, nil); len(some) != 1 || some[0].ID != child.ID {
		t.Errorf("the properties of two rows, one unknown, are %v", some)
	}
	if v, err := (calls{m}).GetProperty(child.ID, "label"); err != nil || v.Value() != "Sign in…" {
		t.Errorf("the label is %v, %v", v, err)
	}
	if _, _, err := (calls{m}).GetLayout(99, -1, nil); err == nil {
		t.Error("a row that is not there has a layout")
	}
}

// TestPanelHearsOfWhatChangedAndOfNothingElse is what keeps an open menu still.
func TestPanelHearsOfWhatChangedAndOfNothingElse(t *testing.T) {
	with := func(change func(*view.Menu)) view.Menu {
		m := menuOf("one")
		change(&m)
		return m
	}
	for _, c := range []struct {
		name string
		menu view.Menu
		want []string
	}{
		{"nothing", menuOf("one"), nil},
		{"one text", menuOf("two"), []string{`ItemsPropertiesUpdated [1 map[label:"two"]] []`}},
		{"one switched off", with(func(m *view.Menu) { m.Items[3].Enabled = false }), []string{`ItemsPropertiesUpdated [5 map[enabled:false]] []`}},
		{"a text in a submenu", with(func(m *view.Menu) { m.Items[2].Items[0].Text = "x" }), []string{`ItemsPropertiesUpdated [4 map[label:"x"]] []`}},
		{"a row less", with(func(m *view.Menu) { m.Items = slices.Delete(m.Items, 1, 2) }), []string{"LayoutUpdated 2 0"}},
		{"a row more in a submenu", with(func(m *view.Menu) { m.Items[2].Items = append(m.Items[2].Items, view.Item{Key: "new"}) }), []string{"LayoutUpdated 2 3"}},
		{"two menus", with(func(m *view.Menu) {
			m.Items = slices.Delete(m.Items, 1, 2)
			m.Items[1].Items = append(m.Items[1].Items, view.Item{Key: "new"})
		}), []string{"LayoutUpdated 2 0"}},
		{"no submenu", with(func(m *view.Menu) { m.Items[2].Items = nil }), []string{"ItemsPropertiesUpdated [] [{3 [children-display]}]", "LayoutUpdated 2 3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, b, _ := newTestMenu()
			b.heard()
			m.set(c.menu)
			if got := b.heard(); !slices.Equal(got, c.want) {
				t.Errorf("signals are %q, want %q", got, c.want)
			}
		})
	}
}

func TestClickOnARowActsAlsoAfterItsTextChanged(t *testing.T) {
	m, _, did := newTestMenu()
	quit := m.numbers[place{0, "quit"}]
	m.set(menuOf("two"))
	c, none := calls{m}, dbus.MakeVariant(int32(0))
	if err := c.Event(quit, "clicked", none, 0); err != nil {
		t.Error(err)
	}
	if err := c.Event(quit, "hovered", none, 0); err != nil {
		t.Error(err)
	}
	if err := c.Event(m.numbers[place{0, "header"}], "clicked", none, 0); err != nil {
		t.Error(err)
	}
	if err := c.Event(99, "clicked", none, 0); err == nil {
		t.Error("a click on a row that is not there is no error")
	}
	unknown, _ := c.EventGroup([]event{{ID: 99, Name: "clicked", Data: none}, {ID: quit, Name: "clicked", Data: none}})
	if !slices.Equal(unknown, []int32{99}) {
		t.Errorf("unknown rows are %v, want 99", unknown)
	}
	if want := []view.Action{{Verb: view.Quit}, {Verb: view.Quit}}; !slices.Equal(*did, want) {
		t.Errorf("it did %v, want %v", *did, want)
	}
}
