package window

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
)

// lastCalls is how many calls a server's page shows.
const lastCalls = 5

// serverPage is one server's page.
type serverPage struct {
	w    *Window
	name string

	ctx   context.Context // for the life of the page
	seen  view.ServerView
	head  *fyne.Container // state and account; made anew when they change
	tools *widget.Label
	look  *button
	calls *fyne.Container
	form  *fyne.Container
	body  *fyne.Container // all of them
	note  *widget.Label   // "Copied", "Saved."
	lost  []local.Notice  // what clients have lost, when they were asked for

	install *button       // into Claude Desktop; not there when it has the server
	within  *widget.Label // which clients have it
}

func (p *serverPage) of() view.Page { return view.PageServers }

func (p *serverPage) open(ctx context.Context, in view.Input) fyne.CanvasObject {
	w, t := p.w, &p.w.t.Servers
	p.ctx = ctx
	p.head, p.calls, p.form = container.NewVBox(), container.NewVBox(muted(t.NoCalls)), container.NewVBox()
	p.tools, p.note = text(t.NoTools), muted("")
	p.look = w.quiet(t.LookTools, p.lookAtTools)
	p.look.Hidden = w.o.Tools == nil
	back := w.quiet(w.t.Window.Back, func() { w.goTo(view.PageServers) })
	back.Icon = theme.NavigateBackIcon()
	remove := w.button(w.t.Window.Remove, p.remove)
	top := container.NewBorder(nil, nil, back, remove, heading(view.Name(p.name)))
	advanced := widget.NewAccordion(widget.NewAccordionItem(t.Advanced, p.form))
	p.body = container.NewVBox(
		p.head,
		title(t.Tools), container.NewBorder(nil, nil, nil, p.look, p.tools),
		title(t.Calls), p.calls,
		p.config(),
		advanced,
	)
	p.seen, p.lost = view.ServerView{}, view.LostBy(in.State)
	p.update(in)
	p.load()
	return container.NewBorder(container.NewVBox(top, widget.NewSeparator()), nil, nil, nil, container.NewVScroll(p.body))
}

func (p *serverPage) update(in view.Input) {
	v, ok := view.ServerViewOf(in, p.name)
	if !ok {
		if in.State != nil { // removed, here or elsewhere
			p.w.goTo(view.PageServers)
		}
		return
	}
	if lost := view.LostBy(in.State); !reflect.DeepEqual(lost, p.lost) {
		p.lost = lost
		p.lookAtClients()
	}
	if reflect.DeepEqual(v, p.seen) {
		return
	}
	p.seen = v
	w, t := p.w, &p.w.t.Servers
	var rows []fyne.CanvasObject
	for i, f := range v.Facts {
		label := muted(f.Label)
		label.Wrapping = fyne.TextWrapOff
		rows = append(rows, label)
		value := container.NewHBox()
		if i == 0 {
			value.Add(container.NewPadded(sign(v.Row.Mark)))
		}
		value.Add(widget.NewLabel(f.Text))
		if f.Exact != "" {
			value.Add(muted1(f.Exact))
		}
		if i == 0 {
			p.stateButtons(value, v)
		}
		rows = append(rows, value)
	}
	address := short(v.Address)
	address.Selectable = true
	rows = append(rows, muted1(t.Address), address, muted1(t.Account),
		container.NewHBox(widget.NewLabel(v.Account), w.quiet(t.Change, p.changeAccount)))
	p.head.Objects = nil
	if v.Problem != nil {
		p.head.Add(w.problem(*v.Problem))
	}
	p.head.Add(container.New(facts{}, rows...))
	p.head.Refresh()
}

// muted1 is a muted line that does not wrap.
func muted1(s string) *widget.Label {
	l := muted(s)
	l.Wrapping = fyne.TextWrapOff
	return l
}

func (p *serverPage) stateButtons(to *fyne.Container, v view.ServerView) {
	if v.Row.Button != "" {
		to.Add(p.w.strong(v.Row.Button, func() { p.w.do(v.Row.Action) }))
	}
	if v.SignOut {
		to.Add(p.w.button(p.w.t.Servers.SignOut, func() { p.w.do(view.Action{Verb: view.SignOut, Server: p.name}) }))
	}
}

// config shows the entry for Claude Desktop, with Copy.
func (p *serverPage) config() fyne.CanvasObject {
	w, t := p.w, &p.w.t.Servers
	snippet, err := view.Config(p.name, w.o.Command)
	if err != nil {
		return w.problem(w.problemOf(err, p.name))
	}
	code := widget.NewLabel(strings.TrimRight(snippet, "\n"))
	code.TextStyle.Monospace, code.Selectable = true, true
	code.SizeName = theme.SizeNameCaptionText
	p.install, p.within = w.button(t.Install, p.addToClient), muted1("")
	p.within.Hide()
	copyIt := w.button(w.t.Window.Copy, func() {
		w.copy(snippet)
		p.note.SetText(t.Copied)
	})
	copyIt.Icon = theme.ContentCopyIcon()
	return container.NewVBox(title(t.Config), muted(t.ConfigText), box(colorDrop, container.NewHScroll(code)),
		container.NewBorder(nil, nil, container.NewHBox(p.within, p.install, copyIt), nil, p.note))
}

