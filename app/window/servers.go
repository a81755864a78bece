package window

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/view"
)

// serversPage is the list of servers.
type serversPage struct {
	roll[view.ServerRow]
	w     *Window
	stack *fyne.Container // the list, or what an empty page teaches
}

func (p *serversPage) of() view.Page { return view.PageServers }

func (p *serversPage) open(_ context.Context, in view.Input) fyne.CanvasObject {
	w := p.w
	p.list = w.list(func() int { return len(p.rows) }, p.create, p.fill)
	p.list.OnSelected = func(id int) {
		p.list.UnselectAll()
		if id < len(p.rows) {
			w.show(&serverPage{w: w, name: p.rows[id].Name})
		}
	}
	p.stack = container.NewStack()
	top := container.NewBorder(nil, nil, nil, w.strong(w.t.Servers.Add, func() { w.addServer("", "") }), heading(w.t.Window.Servers))
	p.rows, p.ready = view.ServerRows(in), in.State != nil
	p.arrange()
	return container.NewBorder(container.NewVBox(top, widget.NewSeparator()), nil, nil, nil, p.stack)
}

// arrange shows the list, or why there is none.
func (p *serversPage) arrange() {
	var show fyne.CanvasObject = p.list
	switch {
	case len(p.rows) > 0:
	case p.ready:
		show = p.empty()
	default:
		show = container.NewCenter(muted(p.w.t.Servers.Starting))
		if _, told := view.Banner(p.w.in); told {
			show = layout.NewSpacer()
		}
	}
	p.stack.Objects = []fyne.CanvasObject{show}
	p.stack.Refresh()
}

// empty teaches: one sentence, one button, the demo.
func (p *serversPage) empty() fyne.CanvasObject {
	w := p.w
	say := text(w.t.Servers.Empty)
	say.Alignment = fyne.TextAlignCenter
	box := container.NewVBox(say, container.NewCenter(w.strong(w.t.Servers.EmptyAdd, func() { w.addServer("", "") })))
	if w.o.Demo != nil {
		box.Add(container.NewCenter(w.quiet(w.t.Servers.EmptyDemo, w.addDemo)))
	}
	return container.NewCenter(container.New(fixedWidth(470), box))
}

func (p *serversPage) update(in view.Input) {
	p.take(view.ServerRows(in), in.State != nil, func(r *view.ServerRow) string { return r.Name }, func(anew bool) {
		if anew {
			p.arrange()
		}
	})
}

// rightWidth is the most room for what stands at the right of a row: its button and
// the programs.
const rightWidth = 200

// A serverItem is the widgets of one row.
type serverItem struct {
	widget.BaseWidget
	mark              *widget.Icon
	title, host, line *widget.Label
	beside            *widget.Label
	button            *button
	fade              *fade
	content           fyne.CanvasObject
}

func (p *serversPage) create() fyne.CanvasObject {
	i := &serverItem{
		mark: sign(view.Good), title: title(""), host: short(""), line: short(""),
		beside: short(""), button: p.w.button("", nil), fade: newFade(),
	}
	i.host.Importance, i.line.Importance, i.beside.Importance = widget.LowImportance, widget.LowImportance, widget.LowImportance
	top := container.New(hostLayout(i.right), i.title, i.host)
	i.beside.Alignment = fyne.TextAlignTrailing
	right := container.New(wide(i.right), container.NewBorder(nil, nil, nil, container.NewCenter(i.button), container.New(layout.NewCustomPaddedVBoxLayout(0), layout.NewSpacer(), i.beside, layout.NewSpacer())))
	i.content = container.NewStack(container.NewBorder(nil, nil, container.NewPadded(i.mark), right, lines(top, i.line)), i.fade.veil)
	i.ExtendBaseWidget(i)
	return i
}

func (i *serverItem) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(i.content) }

// right returns how wide what stands at the right of the row is.
func (i *serverItem) right() float32 {
	var width float32
	if i.beside.Text != "" {
		width = fyne.MeasureText(i.beside.Text, theme.TextSize(), i.beside.TextStyle).Width + 2*theme.InnerPadding() + theme.Padding() + 1 // rounding
	}
	if !i.button.Hidden {
		width += i.button.MinSize().Width
	}
	return min(width, rightWidth)
}

func (p *serversPage) fill(id int, o fyne.CanvasObject) {
	i, r := o.(*serverItem), &p.rows[id]
	i.mark.SetResource(marks[r.Mark])
	i.title.SetText(r.Title)
	i.host.SetText(r.Host)
	i.line.SetText(r.Line)
	i.beside.SetText(r.Beside)
	i.button.Hidden = r.Button == ""
	action := r.Action
	i.button.OnTapped = func() { p.w.do(action) }
	i.button.SetText(r.Button)
	i.fade.show(r.Name, p.fresh[r.Name])
	delete(p.fresh, r.Name)
	i.content.Refresh() // the button and the programs have another width
}
