package window

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/local"
)

// rawKeys is the section of the page Clients on secrets that stand in the clear.
type rawKeys struct {
	w       *Window
	ctx     context.Context // of the page
	changed func()          // the clients' files were
	body    *fyne.Container
}

func newRawKeys(w *Window, ctx context.Context, changed func()) *rawKeys {
	k := &rawKeys{w: w, ctx: ctx, changed: changed, body: container.NewVBox()}
	k.load()
	return k
}

// load looks into the files, and shows what stands there.
func (k *rawKeys) load() {
	k.scan(k.ctx, local.ScanLook, func(s *local.Scanned, err error) {
		if err == nil { // else the page says already that there is no agent
			k.show(s)
		}
	})
}

func (k *rawKeys) scan(ctx context.Context, action local.ScanAction, done func(*local.Scanned, error)) {
	get(ctx, k.w, func(ctx context.Context, agent session.Desk) (*local.Scanned, error) {
		return agent.Scan(ctx, local.ScanRequest{Action: action})
	}, done)
}

func (k *rawKeys) show(s *local.Scanned) {
	t, v := &k.w.t.Keys, view.RawKeysOf(k.w.in, s)
	k.body.Objects = []fyne.CanvasObject{title(t.Title), muted(t.About)}
	says := container.NewBorder(nil, nil, container.NewCenter(sign(v.Mark)), nil, short(v.Says))
	if v.Move {
		says = container.NewBorder(nil, nil, container.NewCenter(sign(v.Mark)), k.w.strong(t.Move, k.ask), short(v.Says))
	}
	k.body.Add(says)
	for _, r := range v.Rows {
		file := short(r.File)
		file.Importance = widget.LowImportance
		row := lines(short(r.Title))
		if r.Line != "" {
			row.Add(short(r.Line))
		}
		row.Add(file)
		k.body.Add(container.New(indent{}, row))
	}
	if v.Undo != "" {
		k.body.Add(container.NewBorder(nil, nil, nil, k.w.button(t.PutBack, func() { k.act(local.ScanUndo) }), muted1(v.Undo)))
	}
	k.body.Refresh()
}

// ask says what a move does before it is done.
func (k *rawKeys) ask() {
	t := &k.w.t.Keys
	s := k.w.sheet(t.AskTitle, 480, 260)
	move := k.w.strong(t.Move, func() {
		s.close()
		k.act(local.ScanFix)
	})
	s.set(text(t.Ask), k.w.button(k.w.t.Window.Cancel, s.close), move)
	s.focus(move)
}

// act moves the keys, or puts them back, and says what became of it.
func (k *rawKeys) act(action local.ScanAction) {
	s := k.w.sheet(k.w.t.Keys.Title, 480, 320)
	s.set(container.NewVBox(muted(k.w.t.Window.Working)), widget.NewActivity())
	k.scan(s.ctx, action, func(found *local.Scanned, err error) {
		body := container.NewVBox()
		switch {
		case err != nil:
			body.Add(k.w.problem(k.w.problemOf(err, "")))
		default:
			for _, says := range view.RawKeysMoved(k.w.in, found) {
				body.Add(text(says))
			}
			for _, p := range found.Problems {
				body.Add(k.w.problem(k.w.problemOf(p, "")))
			}
			body.Add(muted(k.w.t.Keys.Again))
		}
		ok := k.w.strong(k.w.t.Window.Close, s.close)
		s.set(body, ok)
		s.focus(ok)
		k.load()
		k.changed()
	})
}
