package window

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

const (
	// profileSuffix is how names of profiles end.
	profileSuffix = ".keyporter.json"
	// maxProfile is how large a profile may be, in bytes; the agent says the same.
	maxProfile = 256 << 10
)

// teamPage is the page Team: share on the left, join on the right, and what was
// joined below.
type teamPage struct {
	w    *Window
	link string // that a click elsewhere asks to join; shown, and no more
	ctx  context.Context
	seen view.TeamView

	servers *fyne.Container
	chosen  map[string]bool // servers that are not to be shared are false
	name    *entry
	address *entry
	said    *fyne.Container
	below   *fyne.Container
}

func (p *teamPage) of() view.Page { return view.PageTeam }

func (p *teamPage) open(ctx context.Context, in view.Input) fyne.CanvasObject {
	w, t := p.w, &p.w.t.Team
	p.ctx, p.seen, p.chosen = ctx, view.TeamView{}, map[string]bool{}
	p.servers, p.said, p.below = lines(), container.NewVBox(), container.NewVBox()
	p.name, p.address = w.entry("", t.NameHint), w.entry(p.link, t.Address)
	share := container.NewVBox(title(t.Share), muted(t.ShareSays), p.servers, muted(t.Name), p.name, container.NewHBox(w.button(t.Preview, p.share)))
	join := container.NewVBox(title(t.Join), p.zone(), p.address, container.NewHBox(w.button(t.Review, p.review)))
	if p.link != "" {
		p.said.Add(text(t.FromLink))
	}
	p.update(in)
	body := container.NewVBox(p.said, container.New(columns{1, 1}, share, join), widget.NewSeparator(), p.below)
	return container.NewBorder(container.NewVBox(heading(t.Page), widget.NewSeparator()), nil, nil, nil, container.NewVScroll(body))
}

// zone is where a profile is dropped, or got otherwise.
func (p *teamPage) zone() fyne.CanvasObject {
	w, t := p.w, &p.w.t.Team
	say := container.NewBorder(nil, nil, widget.NewIcon(theme.DownloadIcon()), nil, text(t.Drop))
	return box(theme.ColorNameInputBackground, container.NewVBox(say, container.NewHBox(w.quiet(t.Choose, p.choose), w.quiet(t.Paste, p.paste))))
}

func (p *teamPage) update(in view.Input) {
	v := view.TeamOf(in)
	if reflect.DeepEqual(v, p.seen) && len(p.below.Objects) > 0 {
		return
	}
	p.seen = v
	w, t := p.w, &p.w.t.Team
	p.servers.RemoveAll()
	if len(v.Servers) == 0 {
		p.servers.Add(muted(t.NoServers))
	}
	for _, name := range v.Servers {
		if _, known := p.chosen[name]; !known {
			p.chosen[name] = true
		}
		p.servers.Add(w.check(view.Name(name), p.chosen[name], func(on bool) { p.chosen[name] = on }))
	}
	p.below.RemoveAll()
	p.below.Add(title(t.Profiles))
	if len(v.Profiles) == 0 {
		p.below.Add(muted(t.None))
	}
	for _, row := range v.Profiles {
		p.below.Add(p.row(&row))
	}
	if len(v.Fixed) > 0 {
		p.below.Add(title(t.Fixed))
		fixed := lines()
		for _, s := range v.Fixed {
			fixed.Add(muted(s))
		}
		p.below.Add(fixed)
	}
	p.servers.Refresh()
	p.below.Refresh()
}

func (p *teamPage) row(r *view.ProfileRow) fyne.CanvasObject {
	w, t := p.w, &p.w.t.Team
	buttons := container.NewHBox()
	if r.Updates {
		buttons.Add(w.button(t.Update, func() { p.ask(local.ReviewRequest{Name: r.Name}) }))
	}
	buttons.Add(w.quiet(t.Forget, func() { p.forget(r) }))
	return container.NewBorder(nil, nil, nil, container.NewVBox(buttons), lines(short(r.Label), muted(r.Says)))
}

func (p *teamPage) forget(r *view.ProfileRow) {
	t := &p.w.t.Team
	q := view.Question{Title: fmt.Sprintf(t.ForgetAsk, r.Label), Text: []string{t.ForgetSay}, Button: t.Forget}
	p.w.confirm(q, nil, func(s *sheet) {
		s.askAgent(func(ctx context.Context, agent session.Desk) error {
			return agent.ForgetProfile(ctx, local.Name{Name: r.Name})
		}, nil)
	})
}

// say shows what became of the last thing that was asked for.
func (p *teamPage) say(what fyne.CanvasObject) {
	p.said.RemoveAll()
	if what != nil {
		p.said.Add(what)
	}
	p.said.Refresh()
}

func (p *teamPage) complain(err error) { p.say(p.w.problem(p.w.problemOf(err, ""))) }

// choose picks a profile's file.
func (p *teamPage) choose() {
	d := dialog.NewFileOpen(func(f fyne.URIReadCloser, err error) {
		if err != nil || f == nil {
			return
		}
		_ = f.Close() // it is opened again by its path
		p.read(f.URI().Path())
	}, p.w.win)
	d.Show()
}

// read reviews a profile's file.
func (p *teamPage) read(path string) {
	t := &p.w.t.Team
	f, err := os.Open(path)
	if err != nil {
		p.complain(hint.Wrap(errors.Unwrap(err), hint.Usage, t.Unread, t.UnreadDo))
		return
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	switch {
	case err != nil:
		p.complain(hint.Wrap(errors.Unwrap(err), hint.Usage, t.Unread, t.UnreadDo))
	case len(text) > maxProfile:
		p.complain(hint.New(hint.Usage, t.TooBig, ""))
	default:
		p.ask(local.ReviewRequest{Profile: text})
	}
}

// paste takes a profile, an address or a link from the clipboard. An address is
// only put into its field: what is asked over the network, the user asks for.
func (p *teamPage) paste() {
	text := strings.TrimSpace(p.w.o.App.Clipboard().Content())
	switch {
	case strings.HasPrefix(text, "{"):
		p.ask(local.ReviewRequest{Profile: []byte(text)})
	case strings.HasPrefix(text, "https://"), strings.HasPrefix(text, "keyporter:"):
		p.address.SetText(text)
	default:
		p.complain(hint.New(hint.Usage, p.w.t.Team.NothingIn, ""))
	}
}

// review looks at the address in the field.
func (p *teamPage) review() {
	if address := strings.TrimSpace(p.address.Text); address != "" {
		p.ask(local.ReviewRequest{URL: address})
	}
}

// ask gets a review and shows it.
func (p *teamPage) ask(r local.ReviewRequest) {
	p.say(container.NewHBox(widget.NewActivity(), muted(p.w.t.Window.Working)))
	get(p.ctx, p.w, func(ctx context.Context, agent session.Desk) (*local.Review, error) {
		return agent.ReviewProfile(ctx, r)
	}, func(review *local.Review, err error) {
		switch {
		case err != nil:
			p.complain(err)
		case review.Nothing:
			p.say(text(fmt.Sprintf(p.w.t.Team.UpToDate, view.Name(review.Name))))
		default:
			p.say(nil)
			p.w.showReview(review, func() { p.address.SetText("") })
		}
	})
}
