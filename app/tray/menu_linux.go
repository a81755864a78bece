package tray

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/godbus/dbus/v5"

	"keyporter/app/view"
)

const (
	menuIface = "com.canonical.dbusmenu"
	menuPath  = dbus.ObjectPath("/MenuBar")
)

// A menu is the menu as panels read it: rows with numbers and properties, of
// com.canonical.dbusmenu version 3. A row keeps its number while its text changes,
// so that what panels hear of is that one text. It is safe for concurrent use.
type menu struct {
	do   func(view.Action)
	emit func(signal string, args ...any)

	mu       sync.Mutex
	revision uint32        // of the layout
	rows     map[int32]row // by number; the root is 0
	numbers  map[place]int32
}

// A row is one row of the menu.
type row struct {
	props    map[string]dbus.Variant
	children []int32
	action   view.Action
}

// A place tells rows apart: two menus may have rows with the same key.
type place struct {
	parent int32
	key    string
}

// Types of the interface. Panels match their signatures; the names are ours.
type (
	node struct { // (ia{sv}av)
		ID       int32
		Props    map[string]dbus.Variant
		Children []dbus.Variant // of node
	}
	properties struct { // (ia{sv})
		ID    int32
		Props map[string]dbus.Variant
	}
	names struct { // (ias)
		ID    int32
		Names []string
	}
	event struct { // (isvu)
		ID        int32
		Name      string
		Data      dbus.Variant
		Timestamp uint32
	}
)

func newMenu(do func(view.Action), emit func(signal string, args ...any)) *menu {
	return &menu{do: do, emit: emit, rows: map[int32]row{0: {props: submenu()}}, numbers: map[place]int32{}}
}

func submenu() map[string]dbus.Variant {
	return map[string]dbus.Variant{"children-display": dbus.MakeVariant("submenu")}
}

// set replaces the rows and tells panels what changed: the properties of rows
// that stay, and where rows came, went or moved.
func (m *menu) set(v view.Menu) {
	m.mu.Lock()
	old := m.rows
	m.rows = map[int32]row{}
	m.add(0, submenu(), view.Action{}, v.Items)
	updated, removed, moved := differences(old, m.rows)
	if len(moved) > 0 {
		m.revision++
	}
	revision := m.revision
	m.mu.Unlock()

	if len(updated) > 0 || len(removed) > 0 {
		m.emit("ItemsPropertiesUpdated", updated, removed)
	}
	switch len(moved) {
	case 0:
	case 1:
		m.emit("LayoutUpdated", revision, moved[0])
	default:
		m.emit("LayoutUpdated", revision, int32(0))
	}
}

// add adds a row with what is below it; mu is held.
func (m *menu) add(id int32, props map[string]dbus.Variant, a view.Action, items []view.Item) {
	children := make([]int32, len(items))
	for i := range items {
		it := &items[i]
		at := place{id, it.Key}
		n, ok := m.numbers[at]
		if !ok {
			n = int32(len(m.numbers)) + 1
			m.numbers[at] = n
		}
		children[i] = n
		m.add(n, propertiesOf(it), it.Action, it.Items)
	}
	m.rows[id] = row{props: props, children: children, action: a}
}

// propertiesOf returns a row's properties, without those that are as the
// interface takes them to be.
func propertiesOf(it *view.Item) map[string]dbus.Variant {
	if it.Separator {
		return map[string]dbus.Variant{"type": dbus.MakeVariant("separator")}
	}
	props := map[string]dbus.Variant{}
	if len(it.Items) > 0 {
		props = submenu()
	}
	props["label"], props["enabled"] = dbus.MakeVariant(escape(it.Label())), dbus.MakeVariant(it.Enabled)
	return props
}

