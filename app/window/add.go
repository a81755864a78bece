package window

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
)

// typingPause is how long typing has to rest before the server is asked.
const typingPause = 600 * time.Millisecond

// An adder is the sheet that adds a server: the address, how to get in, done.
type adder struct {
	w *Window
	s *sheet

	// The first step.
	address *entry
	name    *entry
	named   bool // the user chose the name
	finding *fyne.Container
	wrong   *widget.Label // with the name
	next    *button
	stop    func()             // ends the wait for the rest of typing
	asking  context.CancelFunc // ends the question under way
	asked   string             // the address that probed is about
	probed  *local.Probed      // nil: not known, or asked still

	// The second step.
	choosing bool // it is shown
	ways     []view.Way
	chosen   int
	inputs   wayInputs

	// The third step.
	added   string // the server's name
	keyPath string // of a key file that is in the vault now
}

// addServer opens the sheet, with an address and a name if they are known.
func (w *Window) addServer(address, name string) *adder {
	a := &adder{w: w, s: w.sheet(w.t.Add.Title, 580, 460), stop: func() {}, asking: func() {}}
	a.s.closed = func() {
		a.stop()
		a.inputs.clear()
	}
	a.address = w.entry(address, w.t.Add.Example)
	a.address.OnChanged = func(string) { a.typed() }
	a.address.OnSubmitted = func(string) { a.forward() }
	a.name, a.named = w.entry(name, ""), name != ""
	a.name.OnChanged = func(string) {
		a.named = true
		a.check()
	}
	a.name.OnSubmitted = func(string) { a.forward() }
	a.finding, a.wrong = container.NewVBox(), text("")
	a.wrong.Importance = widget.WarningImportance
	a.stepOne()
	if address != "" {
		a.typed()
	}
	return a
}

// addDemo starts the demo server and opens the sheet with its address.
func (w *Window) addDemo() {
	get(w.ctx, w, func(ctx context.Context, _ session.Desk) (string, error) {
		return w.o.Demo(ctx)
	}, func(address string, err error) {
		if err != nil {
			w.tell(w.problemOf(err, ""))
			return
		}
		w.demo = address
		w.addServer(address, view.FreeName(view.DemoName, view.ServerNames(w.in)))
	})
}

func (a *adder) step(n int) {
	a.s.head.SetText(a.w.t.Add.Title + " ‧ " + fmt.Sprintf(a.w.t.Add.Step, n, 3))
}

func (a *adder) stepOne() {
	w, t := a.w, &a.w.t.Add
	a.step(1)
	a.choosing = false
	a.next = w.strong(w.t.Window.Next, a.forward)
	body := container.NewVBox(title(t.Address), a.address, a.finding, title(t.Name), a.name, a.wrong)
	if w.demo != "" && a.address.Text == w.demo {
		body.Add(text(t.DemoRuns))
	} else if w.o.Demo != nil {
		demo := w.quiet(t.Demo, func() {
			a.s.close()
			w.addDemo()
		})
		body.Add(container.NewHBox(demo))
	}
	a.s.set(body, w.button(w.t.Window.Cancel, a.s.close), a.next)
	a.check()
	a.s.focus(a.address)
}

// typed starts the wait for the rest of typing anew.
func (a *adder) typed() {
	a.stop()
	a.asking()
	a.probed, a.asked = nil, ""
	a.find()
	if !a.named {
		a.propose(view.ProposeName(a.address.Text, view.ServerNames(a.w.in)))
	}
	a.check()
	if strings.TrimSpace(a.address.Text) == "" {
		return
	}
	ctx := a.s.ctx
	a.stop = a.w.o.After(typingPause, func() {
		fyne.Do(func() {
			if ctx.Err() == nil {
				a.ask()
			}
		})
	})
}

// propose fills in a name that the user may change.
func (a *adder) propose(name string) {
	changed := a.name.OnChanged
	a.name.OnChanged = nil
	a.name.SetText(name)
	a.name.OnChanged = changed
}

// ask asks the server what it wants.
func (a *adder) ask() {
	address := strings.TrimSpace(a.address.Text)
	ctx, cancel := context.WithCancel(a.s.ctx)
	a.asking, a.asked = cancel, address
	a.finding.Objects = []fyne.CanvasObject{container.NewHBox(container.NewPadded(sign(view.Working)), muted1(a.w.t.Add.Asking))}
	a.s.relayout()
	get(ctx, a.w, func(ctx context.Context, agent session.Desk) (*local.Probed, error) {
		return agent.Probe(ctx, local.ProbeRequest{URL: address})
	}, func(found *local.Probed, err error) {
		if err != nil {
			a.finding.Objects = []fyne.CanvasObject{a.w.problem(a.w.problemOf(err, ""))}
			a.s.relayout()
			return
		}
		a.probed = found
		if !a.named && found.Name != "" {
			a.propose(found.Name)
		}
		if a.choosing && a.chosen == 0 {
			a.ways = view.WaysOf(a.w.t, found)
			a.stepTwo()
			return
		}
		a.find()
		a.check()
	})
}

