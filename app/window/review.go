package window

import (
	"context"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
)

// showReview shows all that joining a profile would do. It can be agreed to when
// each of the concerns is.
func (w *Window) showReview(r *local.Review, joined func()) {
	t := &w.t.Team
	v := view.ReviewOf(w.t, r)
	s := w.sheet(v.Title, 640, 520)
	about := lines()
	for _, line := range v.About {
		about.Add(muted(line))
	}
	changes := container.NewVBox()
	for _, c := range v.Changes {
		details := lines()
		for _, d := range c.Details {
			details.Add(muted(d))
		}
		changes.Add(lines(title(c.Line), container.New(indent{}, details)))
	}
	req := local.JoinRequest{Profile: r.Profile, URL: r.URL, ETag: r.ETag, Digest: r.Digest, Agreed: len(r.Concerns) > 0}
	join := w.strong(t.JoinIt, nil)
	body := container.NewVBox(about)
	if len(v.Concerns) > 0 {
		join.Disable()
		body.Add(w.concerns(v.Concerns, join))
	}
	trust := func() string { return "" }
	if v.Trust {
		var field fyne.CanvasObject
		field, trust = w.trust()
		body.Add(field)
	}
	body.Add(widget.NewSeparator())
	body.Add(changes)
	join.OnTapped = func() {
		req.Trust = trust()
		s.askAgent(func(ctx context.Context, agent session.Desk) error {
			_, err := agent.JoinProfile(ctx, req)
			return err
		}, joined)
	}
	no := w.button(w.t.Window.Cancel, s.close)
	s.set(body, no, join)
	s.focus(no)
}

// concerns lets each be agreed to by itself; with all of them the button works.
func (w *Window) concerns(list []string, join *button) fyne.CanvasObject {
	left := len(list)
	all := container.NewVBox(text(w.t.Team.Careful))
	for _, c := range list {
		agree := w.check(w.t.Team.Agree, false, func(on bool) {
			if left++; on {
				left -= 2
			}
			if left == 0 {
				join.Enable()
			} else {
				join.Disable()
			}
		})
		all.Add(lines(container.NewBorder(nil, nil, sign(view.Needs), nil, text(c)), container.New(indent{}, agree)))
	}
	return box(theme.ColorNameInputBackground, all)
}

// trust asks whether the key that signed is known from now on, and as whose.
func (w *Window) trust() (fyne.CanvasObject, func() string) {
	name := w.entry("", "lead@example.com")
	name.Disable()
	compared := w.check(w.t.Team.Trust, false, func(on bool) {
		if on {
			name.Enable()
		} else {
			name.Disable()
		}
	})
	return container.NewVBox(compared, name), func() string {
		if !compared.Checked {
			return ""
		}
		return strings.TrimSpace(name.Text)
	}
}
