package window

import "fyne.io/fyne/v2"

// fixedWidth gives its objects one width.
type fixedWidth float32

func (f fixedWidth) MinSize(o []fyne.CanvasObject) fyne.Size {
	s := fyne.NewSize(float32(f), 0)
	for _, c := range o {
		s.Height = max(s.Height, c.MinSize().Height)
	}
	return s
}

func (f fixedWidth) Layout(o []fyne.CanvasObject, s fyne.Size) {
	for _, c := range o {
		c.Move(fyne.Position{})
		c.Resize(s)
	}
}

// wide gives its objects a width that may change.
type wide func() float32

func (w wide) MinSize(o []fyne.CanvasObject) fyne.Size   { return fixedWidth(w()).MinSize(o) }
func (w wide) Layout(o []fyne.CanvasObject, s fyne.Size) { fixedWidth(w()).Layout(o, s) }

// hostLayout lays out a server's name and its host. Hosts of all rows begin below
// each other, whatever stands at the right of a row; the function says how wide
// that is.
type hostLayout func() float32

func (hostLayout) MinSize(o []fyne.CanvasObject) fyne.Size { return columns{3, 4}.MinSize(o) }

func (h hostLayout) Layout(o []fyne.CanvasObject, s fyne.Size) {
	name := (s.Width + h() - rightWidth) * 3 / 7
	columns{-name, 1}.Layout(o, s)
}

// margin leaves room around a page. A page never makes the window wider than its
// least size: what is too wide is cut with an ellipsis or scrolls.
type margin struct{}

const marginSize = 14

func (margin) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(leastWidth-188, leastHeight-100)
}

func (margin) Layout(o []fyne.CanvasObject, s fyne.Size) {
	for _, c := range o {
		c.Move(fyne.NewPos(marginSize, marginSize))
		c.Resize(s.SubtractWidthHeight(2*marginSize, 2*marginSize))
	}
}

// columns gives each object a share of the width that is left by those with a
// width of their own, which is given as a negative number.
type columns []float32

func (c columns) MinSize(o []fyne.CanvasObject) fyne.Size {
	var s fyne.Size
	for _, x := range o {
		m := x.MinSize()
		s = fyne.NewSize(s.Width+m.Width, max(s.Height, m.Height))
	}
	return s
}

func (c columns) Layout(o []fyne.CanvasObject, s fyne.Size) {
	var sum, x float32
	spare := s.Width
	for _, share := range c {
		if share < 0 {
			spare += share
		} else {
			sum += share
		}
	}
	for i, obj := range o {
		width := -c[i]
		if c[i] > 0 {
			width = spare * c[i] / sum
		}
		obj.Move(fyne.NewPos(x, 0))
		obj.Resize(fyne.NewSize(width, s.Height))
		x += width
	}
}

// facts lays out labels and values in two columns; the labels take what the
// widest needs.
type facts struct{}

func (facts) widest(o []fyne.CanvasObject) float32 {
	var wide float32
	for i := 0; i < len(o); i += 2 {
		wide = max(wide, o[i].MinSize().Width)
	}
	return wide
}

func (f facts) MinSize(o []fyne.CanvasObject) fyne.Size {
	s := fyne.NewSize(f.widest(o), 0)
	var value float32
	for i := 0; i+1 < len(o); i += 2 {
		a, b := o[i].MinSize(), o[i+1].MinSize()
		s.Height += max(a.Height, b.Height)
		value = max(value, b.Width)
	}
	s.Width += value
	return s
}

func (f facts) Layout(o []fyne.CanvasObject, s fyne.Size) {
	wide := f.widest(o)
	var y float32
	for i := 0; i+1 < len(o); i += 2 {
		h := max(o[i].MinSize().Height, o[i+1].MinSize().Height)
		o[i].Move(fyne.NewPos(0, y))
		o[i].Resize(fyne.NewSize(wide, h))
		o[i+1].Move(fyne.NewPos(wide, y))
		o[i+1].Resize(fyne.NewSize(s.Width-wide, h))
		y += h
	}
}

// indent stands its objects in from the left.
type indent struct{}

const indentSize = 28

func (indent) MinSize(o []fyne.CanvasObject) fyne.Size {
	s := fyne.NewSize(indentSize, 0)
	for _, c := range o {
		s = s.Max(c.MinSize().AddWidthHeight(indentSize, 0))
	}
	return s
}

func (indent) Layout(o []fyne.CanvasObject, s fyne.Size) {
	for _, c := range o {
		c.Move(fyne.NewPos(indentSize, 0))
		c.Resize(s.SubtractWidthHeight(indentSize, 0))
	}
}