// differences compares rows that are in both, and where rows stand. All results
// are in the order of the numbers.
func differences(old, now map[int32]row) (updated []properties, removed []names, moved []int32) {
	updated, removed = []properties{}, []names{} // D-Bus has no nil
	for _, id := range slices.Sorted(maps.Keys(now)) {
		was, ok := old[id]
		if !ok {
			continue // whoever reads the layout of its parent reads it
		}
		is, changed, gone := now[id], map[string]dbus.Variant{}, []string(nil)
		for name, v := range is.props {
			if was.props[name] != v {
				changed[name] = v
			}
		}
		for name := range was.props {
			if _, still := is.props[name]; !still {
				gone = append(gone, name)
			}
		}
		if len(changed) > 0 {
			updated = append(updated, properties{id, changed})
		}
		if len(gone) > 0 {
			removed = append(removed, names{id, gone})
		}
		if !slices.Equal(was.children, is.children) {
			moved = append(moved, id)
		}
	}
	return updated, removed, moved
}

// calls are what panels call.
type calls struct{ m *menu }

// GetLayout returns a row and what is below it, depth levels or, below zero, all.
func (c calls) GetLayout(parent, depth int32, wanted []string) (revision uint32, layout node, _ *dbus.Error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if _, ok := c.m.rows[parent]; !ok {
		return 0, node{}, noRow(parent)
	}
	return c.m.revision, c.m.layout(parent, depth, wanted), nil
}

func (m *menu) layout(id, depth int32, wanted []string) node {
	r := m.rows[id]
	n := node{ID: id, Props: pick(r.props, wanted), Children: []dbus.Variant{}}
	if depth != 0 {
		for _, child := range r.children {
			n.Children = append(n.Children, dbus.MakeVariant(m.layout(child, depth-1, wanted)))
		}
	}
	return n
}

// pick returns a copy of the properties that are wanted; no names mean all.
func pick(props map[string]dbus.Variant, wanted []string) map[string]dbus.Variant {
	all := maps.Clone(props)
	if len(wanted) > 0 {
		maps.DeleteFunc(all, func(name string, _ dbus.Variant) bool { return !slices.Contains(wanted, name) })
	}
	return all
}

// GetGroupProperties returns the properties of rows; no numbers mean all rows.
func (c calls) GetGroupProperties(ids []int32, wanted []string) ([]properties, *dbus.Error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if len(ids) == 0 {
		ids = slices.Sorted(maps.Keys(c.m.rows))
	}
	list := []properties{}
	for _, id := range ids {
		if r, ok := c.m.rows[id]; ok {
			list = append(list, properties{id, pick(r.props, wanted)})
		}
	}
	return list, nil
}

// GetProperty returns one property of a row.
func (c calls) GetProperty(id int32, name string) (dbus.Variant, *dbus.Error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	r, ok := c.m.rows[id]
	if !ok {
		return dbus.Variant{}, noRow(id)
	}
	v, ok := r.props[name]
	if !ok {
		return dbus.Variant{}, dbus.MakeFailedError(fmt.Errorf("row %d has no property %q", id, name))
	}
	return v, nil
}

// Event takes what a person did; only clicks count.
func (c calls) Event(id int32, name string, _ dbus.Variant, _ uint32) *dbus.Error {
	c.m.mu.Lock()
	r, ok := c.m.rows[id]
	c.m.mu.Unlock()
	if !ok {
		return noRow(id)
	}
	if name == "clicked" && r.action.Verb != "" {
		c.m.do(r.action)
	}
	return nil
}

// EventGroup takes several events and returns the numbers that no row has.
func (c calls) EventGroup(events []event) (unknown []int32, _ *dbus.Error) {
	unknown = []int32{}
	for _, e := range events {
		if c.Event(e.ID, e.Name, e.Data, e.Timestamp) != nil {
			unknown = append(unknown, e.ID)
		}
	}
	return unknown, nil
}

// AboutToShow is asked before a menu opens: what was told is always the newest.
func (c calls) AboutToShow(int32) (needUpdate bool, _ *dbus.Error) { return false, nil }

// AboutToShowGroup is AboutToShow for several.
func (c calls) AboutToShowGroup([]int32) (needUpdate, unknown []int32, _ *dbus.Error) {
	return []int32{}, []int32{}, nil
}

func noRow(id int32) *dbus.Error { return dbus.MakeFailedError(fmt.Errorf("no row has number %d", id)) }
