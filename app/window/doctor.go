package window

import (
	"context"
	"os"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
	"keyporter/internal/report"
)

// doctorPage is the page Doctor. It looks when it is opened, and shows each check
// when it is there.
type doctorPage struct {
	w      *Window
	ctx    context.Context // for the life of the page
	checks []*local.Check
	busy   bool
	said   *widget.Label
	again  *button
	report *button
	body   *fyne.Container
}

func (p *doctorPage) of() view.Page { return view.PageDoctor }

func (p *doctorPage) open(ctx context.Context, _ view.Input) fyne.CanvasObject {
	t := &p.w.t.Doctor
	p.ctx, p.said, p.body = ctx, muted(""), container.NewVBox()
	p.again = p.w.button(t.Run, p.look)
	p.report = p.w.button(t.CopyReport, p.copyReport)
	p.report.Icon = theme.ContentCopyIcon()
	top := container.NewBorder(nil, nil, nil, container.NewHBox(p.report, p.again), heading(p.w.t.Window.Doctor))
	if p.checks == nil {
		p.look()
	} else {
		p.draw() // in another language
	}
	return container.NewBorder(container.NewVBox(top, p.said, widget.NewSeparator()), nil, nil, nil, container.NewVScroll(p.body))
}

func (p *doctorPage) update(view.Input) {}

// look makes the checks.
func (p *doctorPage) look() {
	if p.busy {
		return
	}
	p.busy, p.checks = true, []*local.Check{}
	p.draw()
	p.w.ask(p.ctx, func(ctx context.Context, agent session.Desk) error {
		return agent.Doctor(ctx, local.DoctorRequest{Version: p.w.o.Version}, func(c *local.Check) error {
			fyne.Do(func() {
				if p.ctx.Err() == nil {
					p.checks = append(p.checks, c)
					p.draw()
				}
			})
			return nil
		})
	}, func(err error) {
		p.busy = false
		p.draw()
		if err != nil {
			p.said.SetText("")
			p.body.Objects = append([]fyne.CanvasObject{p.w.problem(p.w.problemOf(err, ""))}, p.body.Objects...)
			p.body.Refresh()
		}
	})
}

func (p *doctorPage) draw() {
	t := p.w.t
	switch {
	case p.busy:
		p.said.SetText(t.Doctor.Looking)
		p.again.Disable()
		p.report.Disable()
	default:
		p.said.SetText(view.DoctorSays(t, p.checks))
		p.again.Enable()
		p.report.Enable()
	}
	p.body.RemoveAll()
	if len(p.checks) == 0 {
		p.body.Add(muted(t.Doctor.Intro))
	}
	for _, g := range view.DoctorOf(t, p.checks) {
		p.body.Add(title(g.Title))
		rows := container.NewVBox()
		for _, r := range g.Rows {
			rows.Add(p.row(r))
		}
		p.body.Add(rows)
	}
	p.body.Refresh()
}

// checkColumns are the widths of a check's sign, its name and what was seen.
var checkColumns = columns{-28, -150, 1}

func (p *doctorPage) row(r view.CheckRow) fyne.CanvasObject {
	seen := short(r.Seen)
	seen.Selectable = true
	if r.Mark == view.Resting {
		seen.Importance = widget.LowImportance
	}
	row := lines(container.New(checkColumns, sign(r.Mark), short(r.Title), seen))
	if r.Note != "" {
		row.Add(container.New(indent{}, muted(r.Note)))
	}
	if r.Problem == nil {
		return row
	}
	return container.NewVBox(row, container.New(indent{}, p.w.problem(*r.Problem)))
}

func (p *doctorPage) copyReport() {
	p.w.copy(report.Text(p.checks, p.w.o.Now(), os.Getenv))
	p.said.SetText(p.w.t.Doctor.Copied)
}
