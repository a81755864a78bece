package window

import (
	"image/color"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
)

// fadeTime is how long new text takes to appear.
const fadeTime = 400 * time.Millisecond

// A fade lets the new text of a list's row appear slowly: it lies over the row in
// the page's colour and becomes clear.
type fade struct {
	veil *canvas.Rectangle
	of   string // the row that is shown
	run  *fyne.Animation
}

func newFade() *fade {
	return &fade{veil: canvas.NewRectangle(color.Transparent)}
}

// show says which row the widgets show from now on, and whether its text is new.
// A row that came by scrolling is there at once.
func (f *fade) show(row string, changed bool) {
	same := f.of == row
	f.of = row
	if same && !changed {
		return // one under way goes on
	}
	f.stop()
	if !changed || !fyne.CurrentApp().Settings().ShowAnimations() {
		return
	}
	over := color.NRGBAModel.Convert(theme.Color(theme.ColorNameBackground)).(color.NRGBA)
	clear := over
	clear.A = 0
	f.run = canvas.NewColorRGBAAnimation(over, clear, fadeTime, func(c color.Color) {
		f.veil.FillColor = c
		f.veil.Refresh()
	})
	f.run.Curve = fyne.AnimationEaseIn
	f.run.Start()
}

func (f *fade) stop() {
	if f.run != nil {
		f.run.Stop()
		f.run = nil
	}
	f.veil.FillColor = color.Transparent
	f.veil.Refresh()
}
