package window

import (
	"maps"
	"slices"
	"testing"
)

func TestChangesAreTheRowsThatWereThereBefore(t *testing.T) {
	type row struct{ name, text string }
	got := changes([]row{{"a", "1"}, {"b", "1"}, {"gone", "1"}}, []row{{"new", "1"}, {"b", "2"}, {"a", "1"}}, func(r *row) string { return r.name })
	if want := []string{"b"}; !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
		t.Errorf("changed: %v, want %v", got, want)
	}
}
