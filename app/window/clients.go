package window

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
)

// clientsPage is the page Clients: sections one below the other, the first of
// which lists the MCP clients.
type clientsPage struct {
	w       *Window
	ctx     context.Context   // for the life of the page
	clients []local.MCPClient // nil until they are known
	notices []local.Notice    // of clients that have lost something, when they were asked for
	list    *fyne.Container
	body    *fyne.Container // the sections
	said    *fyne.Container
}

func (p *clientsPage) of() view.Page { return view.PageClients }

func (p *clientsPage) open(ctx context.Context, in view.Input) fyne.CanvasObject {
	t := &p.w.t.Clients
	p.ctx, p.list, p.said = ctx, container.NewVBox(muted(t.Looking)), container.NewVBox()
	p.clients, p.notices = nil, view.LostBy(in.State)
	p.body = container.NewVBox(muted(t.About), p.said, p.list, newRawKeys(p.w, ctx, p.load).body)
	p.load()
	return container.NewBorder(container.NewVBox(heading(t.Title), widget.NewSeparator()), nil, nil, nil, container.NewVScroll(container.New(layout.NewCustomPaddedLayout(0, 0, 0, 12), p.body)))
}

func (p *clientsPage) update(in view.Input) {
	switch lost := view.LostBy(in.State); {
	case !reflect.DeepEqual(lost, p.notices):
		p.notices = lost
		p.load()
	case p.clients == nil && in.State != nil:
		p.load()
	}
}

// load asks the agent what is on this computer; it reads the clients' files.
func (p *clientsPage) load() {
	get(p.ctx, p.w, func(ctx context.Context, agent session.Desk) (*local.Clients, error) {
		return agent.Clients(ctx)
	}, func(found *local.Clients, err error) {
		if err != nil {
			p.complain(err)
			return
		}
		p.clients = found.Clients
		p.arrange()
	})
}

func (p *clientsPage) complain(err error) {
	p.said.RemoveAll()
	if err != nil {
		p.said.Add(p.w.problem(p.w.problemOf(err, "")))
	}
	p.said.Refresh()
}

// arrange shows the clients. There are few, so that all rows are made.
func (p *clientsPage) arrange() {
	rows, away := view.ClientRows(p.w.in, p.clients)
	p.list.RemoveAll()
	for _, r := range rows {
		p.list.Add(p.row(r))
		p.list.Add(widget.NewSeparator())
	}
	if len(rows) == 0 {
		p.list.Add(text(p.w.t.Clients.NoneHere))
	}
	if away != "" {
		p.list.Add(muted(away))
	}
	p.list.Refresh()
}

func (p *clientsPage) row(r view.ClientRow) fyne.CanvasObject {
	t := &p.w.t.Clients
	line, file := short(r.Line), short(r.File)
	file.Importance = widget.LowImportance
	if r.More > 0 {
		file.SetText(r.File + "  " + fmt.Sprintf(t.MoreFiles, r.More))
	}
	buttons := container.NewHBox(layout.NewSpacer())
	if r.Lost {
		buttons.Add(container.NewCenter(p.w.strong(t.Restore, func() { p.repair(r.ID) })))
	}
	if r.Problem != nil {
		buttons.Add(container.NewCenter(p.w.button(p.w.t.Window.Details, func() { p.w.tell(*r.Problem) })))
	}
	if r.Choose {
		buttons.Add(container.NewCenter(p.w.button(t.Change, func() { p.choose(r.ID) })))
	}
	mark := container.NewVBox(container.NewPadded(container.NewPadded(sign(r.Mark))))
	return container.NewBorder(nil, nil, mark, buttons, lines(title(r.Title), line, file))
}

func (p *clientsPage) repair(client string) {
	p.w.ask(p.ctx, func(ctx context.Context, agent session.Desk) error {
		_, err := agent.RepairClients(ctx, local.RepairRequest{Client: client})
		return err
	}, func(err error) {
		p.complain(err)
		p.load()
	})
}