func (p *serverPage) addToClient() {
	p.w.ask(p.ctx, func(ctx context.Context, agent session.Desk) error {
		_, err := agent.InstallClient(ctx, local.InstallRequest{Client: claudeDesktop, Servers: []string{p.name}})
		return err
	}, func(err error) {
		if err != nil {
			p.w.tell(p.w.problemOf(err, p.name))
			return
		}
		p.note.SetText(p.w.t.Servers.Installed)
		p.lookAtClients()
	})
}

// lookAtClients says which clients have the server. Claude Desktop is not offered
// when it is one of them.
func (p *serverPage) lookAtClients() {
	get(p.ctx, p.w, func(ctx context.Context, agent session.Desk) (*local.Clients, error) {
		return agent.Clients(ctx)
	}, func(found *local.Clients, err error) {
		if err != nil {
			return // the page Clients says why
		}
		line, ids := view.ClientsWith(p.w.t, found.Clients, p.name)
		p.within.SetText(line)
		p.within.Hidden = line == ""
		p.install.Hidden = slices.Contains(ids, claudeDesktop)
		p.body.Refresh()
	})
}

// claudeDesktop is the client's id at the agent.
const claudeDesktop = "claude-desktop"

// tell shows a problem in a sheet of its own.
func (w *Window) tell(p view.Problem) {
	s := w.sheet("Keyporter", 480, 220)
	ok := w.strong(w.t.Window.Close, s.close)
	s.set(w.problem(p), ok)
	s.focus(ok)
}

// load asks for the record, the tools seen last, and the last calls.
func (p *serverPage) load() {
	w := p.w
	get(p.ctx, w, func(ctx context.Context, agent session.Desk) (*account.Server, error) {
		return agent.ShowServer(ctx, local.Name{Name: p.name})
	}, func(rec *account.Server, err error) {
		if err == nil {
			p.showForm(rec)
		}
	})
	get(p.ctx, w, func(ctx context.Context, agent session.Desk) ([]string, error) {
		a, err := agent.Answers(ctx, local.Name{Name: p.name})
		if err != nil {
			return nil, err
		}
		return toolNames(a.Results["tools/list"]), nil
	}, func(tools []string, err error) {
		if err == nil && len(tools) > 0 {
			p.tools.SetText(view.ToolsLine(w.t, tools))
		}
	})
	p.lookAtClients()
	p.readCalls()
}

// readCalls shows the server's last calls.
func (p *serverPage) readCalls() {
	var calls view.Calls
	p.w.ask(p.ctx, func(ctx context.Context, agent session.Desk) error {
		return agent.Log(ctx, local.LogRequest{}, func(r *local.AuditRecord) error {
			if r.Server == p.name {
				calls.Add(r)
			}
			return nil
		})
	}, func(err error) {
		if err == nil {
			p.showCalls(&calls)
		}
	})
}

// toolNames returns the names in a result of tools/list.
func toolNames(result json.RawMessage) []string {
	var l struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if json.Unmarshal(result, &l) != nil {
		return nil
	}
	var names []string
	for _, t := range l.Tools {
		names = append(names, t.Name)
	}
	return names
}

func (p *serverPage) showCalls(calls *view.Calls) {
	last := calls.Of(p.name, lastCalls)
	if len(last) == 0 {
		return
	}
	p.calls.Objects = nil
	for i := range last {
		item := newCallItem()
		item.show(view.CallRowOf(p.w.t, &last[i]))
		p.calls.Add(item)
	}
	p.calls.Refresh()
}

func (p *serverPage) lookAtTools() {
	w := p.w
	p.look.Disable()
	p.tools.SetText(w.t.Add.ToolsLook)
	w.findTools(p.ctx, p.name, func(names []string, err error) {
		p.look.Enable()
		if err != nil {
			p.tools.SetText(w.t.Servers.NoTools)
			w.tell(w.problemOf(err, p.name))
			return
		}
		p.tools.SetText(view.ToolsLine(w.t, names))
		p.readCalls() // among them those that have just looked
	})
}

// findTools looks at a server's tools through a bridge.
func (w *Window) findTools(ctx context.Context, server string, done func([]string, error)) {
	get(ctx, w, func(ctx context.Context, _ session.Desk) ([]string, error) {
		return w.o.Tools(ctx, server)
	}, done)
}

func (p *serverPage) remove() {
	p.w.confirm(p.seen.Removal, nil, func(s *sheet) {
		s.askAgent(func(ctx context.Context, agent session.Desk) error {
			return agent.RemoveServer(ctx, local.Name{Name: p.name})
		}, func() { p.w.goTo(view.PageServers) })
	})
}
