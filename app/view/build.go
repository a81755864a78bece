package view

import (
	"fmt"
	"strconv"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// Build returns the tray's menu: what needs the user first, then the servers,
// then what concerns the whole. Every row works, or is visibly off, when the
// network or the agent is not there.
func Build(in Input) Menu {
	b := builder{in: in, t: in.Texts}
	b.text("header", fmt.Sprintf(b.t.Title, b.headline()))
	b.line()
	if s := in.State; s != nil {
		b.needs(s)
		b.line()
		b.servers(s)
	} else if p := in.Problem; p != nil {
		b.problem("agent", p)
	}
	b.line()
	b.whole()
	return Menu{Items: b.items}
}

// A builder collects the rows of one menu.
type builder struct {
	in    Input
	t     *Texts
	items []Item
	lines int
}

// text adds a row that only says something.
func (b *builder) text(key, text string) { b.items = append(b.items, Item{Key: key, Text: text}) }

func (b *builder) do(key string, mark Mark, text string, a Action) {
	b.items = append(b.items, Item{Key: key, Mark: mark, Text: text, Enabled: true, Action: a})
}

// line adds a separator unless one stands there already.
func (b *builder) line() {
	if n := len(b.items); n > 0 && !b.items[n-1].Separator {
		b.lines++
		b.items = append(b.items, Item{Key: "line/" + strconv.Itoa(b.lines), Separator: true})
	}
}

// problem adds the sentences of p.
func (b *builder) problem(key string, p *hint.Error) {
	b.text(key+"/what", line(b.t.hint(p.What)))
	if p.Do != "" {
		b.text(key+"/do", line(b.t.hint(p.Do)))
	}
}

func (b *builder) headline() string {
	s, t := b.in.State, b.t
	switch {
	case s == nil && b.in.Problem == nil:
		return t.Connecting
	case s == nil && b.in.Problem.Code == hint.Stopped, s != nil && s.Stopped:
		return t.Stopped
	case s == nil:
		return t.NoAgent
	case s.Paused:
		return t.PausedAll
	case locked(s):
		return t.LockedAll
	case len(s.Servers) == 0:
		return t.NoServers
	}
	need, busy := 0, false
	for i := range s.Servers {
		c := b.in.condition(&s.Servers[i])
		if c.needsUser() {
			need++
		}
		busy = busy || c == signingIn
	}
	switch {
	case need == 0 && waits(s):
		return t.NeedAnswer
	case need == 1:
		return t.NeedOne
	case need > 1:
		return fmt.Sprintf(t.NeedMany, need)
	case busy:
		return t.SigningIn
	}
	if lost := LostBy(s); len(lost) > 0 {
		return fmt.Sprintf(t.Clients.Forgot, Name(lost[0].Program))
	}
	return t.AllReady
}

// needs adds what waits for the user. Of the servers it names the first twelve; the
// headline counts them all.
func (b *builder) needs(s *local.State) {
	if s.Problem != nil {
		b.problem("problem", s.Problem)
	}
	if locked(s) && !s.Paused {
		b.unlock(s)
	}
	b.approvals(s)
	named := len(b.items) + maxServers
	for i := range s.Servers {
		if len(b.items) == named {
			break
		}
		sv := &s.Servers[i]
		key, name := "need/"+sv.Name, Name(sv.Name)
		switch c := b.in.condition(sv); c {
		case signedOut:
			b.do(key, Needs, fmt.Sprintf(b.t.SignInTo, name), Action{SignIn, sv.Name})
		case signingIn:
			b.do(key, Working, fmt.Sprintf(b.t.WaitingFor, name), Action{CancelSignIn, sv.Name})
		case approvalNeeded:
			b.items = append(b.items, Item{Key: key, Mark: Needs, Text: fmt.Sprintf(b.t.ApprovalFor, name)})
		case broken:
			b.items = append(b.items, Item{Key: key, Mark: Needs, Text: fmt.Sprintf(b.t.BrokenRow, name)})
		}
	}
	for _, n := range LostBy(s) {
		b.do("lost/"+n.Client, Needs, fmt.Sprintf(b.t.Clients.ForgotRow, Name(n.Program)), Action{RepairClient, n.Client})
	}
}

// approvals adds the programs that wait for an answer. It takes a second choice, so
// that a click which missed allows nothing.
func (b *builder) approvals(s *local.State) {
	for i := range s.Approvals {
		a := &s.Approvals[i]
		if a.State != local.ApprovalWaiting {
			continue
		}
		key := "approval/" + a.ID
		who := fmt.Sprintf(b.t.NoticeBy, Path(a.Program))
		if as := Name(a.Identity); as != "" {
			who = fmt.Sprintf(b.t.AsksAs, Path(a.Program), as)
		}
		b.items = append(b.items, Item{Key: key, Mark: Needs, Text: fmt.Sprintf(b.t.AsksTitle, b.t.wanted(a.Name())), Enabled: true, Items: []Item{
			{Key: key + "/who", Text: who},
			{Key: key + "/line", Separator: true},
			{Key: key + "/deny", Text: b.t.Deny, Enabled: true, Action: Action{Deny, a.ID}},
			{Key: key + "/allow", Text: b.t.Allow, Enabled: true, Action: Action{Allow, a.ID}},
		}})
	}
}

// unlock adds the row that opens the vault. The keyring asks the user by itself;
// a passphrase is not typed into a menu, so the problem's words say where.
func (b *builder) unlock(s *local.State) {
	if s.Vault.Problem != nil {
		b.problem("vault", s.Vault.Problem)
	}
	if s.Vault.Backend == "keyring" {
		b.do("unlock", Needs, b.t.UnlockVault, Action{Verb: Unlock})
	}
}

// whole adds the rows at the end.
func (b *builder) whole() {
	s := b.in.State
	switch {
	case s == nil && b.in.Problem != nil || s != nil && s.Stopped:
		b.do("start", "", b.t.StartAgent, Action{Verb: Start})
	case s == nil:
	case s.Paused:
		b.do("pause", "", b.t.ResumeAll, Action{Verb: Resume})
	default:
		b.do("pause", "", b.t.PauseAll, Action{Verb: Pause})
	}
	b.do("open", "", b.t.OpenWindow, Action{Verb: Open})
	b.do("quit", "", b.t.Quit, Action{Verb: Quit})
}
