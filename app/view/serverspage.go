package view

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"keyporter/broker/local"
)

// A ServerRow is one row of the page Servers.
type ServerRow struct {
	Name   string // as it is, for actions
	Title  string
	Host   string
	Mark   Mark
	Line   string // who and how long, or what is wrong
	Beside string // how many programs use it; may be empty
	Button string // may be empty
	Action Action // of Button
}

// ServerRows returns the rows of the page Servers: those that need the user
// first, else by name.
func ServerRows(in Input) []ServerRow {
	if in.State == nil {
		return nil
	}
	var need, rest []ServerRow
	for i := range in.State.Servers {
		row := serverRow(in, &in.State.Servers[i])
		if in.condition(&in.State.Servers[i]).needsUser() {
			need = append(need, row)
		} else {
			rest = append(rest, row)
		}
	}
	return append(need, rest...)
}

func serverRow(in Input, sv *local.ServerState) ServerRow {
	t, c := in.Texts, in.condition(sv)
	r := ServerRow{
		Name: sv.Name, Title: Name(sv.Name), Host: Name(host(sv.URL)),
		Mark: c.mark(), Line: serverLine(in, sv, c), Beside: t.programs(sv.Bridges),
	}
	switch {
	case c == signedOut, c == broken && signsIn(sv):
		r.Button, r.Action = t.Servers.SignIn, Action{SignIn, sv.Name}
	case c == signingIn:
		r.Button, r.Action = t.Servers.CancelIt, Action{CancelSignIn, sv.Name}
	case c == approvalNeeded:
		r.Button, r.Action = t.Servers.Approve, Action{Approve, sv.Name}
	}
	return r
}

// serverLine returns the second line of a row.
func serverLine(in Input, sv *local.ServerState, c condition) string {
	t := in.Texts
	switch c {
	case ready:
		b := builder{in: in, t: t}
		who := cmp.Or(b.identity(sv), t.Servers.ReadyLine)
		if life := lifetime(in, sv); life != "" {
			return fmt.Sprintf(t.Servers.Joined, who, life)
		}
		return who
	case untried:
		return t.Servers.UntriedLine
	case signedOut:
		return t.Servers.SignedOut
	case signingIn:
		return sentence(t.Waiting)
	case approvalNeeded:
		return t.Servers.Approval
	case lockedAway:
		return t.Servers.LockedLine
	case paused:
		return t.Servers.PausedLine
	case unreachable:
		return t.Servers.AwayLine
	}
	if p := cmp.Or(sv.Problem, in.Failed[sv.Name]); p != nil {
		if what, ok := t.told(p.What); ok {
			return line(what)
		}
	}
	return t.Servers.BrokenLine
}

// lifetime says how long the token lasts, or "" if there is nothing to say.
func lifetime(in Input, sv *local.ServerState) string {
	left := sv.ExpiresAt.Sub(in.Now)
	if sv.ExpiresAt.IsZero() || left < 0 {
		return ""
	}
	return in.Texts.Left(left)
}

// host returns the host of an address, with its port.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	return strings.TrimSuffix(u.Host, ":443")
}

// A Fact is one line of a server's page.
type Fact struct {
	Label string
	Text  string
	Exact string // the exact value, for those who want it; may be empty
}

// A ServerView is a server's page.
type ServerView struct {
	Row     ServerRow
	Facts   []Fact // state, token, programs, last use
	Address string
	Account string // in words; see AccountName
	// AccountName is the account as it is; empty: none.
	AccountName string
	Problem     *Problem
	SignOut     bool // somebody can be signed out
	Removal     Question
}

// A Question is a confirmation: what happens, and the button that does it.
type Question struct {
	Title  string
	Text   []string // paragraphs
	Button string
}

// ServerViewOf returns the page of a server; ok is false if it is not there.
func ServerViewOf(in Input, name string) (v ServerView, ok bool) {
	sv := findServer(in.State, name)
	if sv == nil {
		return ServerView{}, false
	}
	t, c := in.Texts, in.condition(sv)
	b := builder{in: in, t: t}
	v = ServerView{Row: serverRow(in, sv), Address: clip(clean(sv.URL), 200), AccountName: sv.Account}
	v.Account = t.Servers.NoAccount
	if sv.Account != "" {
		v.Account = fmt.Sprintf(t.Servers.Joined, Name(sv.Account), t.kind(sv.Kind))
	}
	// The window's font draws the middle dot of the menu without a width.
	v.Facts = append(v.Facts, Fact{Label: t.Servers.Status, Text: strings.ReplaceAll(b.status(c, sv), "·", "‧")})
	v.Facts = append(v.Facts, tokenFact(in, sv)...)
	used := Fact{Label: t.Servers.LastUsed, Text: t.Servers.NotUsed}
	if !sv.LastUsed.IsZero() {
		used.Text, used.Exact = t.Ago(in.Now.Sub(sv.LastUsed)), moment(sv.LastUsed)
	}
	v.Facts = append(v.Facts, used)
	if p := t.programs(sv.Bridges); p != "" {
		v.Facts = append(v.Facts, Fact{Label: t.Servers.Programs, Text: p})
	}
	if p := cmp.Or(sv.Problem, in.Failed[sv.Name]); p != nil && c != ready && c != signingIn {
		pr := ProblemOf(t, p, sv.Name)
		v.Problem = &pr
	}
	v.SignOut = signsIn(sv) && (c == ready || c == unreachable)
	v.Removal = Question{
		Title: fmt.Sprintf(t.Servers.RemoveTitle, Name(sv.Name)), Text: []string{t.Servers.RemoveText}, Button: t.Window.Remove,
	}
	if sv.Bridges > 0 {
		v.Removal.Text = append(v.Removal.Text, fmt.Sprintf(t.Servers.RemoveUsed, sv.Bridges))
	}
	return v, true
}

// tokenFact says how long the token in use lasts.
func tokenFact(in Input, sv *local.ServerState) []Fact {
	t := in.Texts
	life := lifetime(in, sv)
	if life == "" {
		return nil
	}
	f := Fact{Label: t.Servers.Expires, Text: life, Exact: moment(sv.ExpiresAt)}
	if sv.Renews {
		f.Text = fmt.Sprintf(t.Servers.Joined, life, t.Servers.Renewed)
	}
	return []Fact{f}
}

// ApprovalOf returns the question whether an account's tokens may go to a server.
func ApprovalOf(in Input, name string) (q Question, ok bool) {
	sv := findServer(in.State, name)
	if sv == nil {
		return Question{}, false
	}
	t := in.Texts
	return Question{
		Title:  fmt.Sprintf(t.ApprovalFor, Name(name)),
		Text:   []string{fmt.Sprintf(t.Servers.Approved, Name(cmp.Or(sv.Account, sv.Name)), clip(clean(sv.URL), 200))},
		Button: strings.TrimSuffix(t.Servers.Approve, "…"),
	}, true
}
