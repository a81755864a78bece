package window

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
)

// An actAsForm asks for a service account that is used without its key, and
// through which Google account.
type actAsForm struct {
	w       *Window
	s       *sheet
	email   *entry
	through []string // the last one of the choices is a new sign-in
	chosen  int
	client  *entry // of a new sign-in
	secret  *entry // the same
	value   *entry // the audience
	more    *fyne.Container
	content *fyne.Container
}

func (w *Window) actAsForm(a *adder) *actAsForm {
	t := &w.t.Add
	f := &actAsForm{w: w, s: a.s, through: view.ThroughAccounts(w.in), client: w.entry("", ""), secret: w.secretEntry(), value: w.entry(a.audience(), "https://"), more: container.NewVBox()}
	f.email = w.entry("", "name@project.iam.gserviceaccount.com")
	var choices []string
	for _, name := range f.through {
		choices = append(choices, view.Name(name))
	}
	choose := w.selector(append(choices, t.ThroughNew), 0, f.choose)
	f.content = container.NewVBox(
		container.New(facts{}, muted1(t.ActAs), f.email, muted1(w.t.Accounts.Audience), f.value, muted1(t.Through), choose), f.more, muted(t.ActAsNote))
	f.choose(0)
	return f
}

func (f *actAsForm) choose(i int) {
	t := &f.w.t.Add
	f.chosen, f.more.Objects = i, nil
	if f.isNew() {
		f.more.Objects = []fyne.CanvasObject{container.New(facts{}, muted1(t.ClientID), f.client, muted1(t.Secret), f.secret)}
	}
	f.s.relayout()
}

func (f *actAsForm) isNew() bool { return f.chosen >= len(f.through) }

// put returns the accounts that are to be made.
func (f *actAsForm) put() []local.PutAccount {
	var accounts []local.PutAccount
	through := ""
	if f.isNew() {
		through = view.AccountNameFor(f.w.in, "google")
		accounts = append(accounts, local.PutAccount{
			Name:    through,
			Account: account.Account{Kind: account.Google, ClientID: strings.TrimSpace(f.client.Text)},
			Secret:  secret.Plain{Value: secret.New(strings.TrimSpace(f.secret.Text))},
		})
	} else {
		through = f.through[f.chosen]
	}
	email := strings.TrimSpace(f.email.Text)
	base, _, _ := strings.Cut(email, "@")
	if account.CheckName(base) != nil {
		base = "service-account"
	}
	return append(accounts, local.PutAccount{
		Name: view.AccountNameFor(f.w.in, base),
		Account: account.Account{
			Kind: account.GoogleImpersonate, TargetPrincipal: email, Through: through, Audience: strings.TrimSpace(f.value.Text),
		},
	})
}
