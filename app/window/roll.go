package window

import "reflect"

// A roll is the rows of a page that is a list.
type roll[R any] struct {
	list  *list
	rows  []R
	ready bool            // a state has come
	fresh map[string]bool // rows whose new text was not shown yet
}

// take puts other rows into the roll and shows them; the list keeps its place. Before, it
// tells arrange that they are there, and whether the page is to be laid out anew: it
// is a list or teaches why there is none.
func (l *roll[R]) take(rows []R, ready bool, name func(*R) string, arrange func(anew bool)) {
	if reflect.DeepEqual(rows, l.rows) && ready == l.ready {
		return
	}
	anew := len(rows) == 0 || len(l.rows) == 0
	inPlace := sameOrder(l.rows, rows, name)
	l.fresh = changes(l.rows, rows, name)
	l.rows, l.ready = rows, ready
	arrange(anew)
	if inPlace {
		l.list.redraw(func(id int) bool { return l.fresh[name(&rows[id])] })
		return
	}
	l.list.Refresh()
}

// changes returns the names of the rows of now that were in before with another
// content.
func changes[R any](before, now []R, name func(*R) string) map[string]bool {
	was := make(map[string]*R, len(before))
	for i := range before {
		was[name(&before[i])] = &before[i]
	}
	changed := map[string]bool{}
	for i := range now {
		if b := was[name(&now[i])]; b != nil && !reflect.DeepEqual(b, &now[i]) {
			changed[name(&now[i])] = true
		}
	}
	return changed
}

// sameOrder reports whether the same rows stand in the same order.
func sameOrder[R any](before, now []R, name func(*R) string) bool {
	if len(before) != len(now) {
		return false
	}
	for i := range now {
		if name(&before[i]) != name(&now[i]) {
			return false
		}
	}
	return true
}
