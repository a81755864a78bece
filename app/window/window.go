// Package window is the one window of the tray app: a rail of pages on the left,
// a page on the right. It asks the session and shows what comes back; what it
// says is made by app/view.
//
// Everything here runs on Fyne's UI goroutine. Work leaves it through Back.Ask
// and comes back in one fyne.Do that only sets fields and refreshes. A page has a
// context that ends when it is left, so no answer reaches a page that is gone.
package window

import (
	"context"
	"errors"
	"reflect"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	_ "keyporter/app/fynelog" // before Fyne is initialised
	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/internal/hint"
)

// Back is what stands behind the window. *session.Session fits.
type Back interface {
	// Do starts what the user chose and returns at once.
	Do(view.Action)
	// Ask runs work elsewhere and calls done from there.
	Ask(ctx context.Context, work func(ctx context.Context, agent session.Desk) error, done func(error))
}

var _ Back = (*session.Session)(nil)

// Login is the start of the app at login.
type Login interface {
	On() (bool, error)
	Set(on bool) error
}

// Options are the settings of New.
type Options struct {
	App     fyne.App // Required.
	Back    Back     // Required.
	Version string   // Required.
	Command string   // Required. Absolute path of keyporter, for configs.
	// Remember is the file that keeps the size and the page. Optional.
	Remember string
	Places   view.Places // Optional. Shown as where files are.
	// After calls f once after d, on any goroutine, unless stop was called
	// before. Optional; time.AfterFunc if nil.
	After func(d time.Duration, f func()) (stop func())
	Now   func() time.Time // Optional; time.Now if nil.
	// Tools looks at a server's tools, through a bridge. Optional: without it
	// only those are known that a program has seen.
	Tools func(ctx context.Context, server string) ([]string, error)
	// Demo starts the demo server and returns its address. Optional.
	Demo  func(ctx context.Context) (string, error)
	Login Login // Optional.
}

