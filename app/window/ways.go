package window

import (
	"fmt"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// wayInputs are what a way to get in asks for.
type wayInputs struct {
	content fyne.CanvasObject // nil: nothing
	start   fyne.Focusable    // what is filled in first; nil: nothing
	first   *entry            // a token's header, or a client id
	secret  *entry            // a token or a client secret
	key     *keyBox
	form    *keyForm
	actAs   *actAsForm
}

// clear takes secrets out of the entries.
func (i *wayInputs) clear() {
	if i.secret != nil {
		i.secret.SetText("")
	}
	if i.key != nil {
		i.key.clear()
	}
	if i.actAs != nil {
		i.actAs.secret.SetText("")
	}
}

// inputsOf returns the entries that a way needs.
func (a *adder) inputsOf(way view.Way) wayInputs {
	w, t := a.w, &a.w.t.Add
	var in wayInputs
	switch way.Kind {
	case view.WayAccount:
		in.content = muted(fmt.Sprintf(t.BindText, view.Name(way.Account), view.OriginOf(a.address.Text)))
	case view.WayToken:
		in.secret, in.first = w.secretEntry(), w.entry("", "X-API-Key")
		in.start, in.secret.OnSubmitted = in.secret, func(string) { a.add() }
		in.content = container.NewVBox(container.New(facts{}, muted1(t.TokenEntry), in.secret, muted1(t.TokenHeader), in.first), muted(t.SecretNote))
	case view.WayClient:
		in.first, in.secret = w.entry("", ""), w.secretEntry()
		in.start, in.secret.OnSubmitted = in.first, func(string) { a.add() }
		in.content = container.NewVBox(container.New(facts{}, muted1(t.ClientID), in.first, muted1(t.Secret), in.secret), muted(t.SecretNote))
	case view.WayKey:
		in.form = w.keyForm(a.s, a.audience())
		in.key = w.keyBox(a.s, nil)
		form, key := in.form, in.key
		key.taken = func() { form.propose(key.key) }
		in.content = container.NewVBox(in.key.content, in.form.content)
	case view.WayActAs:
		in.actAs = w.actAsForm(a)
		in.start, in.content = in.actAs.email, in.actAs.content
	}
	return in
}

// audience is the one that the server's ID tokens most likely need.
func (a *adder) audience() string {
	if a.probed != nil && a.probed.Audience != "" {
		return a.probed.Audience
	}
	return view.OriginOf(a.address.Text)
}

// put returns what is to be added: the server, and the accounts that are made, in
// their order; the last one is the server's.
func (i *wayInputs) put(a *adder, way view.Way) (*local.PutServer, []local.PutAccount, error) {
	name := strings.TrimSpace(a.name.Text)
	s := &local.PutServer{Name: name, Server: account.Server{URL: strings.TrimSpace(a.address.Text)}}
	var accounts []local.PutAccount
	switch way.Kind {
	case view.WayAccount:
		s.Server.Account, s.Bind = way.Account, true
	case view.WayToken:
		accounts = []local.PutAccount{{
			Name:    view.AccountNameFor(a.w.in, name),
			Account: account.Account{Kind: account.Static, Header: strings.TrimSpace(i.first.Text)},
			Secret:  secret.Plain{Value: secret.New(strings.TrimSpace(i.secret.Text))},
		}}
	case view.WayClient:
		s.Server.ClientID = strings.TrimSpace(i.first.Text)
		if i.secret.Text != "" {
			s.ClientSecret = &secret.Plain{Value: secret.New(strings.TrimSpace(i.secret.Text))}
		}
	case view.WayKey:
		if i.key.key == nil {
			return nil, nil, hint.New(hint.Usage, a.w.t.Accounts.NoKey, a.w.t.Accounts.NotAKeyDo)
		}
		accounts = []local.PutAccount{i.form.put(i.key.key)}
	case view.WayActAs:
		accounts = i.actAs.put()
	}
	if n := len(accounts); n > 0 {
		s.Server.Account, s.Bind = accounts[n-1].Name, true
	}
	return s, accounts, nil
}
