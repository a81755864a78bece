package window

import (
	"context"
	"fmt"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
)

// importKey opens the sheet that takes a key file into the vault. With rotate it
// becomes that account's new key. path is the file, if it is known.
func (w *Window) importKey(rotate, path string) {
	t := &w.t.Accounts
	name := t.ImportTitle
	if rotate != "" {
		name = fmt.Sprintf(t.RotateTitle, view.Name(rotate))
	}
	s := w.sheet(name, 540, 470)
	form := w.keyForm(s, "")
	how := fyne.CanvasObject(form.content)
	label := t.ImportDo
	if rotate != "" {
		how, label = w.rotation(rotate), t.RotateKeyDo
	}
	do := w.strong(label, nil)
	do.Disable()
	drop := w.keyBox(s, nil)
	drop.taken = func() {
		form.propose(drop.key)
		do.Enable()
	}
	s.closed = drop.clear
	do.OnTapped = func() {
		put := local.PutAccount{Name: rotate, Secret: drop.key.secret}
		if rotate == "" {
			put = form.put(drop.key)
		}
		w.putKey(s, put, rotate != "", drop.key.path)
	}
	s.enter(do, form.name, form.value)
	s.set(container.NewVBox(drop.content, how), w.button(w.t.Window.Cancel, s.close), do)
	if path != "" {
		drop.take(path)
	}
}

// rotation shows how to make a new key.
func (w *Window) rotation(name string) fyne.CanvasObject {
	t := &w.t.Accounts
	command := view.RotationOf(w.in, name)
	code := text(command)
	code.TextStyle.Monospace, code.Selectable = true, true
	return container.NewVBox(muted(t.RotateOne), box(colorDrop, code),
		container.NewHBox(w.button(t.CopyIt, func() { w.copy(command) })), muted(t.RotateTwo))
}

// putKey gives the key to the agent and then asks about the file it came from.
func (w *Window) putKey(s *sheet, put local.PutAccount, rotate bool, path string) {
	foot := s.foot.Objects
	s.buttons(muted(w.t.Window.Working))
	get(s.ctx, w, func(ctx context.Context, agent session.Desk) (*local.AccountState, error) {
		if rotate {
			return agent.RotateAccount(ctx, put)
		}
		return agent.AddAccount(ctx, put)
	}, func(got *local.AccountState, err error) {
		if err != nil {
			s.foot.Objects = foot
			s.complain(w.problemOf(err, ""))
			return
		}
		if s.closed != nil {
			s.closed()
		}
		if !got.Verified {
			s.close()
			return
		}
		s.set(w.offerDelete(s.ctx, path, func() {
			s.buttons(w.strong(w.t.Window.Done, s.close))
		}))
	})
}

// A keyForm asks what tokens a key is for.
type keyForm struct {
	w        *Window
	s        *sheet
	name     *entry
	kind     *selector
	value    *entry
	valueFor *fyne.Container
	content  *fyne.Container
	chosen   int // 0 ID token, 1 access token, 2 self-signed
}

// keyForm returns the form; audience is the one proposed.
func (w *Window) keyForm(s *sheet, audience string) *keyForm {
	t := &w.t.Accounts
	f := &keyForm{w: w, s: s, name: w.entry("", ""), value: w.entry(audience, "https://"), valueFor: container.NewVBox()}
	f.kind = w.selector([]string{t.TokenID, t.TokenAccess, t.TokenSelf}, 0, f.choose)
	f.content = container.NewVBox(container.New(facts{}, muted1(t.Name), f.name, muted1(t.Token), f.kind), f.valueFor)
	f.choose(0)
	return f
}

func (f *keyForm) choose(i int) {
	t := &f.w.t.Accounts
	f.chosen = i
	switch i {
	case 0:
		f.valueFor.Objects = []fyne.CanvasObject{muted(t.Audience), f.value, muted(t.AudienceFor)}
	case 1:
		f.valueFor.Objects = []fyne.CanvasObject{muted(t.Scopes), f.value}
	default:
		f.valueFor.Objects = nil
	}
	f.s.relayout()
}

// propose fills in a name from the key, unless one is there.
func (f *keyForm) propose(k *keyFile) {
	if f.name.Text == "" {
		base, _, _ := strings.Cut(k.email, "@")
		f.name.SetText(view.AccountNameFor(f.w.in, base))
	}
}

func (f *keyForm) put(k *keyFile) local.PutAccount {
	a := account.Account{Kind: account.GoogleKey}
	switch value := strings.TrimSpace(f.value.Text); f.chosen {
	case 0:
		a.Audience = value
	case 1:
		a.Scopes = strings.Fields(value)
	default:
		a.SelfSigned = true
	}
	return local.PutAccount{Name: strings.TrimSpace(f.name.Text), Account: a, Secret: k.secret}
}
