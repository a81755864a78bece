package window

import (
	"context"
	"sync"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
)

// activityGap is the least time between two drawings of the page, however many
// calls there are.
const activityGap = 250 * time.Millisecond

// listedCalls is how many rows the list has at most.
const listedCalls = 2000

// activityPage is the chart of calls and the live list.
type activityPage struct {
	w   *Window
	ctx context.Context // for the life of the page

	mu     sync.Mutex // guards what the log's goroutine fills
	counts view.Counts
	calls  view.Calls
	there  map[local.AuditRecord]int // records that a log read again shows once more
	due    bool                      // a drawing is on its way
	broken bool                      // the log ended, for the UI goroutine

	span   view.Span
	spans  map[view.Span]*button
	chart  *chart
	about  *widget.Label // the title of the chart, or what the pointer is on
	filter string
	paused bool
	pause  *button
	rows   []local.AuditRecord
	list   *list
	note   *widget.Label
	said   *fyne.Container
}

func (p *activityPage) of() view.Page { return view.PageActivity }

func (p *activityPage) open(ctx context.Context, _ view.Input) fyne.CanvasObject {
	w, t := p.w, &p.w.t.Activity
	p.ctx, p.paused, p.filter, p.rows = ctx, false, "", nil
	if p.span == "" {
		p.span = view.LastHour
	}
	p.about, p.note, p.said = short(""), muted(t.Empty), container.NewVBox()
	p.note.Alignment = fyne.TextAlignCenter
	p.about.Importance = widget.LowImportance
	p.chart = newChart(w.t, func(s string) { p.about.SetText(s) })
	p.spans = map[view.Span]*button{}
	spans := container.NewHBox()
	for _, s := range view.Spans {
		p.spans[s] = w.button(s.Label(w.t), func() { p.choose(s) })
		spans.Add(p.spans[s])
	}
	find := w.entry("", t.Find)
	find.OnChanged = func(s string) { p.filter = s; p.draw(true) }
	p.pause = w.button(t.Pause, p.togglePause)
	p.list = w.list(func() int { return len(p.rows) }, func() fyne.CanvasObject { return newCallItem() }, func(i int, o fyne.CanvasObject) {
		o.(*callItem).show(view.CallRowOf(w.t, &p.rows[i]))
	})
	p.list.HideSeparators = true
	p.list.OnSelected = func(int) { p.list.UnselectAll() }
	top := container.NewVBox(container.NewBorder(nil, nil, nil, spans, heading(w.t.Window.Activity)), widget.NewSeparator(),
		p.about, p.chart, container.NewBorder(nil, nil, nil, p.pause, find), p.said)
	p.counts, p.calls = view.Counts{}, view.Calls{}
	p.choose(p.span)
	p.follow()
	return container.NewBorder(top, nil, nil, nil, container.NewStack(p.list, container.NewCenter(container.New(fixedWidth(470), p.note))))
}

// logPause is how long a log that broke off is left alone while the agent seems to
// be there.
const logPause = 2 * time.Second

// update takes a log that broke off up again, once there is an agent.
func (p *activityPage) update(in view.Input) {
	if p.broken && in.State != nil {
		p.follow()
	}
}

// follow reads the log while the page is open, from where it broke off. The agent
// may have ended in between; what bridges did meanwhile they hand to the next one.
func (p *activityPage) follow() {
	p.broken = false
	p.say(nil)
	p.mu.Lock()
	var since time.Time
	since, p.there = p.calls.Since()
	p.mu.Unlock()
	p.w.ask(p.ctx, func(ctx context.Context, agent session.Desk) error {
		return agent.Log(ctx, local.LogRequest{Follow: true, Since: since}, func(r *local.AuditRecord) error {
			p.take(r)
			return nil
		})
	}, p.ended)
}

// ended says why the log ended. The state that comes with the next agent takes it
// up again; if that has come already, a pause does.
func (p *activityPage) ended(err error) {
	p.broken = true
	p.say(err)
	p.w.o.After(logPause, func() {
		fyne.Do(func() {
			if p.ctx.Err() == nil {
				p.update(p.w.in)
			}
		})
	})
}

// say shows a problem above the list, or that there is none.
func (p *activityPage) say(err error) {
	p.said.RemoveAll()
	if err != nil {
		p.said.Add(p.w.problem(p.w.problemOf(err, "")))
	}
}

// take takes a record on the log's goroutine. Records that come together are
// drawn together.
func (p *activityPage) take(r *local.AuditRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := view.SameRecord(r); p.there[k] > 0 {
		p.there[k]--
		return
	}
	p.counts.Add(r)
	p.calls.Add(r)
	if p.due {
		return
	}
	p.due = true
	p.w.o.After(activityGap, func() {
		fyne.Do(func() {
			p.mu.Lock()
			p.due = false
			p.mu.Unlock()
			if p.ctx.Err() == nil {
				p.draw(false)
			}
		})
	})
}

// draw shows the chart, and the list unless it is paused. With anew the list
// starts at its top again.
func (p *activityPage) draw(anew bool) {
	t := p.w.t
	p.mu.Lock()
	c := p.counts.ChartOf(t, p.span, p.w.o.Now())
	var rows []local.AuditRecord
	if !p.paused || anew {
		rows = p.calls.Newest(t, p.filter, listedCalls)
	}
	p.mu.Unlock()
	if p.chart.show(c) {
		p.about.SetText(c.Title)
	}
	if p.paused && !anew {
		return
	}
	p.place(rows, anew)
	p.note.Hidden = len(rows) > 0
	if p.note.SetText(t.Activity.Empty); p.filter != "" {
		p.note.SetText(t.Activity.None)
	}
}

// place shows rows in the list. New ones stand above; a list that was scrolled
// keeps the same rows in sight.
func (p *activityPage) place(rows []local.AuditRecord, anew bool) {
	offset, old := p.list.GetScrollOffset(), p.rows
	p.rows = rows
	p.list.Refresh()
	switch {
	case anew:
		p.list.ScrollToTop()
	case offset > 0 && len(old) > 0:
		p.list.ScrollToOffset(offset + float32(newer(rows, &old[0]))*p.rowHeight())
	}
}

// newer returns how many rows stand before what was the first one.
func newer(rows []local.AuditRecord, first *local.AuditRecord) int {
	for i := range rows {
		if rows[i] == *first {
			return i
		}
	}
	return 0
}

// rowHeight is the height of a row with the gap to the next one.
func (p *activityPage) rowHeight() float32 {
	return newCallItem().MinSize().Height + p.list.Theme().Size("padding")
}

func (p *activityPage) choose(s view.Span) {
	p.span = s
	for name, b := range p.spans {
		if b.Importance = widget.MediumImportance; name == s {
			b.Importance = widget.HighImportance
		}
		b.Refresh()
	}
	p.draw(false)
}

func (p *activityPage) togglePause() {
	p.paused = !p.paused
	if p.pause.SetText(p.w.t.Activity.Pause); p.paused {
		p.pause.SetText(p.w.t.Activity.Go)
	}
	p.draw(false)
}
