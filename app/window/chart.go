package window

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/view"
)

// A chart draws calls as bars and the median latency as a line, with an axis for
// each. The pointer on a bar tells its values.
type chart struct {
	widget.BaseWidget
	t     *view.Texts
	tell  func(string)
	value view.Chart
	at    int // the bar under the pointer, or -1
}

func newChart(t *view.Texts, tell func(string)) *chart {
	c := &chart{t: t, tell: tell, at: -1}
	c.ExtendBaseWidget(c)
	return c
}

// show shows v and reports whether the pointer is on no bar.
func (c *chart) show(v view.Chart) bool {
	if len(v.Bars) != len(c.value.Bars) {
		c.at = -1
	}
	c.value = v
	c.Refresh()
	if c.at >= 0 {
		c.tell(c.value.Tell(c.t, c.at))
	}
	return c.at < 0
}

// Room around the bars, for the axes.
const (
	chartLeft, chartRight = 44, 64
	chartTop, chartBottom = 6, 20
	chartHeight           = 150
)

var _ desktop.Hoverable = (*chart)(nil)

func (c *chart) MouseIn(e *desktop.MouseEvent) { c.MouseMoved(e) }

func (c *chart) MouseMoved(e *desktop.MouseEvent) {
	n := len(c.value.Bars)
	wide := c.Size().Width - chartLeft - chartRight
	at := -1
	if x := e.Position.X - chartLeft; n > 0 && x >= 0 && x < wide {
		at = int(x * float32(n) / wide)
	}
	c.point(at)
}

func (c *chart) MouseOut() { c.point(-1) }

func (c *chart) point(at int) {
	if at == c.at {
		return
	}
	c.at = at
	if at < 0 {
		c.tell(c.value.Title)
	} else {
		c.tell(c.value.Tell(c.t, at))
	}
	c.Refresh()
}

func (c *chart) CreateRenderer() fyne.WidgetRenderer {
	r := &chartRenderer{c: c}
	r.Refresh()
	return r
}

type chartRenderer struct {
	c       *chart
	objects []fyne.CanvasObject
}

func (r *chartRenderer) Destroy()                     {}
func (r *chartRenderer) MinSize() fyne.Size           { return fyne.NewSize(320, chartHeight) }
func (r *chartRenderer) Objects() []fyne.CanvasObject { return r.objects }
func (r *chartRenderer) Layout(fyne.Size)             { r.make() }

func (r *chartRenderer) Refresh() {
	r.make()
	canvas.Refresh(r.c)
}

func (r *chartRenderer) color(n fyne.ThemeColorName) color.Color {
	return r.c.Theme().Color(n, variant())
}

// make makes all shapes for the size that the chart has.
func (r *chartRenderer) make() {
	r.objects = nil
	size := r.c.Size()
	wide, high := size.Width-chartLeft-chartRight, size.Height-chartTop-chartBottom
	if wide <= 0 || high <= 0 || len(r.c.value.Bars) == 0 {
		return
	}
	v := &r.c.value
	step := wide / float32(len(v.Bars))
	r.axes(v, wide, high)
	for i, label := range v.Ticks() {
		x := chartLeft + step*float32(i)
		r.line(x, chartTop+high, x, chartTop+high+3, theme.ColorNamePlaceHolder, 1)
		r.text(label, x, chartTop+high+2, fyne.TextAlignCenter)
	}
	for i, b := range v.Bars {
		r.bar(v, b, i, step, high)
	}
	r.latency(v, step, high)
}

// axes draws the ground, the top, and their numbers: calls left, latency right.
func (r *chartRenderer) axes(v *view.Chart, wide, high float32) {
	r.line(chartLeft, chartTop+high, chartLeft+wide, chartTop+high, theme.ColorNamePlaceHolder, 1)
	if v.Calls == 0 {
		return
	}
	r.line(chartLeft, chartTop, chartLeft+wide, chartTop, theme.ColorNameSeparator, 1)
	r.text(view.Count(v.Calls), chartLeft-6, chartTop-6, fyne.TextAlignTrailing)
	r.text("0", chartLeft-6, chartTop+high-10, fyne.TextAlignTrailing)
	if v.Median > 0 {
		r.text(view.Latency(v.Median), chartLeft+wide+6, chartTop-6, fyne.TextAlignLeading)
	}
}

func (r *chartRenderer) bar(v *view.Chart, b view.Bar, i int, step, high float32) {
	gap := min(step*0.2, 2)
	x := chartLeft + step*float32(i) + gap/2
	if i == r.c.at {
		r.rect(x-gap/2, chartTop, step, high, theme.ColorNameFocus)
	}
	if b.Calls == 0 {
		return
	}
	tall := max(high*float32(b.Calls)/float32(v.Calls), 2)
	failed := tall * float32(b.Failed) / float32(b.Calls)
	r.rect(x, chartTop+high-tall, step-gap, tall-failed, theme.ColorNamePrimary)
	if failed > 0 {
		r.rect(x, chartTop+high-failed, step-gap, failed, theme.ColorNameError)
	}
}

// latency draws the line of medians; where there were no calls it has a gap.
func (r *chartRenderer) latency(v *view.Chart, step, high float32) {
	if v.Median == 0 {
		return
	}
	last := fyne.NewPos(-1, 0)
	for i, b := range v.Bars {
		if b.Median == 0 {
			last.X = -1
			continue
		}
		at := fyne.NewPos(chartLeft+step*(float32(i)+0.5), chartTop+high-high*0.94*float32(b.Median)/float32(v.Median))
		if last.X >= 0 {
			r.line(last.X, last.Y, at.X, at.Y, theme.ColorNameWarning, 2)
		}
		r.rect(at.X-1.5, at.Y-1.5, 3, 3, theme.ColorNameWarning)
		last = at
	}
}

func (r *chartRenderer) rect(x, y, w, h float32, n fyne.ThemeColorName) {
	o := canvas.NewRectangle(r.color(n))
	o.Move(fyne.NewPos(x, y))
	o.Resize(fyne.NewSize(w, h))
	r.objects = append(r.objects, o)
}

func (r *chartRenderer) line(x1, y1, x2, y2 float32, n fyne.ThemeColorName, width float32) {
	o := canvas.NewLine(r.color(n))
	o.StrokeWidth = width
	o.Position1, o.Position2 = fyne.NewPos(x1, y1), fyne.NewPos(x2, y2)
	r.objects = append(r.objects, o)
}

// text writes s with its top at y and its start, middle or end at x.
func (r *chartRenderer) text(s string, x, y float32, align fyne.TextAlign) {
	o := canvas.NewText(s, r.color(theme.ColorNamePlaceHolder))
	o.TextSize = r.c.Theme().Size(theme.SizeNameCaptionText)
	m := o.MinSize()
	switch align {
	case fyne.TextAlignCenter:
		x -= m.Width / 2
	case fyne.TextAlignTrailing:
		x -= m.Width
	}
	o.Move(fyne.NewPos(x, y))
	o.Resize(m)
	r.objects = append(r.objects, o)
}
