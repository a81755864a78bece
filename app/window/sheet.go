package window

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
	"keyporter/broker/secret"
)

// A sheet is one question in front of the window. Its context ends when it is
// closed.
type sheet struct {
	w      *Window
	ctx    context.Context // for the life of the sheet
	cancel context.CancelFunc
	pop    *widget.PopUp
	head   *widget.Label
	body   *fyne.Container
	foot   *fyne.Container
	update func(view.Input) // may be nil
	closed func()           // may be nil; clears what was typed
	drop   func(fyne.URI)   // may be nil; takes a file
}

// sheet opens a sheet. Its body scrolls if the window is too low for it.
func (w *Window) sheet(name string, width, height float32) *sheet {
	s := &sheet{w: w, head: heading(name), body: container.NewStack(), foot: container.NewHBox()}
	s.ctx, s.cancel = context.WithCancel(w.ctx)
	scroll := container.NewVScroll(container.New(layout.NewCustomPaddedLayout(2, 2, 2, 10), s.body))
	inner := container.NewBorder(s.head, container.NewPadded(s.foot), nil, nil, scroll)
	s.pop = widget.NewModalPopUp(container.New(fixedSize(fyne.NewSize(width, height)), container.NewPadded(inner)), w.win.Canvas())
	w.sheets = append(w.sheets, s)
	s.pop.Show()
	return s
}

// fixedSize is the least size of a sheet.
type fixedSize fyne.Size

func (f fixedSize) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.Size(f) }
func (f fixedSize) Layout(o []fyne.CanvasObject, s fyne.Size) {
	for _, c := range o {
		c.Move(fyne.Position{})
		c.Resize(s)
	}
}

// set shows a body and the buttons under it: the last one is what most want.
func (s *sheet) set(body fyne.CanvasObject, buttons ...fyne.CanvasObject) {
	s.body.Objects = []fyne.CanvasObject{body}
	s.buttons(buttons...)
}

func (s *sheet) buttons(buttons ...fyne.CanvasObject) {
	s.foot.Objects = append([]fyne.CanvasObject{layout.NewSpacer()}, buttons...)
	s.relayout()
}

// enter makes Enter in entries do what a button of the sheet does, while it is there.
func (s *sheet) enter(b *button, entries ...*entry) {
	for _, e := range entries {
		e.OnSubmitted = func(string) {
			if !b.Disabled() && slices.Contains(s.foot.Objects, fyne.CanvasObject(b)) {
				b.OnTapped()
			}
		}
	}
}

// relayout gives everything in the sheet its place again, after something in it
// has changed its size.
func (s *sheet) relayout() { s.pop.Content.Refresh() }

func (s *sheet) focus(f fyne.Focusable) { s.w.win.Canvas().Focus(f) }

func (s *sheet) close() {
	s.cancel()
	if s.closed != nil {
		s.closed()
	}
	s.pop.Hide()
	for i, other := range s.w.sheets {
		if other == s {
			s.w.sheets = append(s.w.sheets[:i:i], s.w.sheets[i+1:]...)
			break
		}
	}
}

// confirm asks before something that cannot be taken back. Cancel is the default.
func (w *Window) confirm(q view.Question, extra fyne.CanvasObject, yes func(s *sheet)) *sheet {
	s := w.sheet(q.Title, 460, 240)
	body := container.NewVBox()
	for _, p := range q.Text {
		body.Add(text(p))
	}
	if extra != nil {
		body.Add(extra)
	}
	no := w.button(w.t.Window.Cancel, s.close)
	b := w.button(q.Button, func() { yes(s) })
	b.Importance = widget.DangerImportance
	s.set(body, b, no)
	s.focus(no)
	return s
}

// askAgent runs work, closes the sheet when it is done, and shows in the sheet
// what went wrong.
func (s *sheet) askAgent(work func(ctx context.Context, agent session.Desk) error, done func()) {
	w := s.w
	foot := s.foot.Objects
	s.buttons(widget.NewActivity(), muted(w.t.Window.Working))
	w.ask(s.ctx, work, func(err error) {
		if err == nil {
			s.close()
			if done != nil {
				done()
			}
			return
		}
		s.foot.Objects = foot
		s.complain(w.problemOf(err, ""))
	})
}