func (o *Options) check() error {
	switch {
	case o.App == nil:
		return errors.New("window: App is missing")
	case o.Back == nil:
		return errors.New("window: Back is missing")
	case o.Version == "":
		return errors.New("window: Version is missing")
	case o.Command == "":
		return errors.New("window: Command is missing")
	}
	if o.After == nil {
		o.After = func(d time.Duration, f func()) func() {
			t := time.AfterFunc(d, f)
			return func() { t.Stop() }
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// A page is what stands beside the rail.
type page interface {
	// open makes the page; ctx ends when it is left.
	open(ctx context.Context, in view.Input) fyne.CanvasObject
	// update shows what changed.
	update(in view.Input)
	// of returns the rail's entry that it belongs to.
	of() view.Page
}

// A Window is the window, open or not.
type Window struct {
	o  Options
	in view.Input
	t  *view.Texts

	win    fyne.Window // nil while it is closed
	memory memory
	page   page
	leave  context.CancelFunc // of the page
	ctx    context.Context    // of the page, for the life of it
	rail   map[view.Page]*button
	agent  *widget.Label
	state  *widget.Icon
	foot   view.Foot
	body   *fyne.Container // the banner and the page
	banner *fyne.Container
	told   *view.Problem // in banner
	sheets []*sheet      // open, the top one last
	picker dialog.Dialog // of a file, above them; nil unless it is open
	demo   string        // address of the demo server, empty until it is started
}

// New returns a window that is closed. in is what it would show.
func New(o Options, in view.Input) (*Window, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	setLanguage(languageOf(in.Texts))
	return &Window{o: o, in: in, t: in.Texts, memory: recall(o.Remember)}, nil
}

func languageOf(t *view.Texts) view.Language {
	if t == view.TextsIn(view.Japanese) {
		return view.Japanese
	}
	return view.English
}

// Open shows the window, or raises it if it is open.
func (w *Window) Open() {
	if w.win == nil {
		w.make()
	}
	w.win.Show()
	w.win.RequestFocus()
}

// OpenServers opens the window at the list of servers.
func (w *Window) OpenServers() {
	w.Open()
	w.goTo(view.PageServers)
}

// OpenServer opens the window at a server's page.
func (w *Window) OpenServer(name string) {
	w.Open()
	w.show(&serverPage{w: w, name: name})
}

// AddServer opens the window with the sheet that adds a server.
func (w *Window) AddServer() {
	w.Open()
	if len(w.sheets) == 0 {
		w.addServer("", "")
	}
}

// Join opens the window at the page Team with what a link asks to join. Nothing is
// looked up before the user wants to see it.
func (w *Window) Join(link string) {
	w.Open()
	w.show(&teamPage{w: w, link: link})
}

// Show shows what changed. The language may be another one; then everything is
// made anew.
func (w *Window) Show(in view.Input) {
	other := in.Texts != w.t
	w.in, w.t = in, in.Texts
	if other {
		setLanguage(languageOf(in.Texts))
	}
	switch {
	case w.win == nil:
	case other:
		w.fill()
		w.show(w.page)
	default:
		w.refresh()
		w.page.update(in)
		for _, s := range w.sheets {
			if s.update != nil {
				s.update(in)
			}
		}
	}
}

// Close closes the window; the app goes on.
func (w *Window) Close() {
	if w.win == nil {
		return
	}
	w.keep()
	for len(w.sheets) > 0 {
		w.sheets[len(w.sheets)-1].close()
	}
	w.leave()
	win := w.win
	w.win, w.page, w.leave, w.told = nil, nil, func() {}, nil
	win.Close()
}

// keep remembers size and page, where they changed.
func (w *Window) keep() {
	m := memory{Width: w.win.Canvas().Size().Width, Height: w.win.Canvas().Size().Height, Page: w.page.of()}
	if m != w.memory {
		w.memory = m
		m.write(w.o.Remember)
	}
}

func (w *Window) make() {
	w.win = w.o.App.NewWindow("Keyporter")
	w.win.SetPadded(false)
	w.win.SetCloseIntercept(w.Close)
	w.win.SetOnDropped(func(_ fyne.Position, dropped []fyne.URI) { w.dropped(dropped) })
	c := w.win.Canvas()
	c.SetOnTypedKey(w.typed)
	for _, s := range w.shortcuts() {
		c.AddShortcut(s, w.shortcut)
	}
	w.leave = func() {}
	w.fill()
	w.win.Resize(fyne.NewSize(w.memory.Width, w.memory.Height))
	w.goTo(w.memory.Page)
}

// fill makes everything but the page.
func (w *Window) fill() {
	for len(w.sheets) > 0 {
		w.sheets[len(w.sheets)-1].close()
	}
	w.rail = map[view.Page]*button{}
	top := container.NewVBox()
	for _, p := range view.Pages {
		b := w.button(p.Label(w.t), func() { w.goTo(p) })
		b.Icon, b.Alignment = pageIcons[p], widget.ButtonAlignLeading
		w.rail[p] = b
		top.Add(b)
	}
	w.state, w.agent = sign(view.Good), muted("")
	w.foot = view.Foot{}
	bottom := container.NewBorder(nil, nil, container.NewPadded(w.state), nil, w.agent)
	rail := container.NewStack(newFill(theme.ColorNameMenuBackground, 0),
		container.New(fixedWidth(188), container.NewPadded(container.NewBorder(top, bottom, nil, nil))))
	w.banner, w.told = container.NewStack(), nil
	w.body = container.NewStack()
	w.win.SetContent(container.NewBorder(nil, nil, rail, nil, container.NewBorder(w.banner, nil, nil, nil, w.body)))
	w.refresh()
}

// refresh shows what belongs to no page.
func (w *Window) refresh() {
	if f := view.FootOf(w.in, w.o.Version); f != w.foot {
		w.foot = f
		w.state.SetResource(marks[f.Mark])
		w.agent.SetText(f.Agent + "\n" + f.Version)
	}
	p, ok := view.Banner(w.in)
	switch {
	case !ok && w.told != nil:
		w.told = nil
		w.banner.RemoveAll()
	case ok && (w.told == nil || !reflect.DeepEqual(*w.told, p)):
		w.told = &p
		w.banner.RemoveAll()
		w.banner.Add(container.NewPadded(w.problem(p)))
	default:
		return
	}
	w.win.Content().Refresh()
}

// goTo shows a page of the rail.
func (w *Window) goTo(p view.Page) {
	switch p {
	case view.PageAccounts:
		w.show(&accountsPage{w: w})
	case view.PageActivity:
		w.show(&activityPage{w: w})
	case view.PageClients:
		w.show(&clientsPage{w: w})
	case view.PageTeam:
		w.show(&teamPage{w: w})
	case view.PageDoctor:
		w.show(&doctorPage{w: w})
	case view.PageSettings:
		w.show(&settingsPage{w: w})
	default:
		w.show(&serversPage{w: w})
	}
}

// show leaves the page that is there and shows another one.
func (w *Window) show(p page) {
	w.leave()
	w.ctx, w.leave = context.WithCancel(context.Background())
	w.page = p
	for name, b := range w.rail {
		if b.Importance = widget.LowImportance; name == p.of() {
			b.Importance = widget.HighImportance
		}
		b.Refresh()
	}
	content := container.New(margin{}, p.open(w.ctx, w.in))
	w.body.Objects = []fyne.CanvasObject{content}
	w.body.Refresh()
}

// ask runs work and then, unless ctx has ended, done on the UI goroutine.
func (w *Window) ask(ctx context.Context, work func(ctx context.Context, agent session.Desk) error, done func(error)) {
	w.o.Back.Ask(ctx, work, func(err error) {
		fyne.Do(func() {
			if ctx.Err() == nil {
				done(err)
			}
		})
	})
}

// get is ask for work that brings something.
func get[T any](ctx context.Context, w *Window, work func(ctx context.Context, agent session.Desk) (T, error), done func(T, error)) {
	var got T
	w.ask(ctx, func(ctx context.Context, agent session.Desk) (err error) {
		got, err = work(ctx, agent)
		return err
	}, func(err error) { done(got, err) })
}

// do does what a button asks for.
func (w *Window) do(a view.Action) {
	switch a.Verb {
	case "":
	case view.Unlock:
		if view.AsksPassphrase(w.in) {
			w.askPassphrase()
			return
		}
		w.o.Back.Do(a)
	case view.Approve:
		w.askApproval(a.Server)
	default:
		w.o.Back.Do(a)
	}
}

// shortcuts are the window's own: Ctrl+W, and Ctrl+1 and so on for the pages.
func (w *Window) shortcuts() []*desktop.CustomShortcut {
	all := []*desktop.CustomShortcut{{KeyName: fyne.KeyW, Modifier: fyne.KeyModifierShortcutDefault}}
	for i := range view.Pages {
		all = append(all, &desktop.CustomShortcut{KeyName: pageKeys[i], Modifier: fyne.KeyModifierShortcutDefault})
	}
	return all
}

var pageKeys = []fyne.KeyName{fyne.Key1, fyne.Key2, fyne.Key3, fyne.Key4, fyne.Key5, fyne.Key6, fyne.Key7}

func (w *Window) shortcut(s fyne.Shortcut) {
	c, ok := s.(*desktop.CustomShortcut)
	if !ok || c.Modifier != fyne.KeyModifierShortcutDefault {
		return
	}
	if c.KeyName == fyne.KeyW {
		w.Close()
		return
	}
	for i, k := range pageKeys {
		if c.KeyName == k && len(w.sheets) == 0 {
			w.goTo(view.Pages[i])
		}
	}
}

// typed is a key that no widget used: Escape closes what chooses a file, else the
// top sheet, else the window.
func (w *Window) typed(e *fyne.KeyEvent) {
	if e.Name != fyne.KeyEscape {
		return
	}
	if w.picker != nil {
		w.picker.Hide()
		return
	}
	if n := len(w.sheets); n > 0 {
		w.sheets[n-1].close()
		return
	}
	w.Close()
}

// problemOf makes an error fit to be shown.
func (w *Window) problemOf(err error, server string) view.Problem {
	return view.ProblemOf(w.t, hint.Of(err), server)
}
