package view

import (
	"cmp"
	"fmt"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// oldKey is the age from which on a key should be rotated.
const oldKey = 90 * day

// An AccountRow is one row of the page Accounts.
type AccountRow struct {
	Name    string // as it is
	Title   string
	Mark    Mark
	Kind    string
	Who     string   // the identity; may be empty
	Lines   []string // where its tokens may go, who uses it, its key, its expiry
	Old     string   // a warning; may be empty
	Rotate  bool
	SignOut bool
}

// AccountRows returns the rows of the page Accounts, by name.
func AccountRows(in Input) []AccountRow {
	if in.State == nil {
		return nil
	}
	rows := make([]AccountRow, len(in.State.Accounts))
	for i := range in.State.Accounts {
		rows[i] = accountRow(in, &in.State.Accounts[i])
	}
	return rows
}

func accountRow(in Input, a *local.AccountState) AccountRow {
	t := &in.Texts.Accounts
	r := AccountRow{Name: a.Name, Title: Name(a.Name), Kind: in.Texts.kind(a.Kind), Who: Name(a.Identity)}
	if r.Who == r.Title {
		r.Who = ""
	}
	r.Mark = in.condition(&local.ServerState{State: a.State, Problem: a.Problem}).mark()
	r.Lines = append(r.Lines, goes(t, a.Origins), usedBy(t, a.UsedBy))
	age := in.Now.Sub(a.AddedAt)
	var facts []string
	if !a.AddedAt.IsZero() {
		since := in.Texts.Ago(age)
		if a.Kind == account.GoogleKey && a.KeyID != "" {
			facts = append(facts, fmt.Sprintf(t.KeyEnds, Name(a.KeyID), since))
		} else {
			facts = append(facts, fmt.Sprintf(t.Added, since))
		}
	}
	if left := a.ExpiresAt.Sub(in.Now); !a.ExpiresAt.IsZero() && left >= 0 {
		facts = append(facts, fmt.Sprintf(t.Expires, in.Texts.Left(left)))
	}
	if len(facts) > 0 {
		r.Lines = append(r.Lines, strings.Join(facts, in.Texts.dot()))
	}
	r.Rotate = a.Kind == account.GoogleKey
	r.SignOut = (a.Kind == account.OAuth || a.Kind == account.Google) && a.State == local.Ready
	if r.Rotate && !a.AddedAt.IsZero() && age > oldKey {
		r.Old = t.Old
		if r.Mark == Good {
			r.Mark = Needs
		}
	}
	return r
}

// dot is what stands between two facts of a line.
func (t *Texts) dot() string {
	_, rest, _ := strings.Cut(t.Servers.Joined, "%s")
	between, _, _ := strings.Cut(rest, "%s")
	return between
}

// goes says where an account's tokens may go: two origins and how many more.
func goes(t *Accounts, origins []string) string {
	if len(origins) == 0 {
		return t.GoesNone
	}
	return fmt.Sprintf(t.GoesTo, some(t, origins, 2))
}

func usedBy(t *Accounts, servers []string) string {
	if len(servers) == 0 {
		return t.UsedNone
	}
	return fmt.Sprintf(t.UsedBy, some(t, servers, 3))
}

// some lists the first n names and how many more there are.
func some(t *Accounts, names []string, n int) string {
	var shown []string
	for _, s := range names[:min(n, len(names))] {
		shown = append(shown, Name(s))
	}
	text := strings.Join(shown, t.Comma)
	if more := len(names) - n; more > 0 {
		text += fmt.Sprintf(" +%d", more)
	}
	return text
}

// findAccount returns the account of that name, or nil.
func findAccount(s *local.State, name string) *local.AccountState {
	if s == nil {
		return nil
	}
	for i := range s.Accounts {
		if s.Accounts[i].Name == name {
			return &s.Accounts[i]
		}
	}
	return nil
}

// RemovalOf returns the question before an account is removed.
func RemovalOf(in Input, name string) Question {
	t := &in.Texts.Accounts
	q := Question{Title: fmt.Sprintf(t.RemoveTitle, Name(name)), Text: []string{t.RemoveText, t.RemoveNone}, Button: in.Texts.Window.Remove}
	if a := findAccount(in.State, name); a != nil && len(a.UsedBy) > 0 {
		q.Text[1] = fmt.Sprintf(t.RemoveStops, some(t, a.UsedBy, 12))
	}
	return q
}

// SignOutOf returns the question before an account is signed out.
func SignOutOf(in Input, name string) Question {
	t := &in.Texts.Accounts
	return Question{Title: fmt.Sprintf(t.OutTitle, Name(name)), Text: []string{t.OutText}, Button: in.Texts.Servers.SignOut}
}

// RotationOf returns the commands that make a new key for an account.
func RotationOf(in Input, name string) string {
	email := name
	if a := findAccount(in.State, name); a != nil {
		email = cmp.Or(a.Identity, name)
	}
	return fmt.Sprintf(in.Texts.Accounts.RotateDo, quoted(email), quoted(name))
}

// quoted makes a word safe to paste into a shell.
func quoted(s string) string {
	s = clean(s)
	if strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("@._-", r)
	}) < 0 && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
