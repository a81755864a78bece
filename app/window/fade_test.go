package window

import (
	"image/color"
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