// find shows what was found.
func (a *adder) find() {
	a.finding.Objects = nil
	if a.probed != nil {
		f := view.FindingOf(a.w.t, a.probed)
		say := container.NewVBox(text(f.Text))
		if f.Try != "" {
			say.Add(container.NewHBox(a.w.button(f.Use, func() { a.address.SetText(f.Try) })))
		}
		a.finding.Add(container.NewBorder(nil, nil, container.NewVBox(container.NewPadded(sign(f.Mark))), nil, say))
	}
	a.s.relayout()
}

// check says what is wrong with the name, and whether one can go on.
func (a *adder) check() {
	said := ""
	if a.name.Text != "" {
		said = view.CheckName(a.w.t, strings.TrimSpace(a.name.Text), a.w.in.State)
	}
	a.wrong.SetText(said)
	a.wrong.Hidden = said == ""
	a.s.relayout()
	ok := said == "" && a.name.Text != "" && strings.Contains(a.address.Text, "://") &&
		(a.probed == nil || a.probed.Trouble != local.TroubleAddress)
	if a.next.Disable(); ok {
		a.next.Enable()
	}
}

func (a *adder) forward() {
	if a.next.Disabled() {
		return
	}
	a.stop()
	a.ways, a.chosen = view.WaysOf(a.w.t, a.probed), 0
	a.stepTwo()
	if a.asked == "" { // quicker than the rest of typing
		a.ask()
	}
}

// stepTwo asks how to get in: only what fits.
func (a *adder) stepTwo() {
	w, t := a.w, &a.w.t.Add
	a.step(2)
	a.choosing = true
	a.s.drop = nil
	choices := container.NewVBox(title(t.How))
	for i, way := range a.ways {
		b := w.quiet(way.Label, func() {
			a.chosen = i
			a.inputs.clear()
			a.stepTwo()
		})
		b.Alignment, b.Icon = widget.ButtonAlignLeading, theme.RadioButtonIcon()
		if i == a.chosen {
			b.Icon = theme.RadioButtonCheckedIcon()
		}
		choices.Add(b)
	}
	way := a.ways[a.chosen]
	a.inputs = a.inputsOf(way)
	if a.inputs.content != nil {
		choices.Add(container.New(indent{}, a.inputs.content))
	}
	label := t.AddIt
	if way.Kind == view.WaySignIn || way.Kind == view.WayClient {
		label = t.SignInIt
	}
	add := w.strong(label, a.add)
	a.s.set(choices, w.button(w.t.Window.Back, func() { a.inputs.clear(); a.find(); a.stepOne() }), w.button(w.t.Window.Cancel, a.s.close), add)
	if f := a.inputs.form; f != nil {
		a.s.enter(add, f.name, f.value)
	}
	if a.s.focus(add); a.inputs.start != nil {
		a.s.focus(a.inputs.start)
	}
}

// add adds the account, if one is made here, and the server.
func (a *adder) add() {
	w, t := a.w, &a.w.t.Add
	way := a.ways[a.chosen]
	put, accounts, err := a.inputs.put(a, way)
	if err != nil {
		a.s.complain(w.problemOf(err, ""))
		return
	}
	a.choosing = false
	buttons := a.s.foot.Objects
	a.s.buttons(widget.NewActivity(), muted1(t.Adding))
	var done *local.AddedServer
	verified := false
	w.ask(a.s.ctx, func(ctx context.Context, agent session.Desk) error {
		if verified, err = addAccounts(ctx, agent, accounts); err != nil {
			return err
		}
		if done, err = agent.AddServer(ctx, *put); err != nil {
			err = removeAccounts(ctx, agent, accounts, err)
		}
		return err
	}, func(err error) {
		if err != nil {
			a.s.foot.Objects = buttons
			a.s.complain(w.problemOf(err, ""))
			return
		}
		if verified && a.inputs.key != nil {
			a.keyPath = a.inputs.key.key.path
		}
		a.inputs.clear()
		a.added = put.Name
		if (len(accounts) == 0 || way.Kind == view.WayActAs) && way.Kind != view.WayNothing && !view.IsReady(&done.Server) {
			a.signIn()
			return
		}
		a.stepThree()
	})
}

