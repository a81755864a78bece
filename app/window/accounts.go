package window

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
)

// accountsPage is the list of accounts.
type accountsPage struct {
	roll[view.AccountRow]
	w     *Window
	stack *fyne.Container
	high  map[shape]float32
}

func (p *accountsPage) of() view.Page { return view.PageAccounts }

func (p *accountsPage) open(_ context.Context, in view.Input) fyne.CanvasObject {
	w := p.w
	p.list = w.list(func() int { return len(p.rows) }, p.create, p.fill)
	p.list.OnSelected = func(int) { p.list.UnselectAll() }
	p.stack, p.high = container.NewStack(), map[shape]float32{}
	p.rows, p.ready = view.AccountRows(in), in.State != nil
	p.heights()
	p.arrange()
	top := container.NewBorder(nil, nil, nil, w.strong(w.t.Accounts.Import, func() { w.importKey("", "") }), heading(w.t.Window.Accounts))
	return container.NewBorder(container.NewVBox(top, widget.NewSeparator()), nil, nil, nil, p.stack)
}

func (p *accountsPage) arrange() {
	t := &p.w.t.Accounts
	var show fyne.CanvasObject = p.list
	if len(p.rows) == 0 {
		show = container.NewStack()
		if p.ready {
			say, drop := text(t.Empty), muted(t.EmptyDrop)
			say.Alignment, drop.Alignment = fyne.TextAlignCenter, fyne.TextAlignCenter
			show = container.NewCenter(container.New(fixedWidth(470), container.NewVBox(say,
				container.NewCenter(p.w.strong(t.EmptyAdd, func() { p.w.importKey("", "") })), drop)))
		}
	}
	p.stack.Objects = []fyne.CanvasObject{show}
	p.stack.Refresh()
}

func (p *accountsPage) update(in view.Input) {
	p.take(view.AccountRows(in), in.State != nil, func(r *view.AccountRow) string { return r.Name }, func(anew bool) {
		p.heights()
		if anew {
			p.arrange()
		}
	})
}

// An accountItem is the widgets of one row: a name, what it is, lines, and
// its buttons.
type accountItem struct {
	widget.BaseWidget
	mark                    *widget.Icon
	title, kind, who        *widget.Label
	lines                   [accountLines]*widget.Label
	old                     *widget.Label
	rotate, signOut, remove *button
	fade                    *fade
	content                 fyne.CanvasObject
}

// accountLines is how many lines an account has at most below who it is: where its
// tokens may go, who uses it, its key and expiry.
const accountLines = 3

func (p *accountsPage) create() fyne.CanvasObject {
	w, t := p.w, &p.w.t.Accounts
	i := &accountItem{
		mark: sign(view.Good), title: title(""), kind: short(""), who: short(""), old: short(""), fade: newFade(),
		rotate: w.button(t.Rotate, nil), signOut: w.button(t.SignOut, nil), remove: w.button(t.Remove, nil),
	}
	i.kind.Importance = widget.LowImportance
	i.old.Importance = widget.WarningImportance
	right := container.New(fixedWidth(rightWidth), container.NewHBox(layout.NewSpacer(),
		container.NewCenter(i.signOut), container.NewCenter(i.rotate), container.NewCenter(i.remove)))
	left := container.NewVBox(container.NewPadded(container.NewPadded(i.mark)))
	words := lines(container.New(columns{1, 1}, i.title, i.kind), i.who)
	for n := range i.lines {
		i.lines[n] = short("")
		i.lines[n].Importance = widget.LowImportance
		words.Add(i.lines[n])
	}
	words.Add(i.old)
	i.content = container.NewStack(container.NewBorder(nil, nil, left, right, words), i.fade.veil)
	i.ExtendBaseWidget(i)
	return i
}

func (i *accountItem) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(i.content)
}

// A shape is which lines of a row say something; rows of one shape are equally high.
type shape struct {
	who, old bool
	lines    [accountLines]bool
}

func shapeOf(r *view.AccountRow) shape {
	s := shape{who: r.Who != "", old: r.Old != ""}
	for n := range min(len(r.Lines), accountLines) {
		s.lines[n] = r.Lines[n] != ""
	}
	return s
}

// heights tells the list how high each row is. If it learned that while a row is
// drawn, it would draw all of them anew each time.
func (p *accountsPage) heights() {
	for id := range p.rows {
		r := &p.rows[id]
		s := shapeOf(r)
		if _, ok := p.high[s]; !ok {
			i := p.create().(*accountItem)
			p.set(i, r)
			p.high[s] = i.content.MinSize().Height
		}
		p.list.SetItemHeight(id, p.high[s])
	}
}

func (p *accountsPage) fill(id int, o fyne.CanvasObject) {
	i, r := o.(*accountItem), &p.rows[id]
	p.set(i, r)
	i.fade.show(r.Name, p.fresh[r.Name])
	delete(p.fresh, r.Name)
	i.content.Refresh()
}

// set puts a row's words into its widgets.
func (p *accountsPage) set(i *accountItem, r *view.AccountRow) {
	name := r.Name
	i.mark.SetResource(marks[r.Mark])
	i.title.SetText(r.Title)
	i.kind.SetText(r.Kind)
	show(i.who, r.Who)
	for n, l := range i.lines {
		text := ""
		if n < len(r.Lines) {
			text = r.Lines[n]
		}
		show(l, text)
	}
	show(i.old, r.Old)
	i.rotate.Hidden, i.signOut.Hidden = !r.Rotate, !r.SignOut
	i.rotate.OnTapped = func() { p.w.importKey(name, "") }
	i.signOut.OnTapped = func() { p.signOut(name) }
	i.remove.OnTapped = func() { p.remove(name) }
}

// show shows a line, or hides it if it says nothing.
func show(l *widget.Label, s string) {
	l.Hidden = s == ""
	l.SetText(strings.TrimSpace(s))
}

func (p *accountsPage) remove(name string) {
	p.w.confirm(view.RemovalOf(p.w.in, name), nil, func(s *sheet) {
		s.askAgent(func(ctx context.Context, agent session.Desk) error {
			_, err := agent.RemoveAccount(ctx, local.Name{Name: name})
			return err
		}, nil)
	})
}

func (p *accountsPage) signOut(name string) {
	revoke := false
	also := p.w.check(p.w.t.Accounts.Revoke, false, func(on bool) { revoke = on })
	p.w.confirm(view.SignOutOf(p.w.in, name), also, func(s *sheet) {
		s.askAgent(func(ctx context.Context, agent session.Desk) error {
			return agent.SignOut(ctx, local.SignOutRequest{Name: name, Revoke: revoke})
		}, nil)
	})
}
