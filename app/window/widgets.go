package window

import (
	"maps"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/view"
)

// keys are what a widget that has the focus does not use itself. Fyne gives keys
// to the focused widget alone, so each of ours passes them on.
type keys func(*fyne.KeyEvent)

func (k keys) pass(e *fyne.KeyEvent) bool {
	if e.Name != fyne.KeyEscape || k == nil {
		return false
	}
	k(e)
	return true
}

// press gives a key to a widget, Enter as the space bar, which is what Fyne's widgets
// act on.
func (k keys) press(e *fyne.KeyEvent, typed func(*fyne.KeyEvent)) {
	if k.pass(e) {
		return
	}
	if e.Name == fyne.KeyReturn || e.Name == fyne.KeyEnter {
		e = &fyne.KeyEvent{Name: fyne.KeySpace}
	}
	typed(e)
}

// A button also acts on Enter.
type button struct {
	widget.Button
	keys keys
}

func (w *Window) button(label string, tapped func()) *button {
	b := &button{keys: w.typed}
	b.Text, b.OnTapped = label, tapped
	b.ExtendBaseWidget(b)
	return b
}

func (w *Window) strong(label string, tapped func()) *button {
	b := w.button(label, tapped)
	b.Importance = widget.HighImportance
	return b
}

// quiet is a button that looks like text.
func (w *Window) quiet(label string, tapped func()) *button {
	b := w.button(label, tapped)
	b.Importance = widget.LowImportance
	return b
}

func (b *button) TypedKey(e *fyne.KeyEvent) {
	b.keys.press(e, b.Button.TypedKey)
}

// An entry passes Escape and the window's shortcuts on.
type entry struct {
	widget.Entry
	keys      keys
	shortcuts func(fyne.Shortcut)
}

func (w *Window) entry(value, placeholder string) *entry {
	e := &entry{keys: w.typed, shortcuts: w.shortcut}
	e.Wrapping, e.Scroll = fyne.TextWrapOff, fyne.ScrollHorizontalOnly
	e.Text, e.PlaceHolder = value, placeholder
	e.ExtendBaseWidget(e)
	return e
}

// secretEntry hides what is typed until the eye is clicked.
func (w *Window) secretEntry() *entry {
	e := &entry{keys: w.typed, shortcuts: w.shortcut}
	e.Password, e.Wrapping = true, fyne.TextWrapOff
	e.ExtendBaseWidget(e)
	return e
}

func (w *Window) textEntry(value string) *entry {
	e := &entry{keys: w.typed, shortcuts: w.shortcut}
	e.MultiLine, e.Wrapping, e.Text = true, fyne.TextWrapWord, value
	e.SetMinRowsVisible(2)
	e.ExtendBaseWidget(e)
	return e
}

func (e *entry) TypedKey(k *fyne.KeyEvent) {
	if !e.keys.pass(k) {
		e.Entry.TypedKey(k)
	}
}

func (e *entry) TypedShortcut(s fyne.Shortcut) {
	if c, ok := s.(*desktop.CustomShortcut); ok {
		e.shortcuts(c)
	}
	e.Entry.TypedShortcut(s)
}

// A check, a selector, a radio and a list pass Escape on.
type check struct {
	widget.Check
	keys keys
}

func (w *Window) check(label string, on bool, changed func(bool)) *check {
	c := &check{keys: w.typed}
	c.Text, c.Checked, c.OnChanged = label, on, changed
	c.ExtendBaseWidget(c)
	return c
}

func (c *check) TypedKey(e *fyne.KeyEvent) {
	switch {
	case c.keys.pass(e):
	case e.Name == fyne.KeyReturn, e.Name == fyne.KeyEnter:
		c.Check.TypedRune(' ')
	default:
		c.Check.TypedKey(e)
	}
}

type selector struct {
	widget.Select
	keys keys
}

