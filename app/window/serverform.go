package window

import (
	"context"
	"fmt"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
)

// showForm fills in the advanced fields.
func (p *serverPage) showForm(rec *account.Server) {
	w := p.w
	fields := view.FieldsOf(w.t, rec)
	var rows []fyne.CanvasObject
	for i := range fields {
		rows = append(rows, muted1(fields[i].Label), p.field(&fields[i]))
	}
	said := container.NewVBox()
	save := w.button(w.t.Window.Save, func() { p.save(rec, fields, said) })
	token := w.button(w.t.Servers.CopyToken, func() { p.copyToken(said) })
	p.form.Objects = []fyne.CanvasObject{
		muted(w.t.Servers.AdvancedFor), container.New(facts{}, rows...),
		container.NewHBox(save, token), said,
	}
	p.form.Refresh()
}

// field makes the widget of one field; what is entered goes into f.
func (p *serverPage) field(f *view.Field) fyne.CanvasObject {
	w := p.w
	switch {
	case f.Switch:
		return w.check("", f.Value != "", func(on bool) {
			if f.Value = ""; on {
				f.Value = "true"
			}
		})
	case f.Choices != nil:
		chosen := 0
		for i, c := range f.Choices {
			if c == f.Value {
				chosen = i
			}
		}
		return w.selector(f.Choices, chosen, func(i int) { f.Value = f.Choices[i] })
	}
	e := w.entry(f.Value, f.Help)
	if f.Lines {
		e = w.textEntry(f.Value)
		e.SetPlaceHolder(f.Help)
	}
	e.OnChanged = func(s string) { f.Value = s }
	return e
}

func (p *serverPage) save(rec *account.Server, fields []view.Field, said *fyne.Container) {
	changed, err := view.SetFields(rec, fields)
	if err != nil {
		p.say(said, p.w.problem(p.w.problemOf(err, p.name)))
		return
	}
	p.w.ask(p.ctx, func(ctx context.Context, agent session.Desk) error {
		_, err := agent.SetServer(ctx, local.PutServer{Name: p.name, Server: *changed})
		return err
	}, func(err error) {
		if err != nil {
			p.say(said, p.w.problem(p.w.problemOf(err, p.name)))
			return
		}
		*rec = *changed
		p.say(said, muted(p.w.t.Servers.Saved))
	})
}

func (p *serverPage) say(to *fyne.Container, o fyne.CanvasObject) {
	to.Objects = []fyne.CanvasObject{o}
	to.Refresh()
	p.form.Refresh()
}

// copyToken puts a fresh access token into the clipboard, for 45 seconds.
func (p *serverPage) copyToken(said *fyne.Container) {
	get(p.ctx, p.w, func(ctx context.Context, agent session.Desk) (*local.Token, error) {
		return agent.Token(ctx, local.TokenRequest{Name: p.name})
	}, func(token *local.Token, err error) {
		if err != nil {
			p.say(said, p.w.problem(p.w.problemOf(err, p.name)))
			return
		}
		p.w.copySecret(token.Value.Value)
		p.say(said, muted(p.w.t.Servers.TokenCopied))
	})
}

// changeAccount lets the user choose another account for the server.
func (p *serverPage) changeAccount() {
	w, t := p.w, &p.w.t.Servers
	if w.in.State == nil {
		return
	}
	names, labels, chosen := []string{""}, []string{t.NoAccount}, 0
	for i := range w.in.State.Accounts {
		a := &w.in.State.Accounts[i]
		if a.Name == p.seen.AccountName {
			chosen = len(names)
		}
		names = append(names, a.Name)
		labels = append(labels, view.Name(a.Name))
	}
	s := w.sheet(t.ChangeTitle, 480, 270)
	choice := w.selector(labels, chosen, func(i int) { chosen = i })
	save := w.strong(w.t.Window.Save, func() {
		s.askAgent(func(ctx context.Context, agent session.Desk) error {
			rec, err := agent.ShowServer(ctx, local.Name{Name: p.name})
			if err != nil {
				return fmt.Errorf("change account: %w", err)
			}
			rec.Account = names[chosen]
			_, err = agent.SetServer(ctx, local.PutServer{Name: p.name, Server: *rec, Bind: true})
			return err
		}, nil)
	})
	other := w.button(w.t.SwitchUser, func() {
		s.close()
		w.do(view.Action{Verb: view.SwitchUser, Server: p.name})
	})
	if !p.seen.SignOut { // nobody is signed in
		other.Hide()
	}
	s.set(container.NewVBox(choice, container.NewHBox(other), text(fmt.Sprintf(t.ChangeText, view.OriginOf(p.seen.Address)))),
		w.button(w.t.Window.Cancel, s.close), save)
	s.focus(choice)
}
