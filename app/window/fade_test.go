package window

import (
	"image/color"
	"maps"
	"slices"
	"testing"

	"fyne.io/fyne/v2/test"
)

func TestNewTextOfARowFadesInAndScrollingDoesNot(t *testing.T) {
	test.NewTempApp(t)
	f := newFade()
	for _, step := range []struct {
		row     string
		changed bool
		runs    bool
	}{{"a", false, false}, {"a", true, true}, {"a", false, true}, {"b", false, false}, {"b", true, true}, {"a", true, true}} {
		f.show(step.row, step.changed)
		if (f.run != nil) != step.runs {
			t.Errorf("after %+v: fades: %v", step, f.run != nil)
		}
	}
	f.stop()
	if f.veil.FillColor != color.Transparent {
		t.Errorf("the veil stays, %v", f.veil.FillColor)
	}
}

func TestChangesAreTheRowsThatWereThereBefore(t *testing.T) {
	type row struct{ name, text string }
	got := changes([]row{{"a", "1"}, {"b", "1"}, {"gone", "1"}}, []row{{"new", "1"}, {"b", "2"}, {"a", "1"}},
		func(r *row) string { return r.name }, func(a, b *row) bool { return *a == *b })
	if want := []string{"b"}; !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
		t.Errorf("changed: %v, want %v", got, want)
	}
}