func (w *Window) selector(options []string, chosen int, changed func(int)) *selector {
	s := &selector{keys: w.typed}
	s.Options, s.Alignment = options, fyne.TextAlignLeading
	if chosen >= 0 && chosen < len(options) {
		s.Selected = options[chosen]
	}
	s.OnChanged = func(string) { changed(s.SelectedIndex()) }
	s.ExtendBaseWidget(s)
	return s
}

func (s *selector) TypedKey(e *fyne.KeyEvent) {
	s.keys.press(e, s.Select.TypedKey)
}

type list struct {
	widget.List
	keys keys
	rows map[fyne.CanvasObject]int // which row widgets show, or showed last: one for each
}

func (w *Window) list(length func() int, create func() fyne.CanvasObject, update func(int, fyne.CanvasObject)) *list {
	l := &list{keys: w.typed, rows: map[fyne.CanvasObject]int{}}
	l.Length, l.CreateItem = length, create
	l.UpdateItem = func(id int, o fyne.CanvasObject) {
		maps.DeleteFunc(l.rows, func(_ fyne.CanvasObject, was int) bool { return was == id })
		l.rows[o] = id
		update(id, o)
	}
	l.ExtendBaseWidget(l)
	return l
}

// redraw draws those rows of the screen anew that changed. Fyne's own RefreshItem
// draws every one. Number and order of the rows have to be as they were.
func (l *list) redraw(changed func(id int) bool) {
	for o, id := range l.rows {
		if id < l.Length() && changed(id) {
			l.UpdateItem(id, o)
		}
	}
}

func (l *list) TypedKey(e *fyne.KeyEvent) {
	l.keys.press(e, l.List.TypedKey)
}

// text is a label that wraps.
func text(s string) *widget.Label {
	l := widget.NewLabel(s)
	l.Wrapping = fyne.TextWrapWord
	return l
}

// muted is text of less weight.
func muted(s string) *widget.Label {
	l := text(s)
	l.Importance = widget.LowImportance
	return l
}

// short is a line that ends in an ellipsis where it does not fit.
func short(s string) *widget.Label {
	l := widget.NewLabel(s)
	l.Truncation = fyne.TextTruncateEllipsis
	return l
}

func heading(s string) *widget.Label {
	l := short(s)
	l.TextStyle.Bold, l.SizeName = true, theme.SizeNameSubHeadingText
	return l
}

func title(s string) *widget.Label {
	l := short(s)
	l.TextStyle.Bold = true
	return l
}

func sign(m view.Mark) *widget.Icon { return widget.NewIcon(marks[m]) }

// box puts a colour behind content.
func box(name fyne.ThemeColorName, content fyne.CanvasObject) fyne.CanvasObject {
	return container.NewStack(newFill(name, 6), container.NewPadded(content))
}

// A fill is an area of one of the theme's colours.
type fill struct {
	widget.BaseWidget
	name   fyne.ThemeColorName
	radius float32
}

func newFill(name fyne.ThemeColorName, radius float32) *fill {
	f := &fill{name: name, radius: radius}
	f.ExtendBaseWidget(f)
	return f
}

func (f *fill) CreateRenderer() fyne.WidgetRenderer {
	r := canvas.NewRectangle(f.Theme().Color(f.name, variant()))
	r.CornerRadius = f.radius
	return &fillRenderer{f: f, r: r}
}

type fillRenderer struct {
	f *fill
	r *canvas.Rectangle
}

func (r *fillRenderer) Destroy()                     {}
func (r *fillRenderer) Layout(s fyne.Size)           { r.r.Resize(s) }
func (r *fillRenderer) MinSize() fyne.Size           { return fyne.Size{} }
func (r *fillRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.r} }
func (r *fillRenderer) Refresh() {
	r.r.FillColor = r.f.Theme().Color(r.f.name, variant())
	r.r.Refresh()
}

func variant() fyne.ThemeVariant { return fyne.CurrentApp().Settings().ThemeVariant() }

// lines stacks labels closer than Fyne does.
func lines(o ...fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewCustomPaddedVBoxLayout(-10), o...)
}