// complain shows a problem under the body, in place of the one before.
func (s *sheet) complain(p view.Problem) {
	body := s.body.Objects[0]
	if c, ok := body.(*withProblem); ok {
		body = c.body
	}
	s.body.Objects[0] = newWithProblem(body, s.w.problem(p))
	s.relayout()
}

// A withProblem is a body with a problem under it.
type withProblem struct {
	widget.BaseWidget
	body    fyne.CanvasObject
	problem fyne.CanvasObject
}

func newWithProblem(body, problem fyne.CanvasObject) *withProblem {
	c := &withProblem{body: body, problem: problem}
	c.ExtendBaseWidget(c)
	return c
}

func (c *withProblem) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(container.NewVBox(c.body, c.problem))
}

// problem shows what happened, what to do, a button that does it, and details.
func (w *Window) problem(p view.Problem) fyne.CanvasObject {
	words := container.New(layout.NewCustomPaddedVBoxLayout(-8))
	if p.Title != "" {
		l := text(p.Title)
		l.TextStyle.Bold = true
		words.Add(l)
	}
	words.Add(text(p.What))
	if p.Do != "" {
		words.Add(text(p.Do))
	}
	content := container.NewVBox(words)
	buttons := container.NewHBox()
	if p.Button != "" {
		buttons.Add(w.button(p.Button, func() { w.do(p.Action) }))
	}
	if p.Details != "" {
		more := container.NewVBox()
		more.Hide()
		detail := text(p.Details)
		detail.TextStyle.Monospace, detail.Selectable = true, true
		more.Add(detail)
		more.Add(container.NewHBox(w.quiet(w.t.Window.CopyError, func() { w.copy(p.Details) })))
		buttons.Add(w.quiet(w.t.Window.Details, func() {
			more.Hidden = !more.Hidden
			more.Refresh()
			w.win.Content().Refresh()
		}))
		content.Add(buttons)
		content.Add(more)
	} else if p.Button != "" {
		content.Add(buttons)
	}
	return box(colorProblem, container.NewBorder(nil, nil, container.NewVBox(container.NewPadded(sign(view.Needs))), nil, content))
}

// copy puts text into the clipboard.
func (w *Window) copy(s string) { w.o.App.Clipboard().SetContent(s) }

// clipboardLife is how long a secret stays in the clipboard.
const clipboardLife = 45 * time.Second

// copySecret puts a secret into the clipboard and takes it out again, unless
// something else is there by then.
func (w *Window) copySecret(v secret.Value) {
	clip := w.o.App.Clipboard()
	clip.SetContent(v.Reveal())
	w.o.After(clipboardLife, func() {
		fyne.Do(func() {
			if secret.New(clip.Content()).Equal(v) {
				clip.SetContent("")
			}
		})
	})
}

// askPassphrase unlocks a vault whose key is behind a passphrase.
func (w *Window) askPassphrase() {
	s := w.sheet(w.t.Window.Locked, 420, 190)
	e := w.secretEntry()
	e.SetPlaceHolder(w.t.Window.Passphrase)
	s.closed = func() { e.SetText("") }
	unlock := func() {
		pass := secret.Plain{Value: secret.New(e.Text)}
		s.askAgent(func(ctx context.Context, agent session.Desk) error {
			return agent.Unlock(ctx, local.Unlock{Passphrase: &pass})
		}, nil)
	}
	e.OnSubmitted = func(string) { unlock() }
	s.set(e, w.button(w.t.Window.Cancel, s.close), w.strong(w.t.Window.Unlock, unlock))
	s.focus(e)
}

// askApproval asks whether an account's tokens may go to a server's address.
func (w *Window) askApproval(server string) {
	q, ok := view.ApprovalOf(w.in, server)
	if !ok {
		return
	}
	w.confirm(q, nil, func(s *sheet) {
		s.askAgent(func(ctx context.Context, agent session.Desk) error {
			rec, err := agent.ShowServer(ctx, local.Name{Name: server})
			if err != nil {
				return fmt.Errorf("approve: %w", err)
			}
			_, err = agent.SetServer(ctx, local.PutServer{Name: server, Server: *rec, Bind: true})
			return err
		}, nil)
	})
}