// choose asks which servers a client has.
func (p *clientsPage) choose(id string) {
	w, t := p.w, &p.w.t.Clients
	var c *local.MCPClient
	for i := range p.clients {
		if p.clients[i].ID == id {
			c = &p.clients[i]
		}
	}
	choices := view.ChoicesOf(w.in, c)
	s := w.sheet(fmt.Sprintf(t.ChooseTitle, view.Name(c.Name)), 480, 380)
	body := container.NewVBox()
	for i := range choices {
		body.Add(w.check(choices[i].Label, choices[i].On, func(on bool) { choices[i].On = on }))
	}
	body.Add(muted(t.ChooseText))
	cancel, save := w.button(w.t.Window.Cancel, s.close), w.strong(w.t.Window.Save, func() { p.save(s, c, choices) })
	if len(choices) == 0 {
		body = container.NewVBox(text(t.NoServers))
		save.Disable()
	}
	s.set(body, cancel, save)
	s.focus(save)
}

// save puts in and takes out what differs, and says what is left to do.
func (p *clientsPage) save(s *sheet, c *local.MCPClient, choices []view.ServerChoice) {
	in, out := view.Changes(c, choices)
	if len(in)+len(out) == 0 {
		s.close()
		return
	}
	var kept []string
	foot := s.foot.Objects
	s.buttons(widget.NewActivity(), muted(p.w.t.Window.Working))
	p.w.ask(s.ctx, func(ctx context.Context, agent session.Desk) error {
		if len(out) > 0 {
			done, err := agent.UninstallClient(ctx, local.InstallRequest{Client: c.ID, Servers: out})
			if err != nil {
				return err
			}
			kept = done.Backups
		}
		if len(in) > 0 {
			done, err := agent.InstallClient(ctx, local.InstallRequest{Client: c.ID, Servers: in})
			if err != nil {
				return err
			}
			kept = done.Backups
		}
		return nil
	}, func(err error) {
		if err != nil {
			s.foot.Objects = foot
			s.complain(p.w.problemOf(err, ""))
			return
		}
		p.saved(s, c, kept)
	})
}

func (p *clientsPage) saved(s *sheet, c *local.MCPClient, kept []string) {
	t := &p.w.t.Clients
	body := container.NewVBox(text(fmt.Sprintf(t.Done, view.Name(c.Name))))
	if len(kept) > 0 {
		body.Add(muted(t.Kept))
		for _, f := range kept {
			body.Add(muted(f))
		}
	}
	ok := p.w.strong(p.w.t.Window.Close, s.close)
	s.set(body, ok)
	s.focus(ok)
	p.load()
}

// offerClients fills a box with a check for each client but Claude Desktop, which
// has a button of its own: on puts the server in, off takes it out.
func (w *Window) offerClients(s *sheet, server string, into, said *fyne.Container) {
	get(s.ctx, w, func(ctx context.Context, agent session.Desk) (*local.Clients, error) {
		return agent.Clients(ctx)
	}, func(found *local.Clients, err error) {
		if err != nil {
			return // the page Clients says why
		}
		for _, c := range found.Clients {
			if c.ID == claudeDesktop || !c.Found || c.Problem != nil {
				continue
			}
			into.Add(w.check(view.Name(c.Name), slices.Contains(c.Servers, server), func(on bool) { w.putInto(s, c, server, on, said) }))
		}
		s.relayout()
	})
}

// putInto puts a server into a client, or takes it out, and says how that went.
func (w *Window) putInto(s *sheet, c local.MCPClient, server string, on bool, said *fyne.Container) {
	w.ask(s.ctx, func(ctx context.Context, agent session.Desk) (err error) {
		r := local.InstallRequest{Client: c.ID, Servers: []string{server}}
		if on {
			_, err = agent.InstallClient(ctx, r)
		} else {
			_, err = agent.UninstallClient(ctx, r)
		}
		return err
	}, func(err error) {
		var say fyne.CanvasObject = muted(fmt.Sprintf(w.t.Clients.Done, view.Name(c.Name)))
		if err != nil {
			say = w.problem(w.problemOf(err, server))
		}
		said.Objects = []fyne.CanvasObject{say}
		s.relayout()
	})
}
