package window

import (
	"context"
	"fmt"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// share makes a profile of the servers that are checked, and shows what it holds.
func (p *teamPage) share() {
	r := local.ShareRequest{Name: strings.TrimSpace(p.name.Text)}
	if r.Name == "" {
		r.Name = p.w.t.Team.NameHint
	}
	for _, name := range p.seen.Servers {
		if p.chosen[name] {
			r.Servers = append(r.Servers, name)
		}
	}
	if len(r.Servers) == 0 { // which would mean all
		p.complain(hint.New(hint.Usage, p.w.t.Team.NoServers, ""))
		return
	}
	get(p.ctx, p.w, func(ctx context.Context, agent session.Desk) (*local.SharedProfile, error) {
		return agent.ShareProfile(ctx, r)
	}, func(made *local.SharedProfile, err error) {
		if err != nil {
			p.complain(err)
			return
		}
		p.say(nil)
		p.preview(r.Name, made)
	})
}

// preview shows exactly what the file holds.
func (p *teamPage) preview(name string, made *local.SharedProfile) {
	w, t := p.w, &p.w.t.Team
	s := w.sheet(t.Holds, 640, 520)
	said := lines()
	for i, line := range view.SharedOf(w.t, made) {
		if i == 0 {
			said.Add(container.NewBorder(nil, nil, sign(view.Good), nil, text(line)))
		} else {
			said.Add(muted(line))
		}
	}
	content := widget.NewLabel(string(made.Profile))
	content.TextStyle.Monospace, content.Wrapping, content.Selectable = true, fyne.TextWrapBreak, true
	save := w.strong(t.Save, func() { p.save(name, made.Profile, s) })
	link := w.button(t.CopyLink, func() {
		l, err := local.ProfileLink(made.Profile)
		s.close()
		if err != nil {
			p.complain(err)
			return
		}
		w.copy(l)
	})
	s.set(container.NewVBox(said, widget.NewSeparator(), content), w.button(w.t.Window.Cancel, s.close), link, save)
}

// save asks where the file goes.
func (p *teamPage) save(name string, profile []byte, s *sheet) {
	d := dialog.NewFileSave(func(f fyne.URIWriteCloser, err error) {
		if err != nil || f == nil {
			return
		}
		path := f.URI().Path()
		_, err = f.Write(profile)
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		s.close()
		if err != nil {
			p.complain(hint.Wrap(err, hint.Failed, p.w.t.Team.Unread, ""))
			return
		}
		p.say(text(fmt.Sprintf(p.w.t.Team.Saved, path)))
	}, p.w.win)
	d.SetFileName(strings.ReplaceAll(name, " ", "-") + profileSuffix)
	d.Show()
}
