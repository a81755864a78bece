package window

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"context"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// maxKey is how large a key file may be, in bytes; they have 2,400.
const maxKey = 64 << 10

// A keyFile is a service-account key on its way to the vault.
type keyFile struct {
	path   string
	email  string
	secret secret.Plain
}

// readKey reads a key file. Its errors hold nothing of the file.
func readKey(t *view.Accounts, path string) (*keyFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, hint.Wrap(errors.Unwrap(err), hint.Usage, t.Unread, t.UnreadDo)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil {
		return nil, hint.Wrap(errors.Unwrap(err), hint.Usage, t.Unread, t.UnreadDo)
	}
	if len(b) > maxKey {
		return nil, hint.New(hint.Usage, t.TooBig, t.NotAKeyDo)
	}
	var head struct {
		Type  string `json:"type"`
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
	}
	if json.Unmarshal(b, &head) != nil || head.Type != "service_account" || head.Email == "" || head.Key == "" {
		return nil, hint.New(hint.Usage, t.NotAKey, t.NotAKeyDo)
	}
	return &keyFile{path: path, email: head.Email, secret: secret.Plain{Value: secret.New(string(b))}}, nil
}

// A keyBox takes a key file: by a drop onto the window or by a file picker.
type keyBox struct {
	w       *Window
	s       *sheet
	key     *keyFile // nil: none yet
	content *fyne.Container
	taken   func() // may be nil
}

func (w *Window) keyBox(s *sheet, taken func()) *keyBox {
	b := &keyBox{w: w, s: s, content: container.NewStack(), taken: taken}
	s.drop = func(u fyne.URI) { b.take(u.Path()) }
	b.show(nil)
	return b
}

// show shows the drop zone, or whose key is there, and what went wrong.
func (b *keyBox) show(problem fyne.CanvasObject) {
	t := &b.w.t.Accounts
	say, mark := t.Drop, widget.NewIcon(theme.DownloadIcon())
	if b.key != nil {
		say, mark = fmt.Sprintf(t.KeyOf, view.Name(b.key.email)), sign(view.Good)
	}
	label := text(say)
	label.Alignment = fyne.TextAlignCenter
	inner := container.NewVBox(container.NewCenter(mark), label, container.NewCenter(b.w.button(t.Choose, b.pick)))
	all := container.NewVBox(box(colorDrop, container.NewPadded(inner)))
	if problem != nil {
		all.Add(problem)
	}
	b.content.Objects = []fyne.CanvasObject{all}
	b.s.relayout()
}

func (b *keyBox) pick() {
	d := dialog.NewFileOpen(func(r fyne.URIReadCloser, err error) {
		if err != nil || r == nil { // nil: cancelled
			return
		}
		path := r.URI().Path()
		if r.Close() == nil {
			b.take(path)
		}
	}, b.w.win)
	d.SetFilter(storage.NewExtensionFileFilter([]string{".json"}))
	d.Resize(fyne.NewSize(700, 460))
	d.SetOnClosed(func() { b.w.picker = nil })
	b.w.picker = d
	d.Show()
}

// take reads a file, elsewhere.
func (b *keyBox) take(path string) {
	t := &b.w.t.Accounts
	get(b.s.ctx, b.w, func(context.Context, session.Desk) (*keyFile, error) {
		return readKey(t, path)
	}, func(key *keyFile, err error) {
		b.key = key
		if err != nil {
			b.show(b.w.problem(b.w.problemOf(err, "")))
			return
		}
		b.show(nil)
		if b.taken != nil {
			b.taken()
		}
	})
}

// clear forgets the key.
func (b *keyBox) clear() { b.key = nil }

// offerDelete asks whether the file that a key came from is to be deleted; it is
// asked only after the agent read the key back from the vault.
func (w *Window) offerDelete(ctx context.Context, path string, done func()) fyne.CanvasObject {
	t := &w.t.Accounts
	said := text(t.InVault + "\n" + t.DeleteFile + "\n" + path)
	buttons := container.NewHBox()
	remove := w.button(t.Delete, func() {
		w.ask(ctx, func(context.Context, session.Desk) error { return os.Remove(path) }, func(err error) {
			if err != nil {
				said.SetText(t.NotDeleted + " " + strings.TrimSpace(path))
				return
			}
			buttons.Hide()
			said.SetText(t.Deleted)
			done()
		})
	})
	keep := w.button(t.Keep, func() {
		buttons.Hide()
		said.SetText(t.InVault)
		done()
	})
	buttons.Add(remove)
	buttons.Add(keep)
	return box(colorDrop, container.NewVBox(said, buttons))
}

// dropped takes files that were dropped onto the window.
func (w *Window) dropped(files []fyne.URI) {
	if len(files) == 0 {
		return
	}
	if n := len(w.sheets); n > 0 {
		if take := w.sheets[n-1].drop; take != nil {
			take(files[0])
		}
		return
	}
	if p, ok := w.page.(*teamPage); ok || strings.HasSuffix(files[0].Path(), profileSuffix) {
		if !ok {
			p = &teamPage{w: w}
			w.show(p)
		}
		p.read(files[0].Path())
		return
	}
	w.importKey("", files[0].Path())
}
