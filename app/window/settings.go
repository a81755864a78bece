package window

import (
	"context"
	"reflect"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
)

// settingsPage is the page Settings.
type settingsPage struct {
	w     *Window
	ctx   context.Context // for the life of the page
	seen  view.SettingsView
	body  *fyne.Container
	login *check
	said  *fyne.Container
}

func (p *settingsPage) of() view.Page { return view.PageSettings }

func (p *settingsPage) open(ctx context.Context, in view.Input) fyne.CanvasObject {
	p.ctx, p.body, p.said = ctx, container.NewVBox(), container.NewVBox()
	p.seen = view.SettingsView{}
	p.login = p.w.check(p.w.t.Settings.AtLogin, false, p.setLogin)
	p.askLogin()
	p.update(in)
	top := heading(p.w.t.Window.Settings)
	return container.NewBorder(container.NewVBox(top, widget.NewSeparator()), nil, nil, nil, container.NewVScroll(p.body))
}

func (p *settingsPage) update(in view.Input) {
	v := view.SettingsOf(in, p.w.o.Version, p.w.o.Places)
	if reflect.DeepEqual(v, p.seen) {
		return
	}
	p.seen = v
	w, t := p.w, &p.w.t.Settings
	var languages []string
	for _, l := range v.Languages {
		languages = append(languages, l.Label)
	}
	language := w.selector(languages, v.Language, func(i int) { p.set("language", v.Languages[i].Value) })
	notify := w.check(t.Notify, v.Notify, func(on bool) { p.set("notifications", map[bool]string{true: "on", false: "off"}[on]) })
	p.body.Objects = []fyne.CanvasObject{
		title(t.General),
		container.New(facts{}, muted1(t.Language), container.NewHBox(container.New(fixedWidth(220), language))),
	}
	if by := v.Fixed["language"]; by != "" {
		language.Disable()
		p.body.Add(muted(by))
	}
	if w.o.Login != nil {
		p.body.Add(p.login)
	}
	p.body.Add(lines(notify, muted(t.NotifyFor)))
	if by := v.Fixed["notifications"]; by != "" {
		notify.Disable()
		p.body.Add(muted(by))
	}
	p.body.Add(p.said)
	p.programs(&v)
	p.body.Add(title(t.Vault))
	vault := lines()
	for _, s := range v.Vault {
		vault.Add(muted(s))
	}
	p.body.Add(vault)
	p.body.Add(title(t.About))
	p.body.Add(container.New(facts{}, p.facts(v.Programs, false)...))
	p.body.Add(title(t.Files))
	p.body.Add(container.New(facts{}, p.facts(v.Files, true)...))
	p.body.Add(muted(t.Fonts))
	p.body.Refresh()
}

// programs adds how often programs are asked about, and those that asked.
func (p *settingsPage) programs(v *view.SettingsView) {
	w, t := p.w, &p.w.t.Settings
	var choices []string
	for _, a := range v.Approvals {
		choices = append(choices, a.Label)
	}
	choice := w.selector(choices, v.Approval, func(i int) { p.set("approvals", v.Approvals[i].Value) })
	p.body.Add(title(t.Approvals))
	p.body.Add(container.New(facts{}, muted1(t.About), container.NewHBox(container.New(fixedWidth(220), choice))))
	p.body.Add(muted(t.ApprovalsFor))
	if by := v.Fixed["approvals"]; by != "" {
		choice.Disable()
		p.body.Add(muted(by))
	}
	for _, r := range v.Asked {
		buttons := container.NewHBox()
		for _, b := range r.Buttons {
			buttons.Add(w.quiet(b.Label, func() { p.answer(b.Action) }))
		}
		p.body.Add(container.NewBorder(nil, nil, sign(r.Mark), container.NewVBox(buttons), lines(short(r.Program), muted(r.Line))))
	}
	if len(v.Asked) == 0 && v.Approval > 0 {
		p.body.Add(muted(t.NobodyAsked))
	}
}

// answer allows a program what it asked for, or not any more.
func (p *settingsPage) answer(a view.Action) {
	p.w.ask(p.ctx, func(ctx context.Context, agent session.Desk) error {
		if a.Verb == view.Allow {
			return agent.Approve(ctx, local.Answer{Name: a.Server})
		}
		return agent.Revoke(ctx, local.Name{Name: a.Server})
	}, p.complain)
}

func (p *settingsPage) facts(list []view.Fact, paths bool) []fyne.CanvasObject {
	var rows []fyne.CanvasObject
	for _, f := range list {
		value := short(f.Text)
		value.Selectable = true
		rows = append(rows, muted1(f.Label))
		if !paths {
			rows = append(rows, value)
			continue
		}
		copyIt := p.w.quiet("", func() { p.w.copy(f.Text) })
		copyIt.Icon = theme.ContentCopyIcon()
		rows = append(rows, container.NewBorder(nil, nil, nil, copyIt, value))
	}
	return rows
}

// set changes a setting at the agent; the answer comes as a new state.
func (p *settingsPage) set(name, value string) {
	p.w.ask(p.ctx, func(ctx context.Context, agent session.Desk) error {
		_, err := agent.SetSettings(ctx, local.SetSettings{Values: map[string]string{name: value}})
		return err
	}, p.complain)
}

func (p *settingsPage) complain(err error) {
	p.said.RemoveAll()
	if err != nil {
		p.said.Add(p.w.problem(p.w.problemOf(err, "")))
		p.seen = view.SettingsView{}
		p.update(p.w.in) // back to what is so
	}
	p.said.Refresh()
}

// askLogin asks the system whether the app starts at login.
func (p *settingsPage) askLogin() {
	if p.w.o.Login == nil {
		return
	}
	p.login.Disable()
	get(p.ctx, p.w, func(context.Context, session.Desk) (bool, error) {
		return p.w.o.Login.On()
	}, func(on bool, err error) {
		p.login.OnChanged = nil
		p.login.SetChecked(on)
		p.login.OnChanged = p.setLogin
		p.login.Enable()
		if err != nil {
			p.complain(err)
		}
	})
}

func (p *settingsPage) setLogin(on bool) {
	p.w.ask(p.ctx, func(context.Context, session.Desk) error { return p.w.o.Login.Set(on) }, func(err error) {
		p.complain(err)
		if err != nil {
			p.askLogin()
		}
	})
}