// addAccounts adds accounts, all or none. verified is of the last one.
func addAccounts(ctx context.Context, agent session.Desk, accounts []local.PutAccount) (verified bool, err error) {
	for n, p := range accounts {
		got, err := agent.AddAccount(ctx, p)
		if err != nil {
			return false, removeAccounts(ctx, agent, accounts[:n], err)
		}
		verified = got.Verified
	}
	return verified, nil
}

// removeAccounts leaves nothing behind when adding failed with err: with the same
// names one can try again.
func removeAccounts(ctx context.Context, agent session.Desk, accounts []local.PutAccount, err error) error {
	for _, p := range slices.Backward(accounts) {
		if _, undo := agent.RemoveAccount(ctx, local.Name{Name: p.Name}); undo != nil {
			return fmt.Errorf("%w; and the account %s stays: %v", err, p.Name, undo)
		}
	}
	return err
}

// signIn waits for the browser.
func (a *adder) signIn() {
	a.waiting(view.SignInView{Waiting: true})
	a.s.update = func(in view.Input) {
		switch v := view.SignInOf(in, a.added); {
		case v.Ready:
			a.s.update = nil
			a.stepThree()
		case v.Waiting:
			a.waiting(v)
		case v.Problem != nil:
			a.failed(*v.Problem)
		}
	}
	a.w.o.Back.Do(view.Action{Verb: view.SignIn, Server: a.added})
}

func (a *adder) waiting(v view.SignInView) {
	w, t := a.w, &a.w.t.Add
	body := container.NewVBox(container.NewBorder(nil, nil, container.NewPadded(sign(view.Working)), nil, text(t.Waiting)))
	if v.Page != "" {
		body.Add(container.NewHBox(
			w.button(t.OpenAgain, func() { w.do(view.Action{Verb: view.OpenPage, Server: a.added}) }),
			w.quiet(t.CopyAddress, func() { w.copy(v.Page) })))
	}
	a.s.set(body, w.button(w.t.Servers.CancelIt, func() {
		a.s.update = nil
		w.do(view.Action{Verb: view.CancelSignIn, Server: a.added})
		a.s.close() // the server stays in the list, signed out
	}))
}

func (a *adder) failed(p view.Problem) {
	w := a.w
	a.s.set(w.problem(p), w.button(w.t.Window.Close, a.s.close), w.strong(w.t.Window.Again, a.signIn))
}

// stepThree says what was found and offers to use it.
func (a *adder) stepThree() {
	w, t := a.w, &a.w.t.Add
	a.step(3)
	a.choosing = false
	a.s.drop = nil
	tools := muted("")
	said := container.NewVBox()
	body := container.NewVBox(container.NewBorder(nil, nil, container.NewPadded(sign(view.Good)), nil,
		text(fmt.Sprintf(t.Added, view.Name(a.added)))), tools)
	if a.keyPath != "" {
		body.Add(w.offerDelete(a.s.ctx, a.keyPath, func() {}))
	}
	install := w.strong(t.Install, nil)
	install.OnTapped = func() { a.install(install, said) }
	copyIt := w.button(t.CopyConfig, func() {
		if text, err := view.Config(a.added, w.o.Command); err == nil {
			w.copy(text)
			said.Objects = []fyne.CanvasObject{muted(w.t.Servers.Copied)}
			a.s.relayout()
		}
	})
	others := container.NewVBox()
	body.Add(container.NewHBox(install, copyIt))
	body.Add(others)
	body.Add(said)
	done := w.button(t.Finish, a.s.close)
	a.s.set(body, done)
	a.s.focus(install)
	w.offerClients(a.s, a.added, others, said)
	if w.o.Tools == nil {
		return
	}
	tools.SetText(t.ToolsLook)
	w.findTools(a.s.ctx, a.added, func(names []string, err error) {
		if err != nil {
			tools.SetText("")
			said.Objects = []fyne.CanvasObject{w.problem(w.problemOf(err, a.added))}
			a.s.relayout()
			return
		}
		tools.SetText(view.ToolsLine(w.t, names))
	})
}

func (a *adder) install(b *button, said *fyne.Container) {
	b.Disable()
	a.w.ask(a.s.ctx, func(ctx context.Context, agent session.Desk) error {
		_, err := agent.InstallClient(ctx, local.InstallRequest{Client: claudeDesktop, Servers: []string{a.added}})
		return err
	}, func(err error) {
		var say fyne.CanvasObject = muted(a.w.t.Servers.Installed)
		if err != nil {
			b.Enable()
			say = a.w.problem(a.w.problemOf(err, a.added))
		}
		said.Objects = []fyne.CanvasObject{say}
		a.s.relayout()
	})
}
