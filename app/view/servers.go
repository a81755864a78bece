package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

const (
	maxServers = 12 // more than this are not all shown at once
	recent     = 8  // how many of those that need nothing then are
	maxRows    = 50 // of a submenu; no screen has room for more
)

// servers adds a row with a submenu for each server. Of more than twelve it shows
// twelve that need the user and the eight used last. A row for all of them follows:
// with a submenu or, where that would not fit a screen, to the window's list. They
// stand in the order of s, by name.
func (b *builder) servers(s *local.State) {
	if len(s.Servers) == 0 {
		b.do("add", "", b.t.AddHint, Action{Verb: AddServer})
		return
	}
	if len(s.Servers) <= maxServers {
		for i := range s.Servers {
			b.items = append(b.items, b.server("server/", &s.Servers[i]))
		}
		return
	}
	top := b.foremost(s.Servers)
	all := Item{Key: "all", Text: b.t.AllServers, Enabled: true}
	fits := len(s.Servers) <= maxRows
	if !fits {
		all.Action = Action{Verb: AllOfThem}
	}
	for i := range s.Servers {
		sv := &s.Servers[i]
		if top[sv.Name] {
			b.items = append(b.items, b.server("server/", sv))
		}
		if fits {
			all.Items = append(all.Items, b.server("all/", sv))
		}
	}
	b.items = append(b.items, all)
}

// foremost returns the names of the first twelve servers that need the user or wait
// for the browser, and of the eight others used last.
func (b *builder) foremost(servers []local.ServerState) map[string]bool {
	top := map[string]bool{}
	var rest []*local.ServerState
	for i := range servers {
		sv := &servers[i]
		if c := b.in.condition(sv); c.needsUser() || c == signingIn {
			if len(top) < maxServers {
				top[sv.Name] = true
			}
		} else {
			rest = append(rest, sv)
		}
	}
	slices.SortStableFunc(rest, func(x, y *local.ServerState) int {
		return cmp.Or(y.LastUsed.Compare(x.LastUsed), strings.Compare(x.Name, y.Name))
	})
	for _, sv := range rest[:min(recent, len(rest))] {
		top[sv.Name] = true
	}
	return top
}

// server returns the row of one server.
func (b *builder) server(prefix string, sv *local.ServerState) Item {
	c := b.in.condition(sv)
	key := prefix + sv.Name
	sub := builder{in: b.in, t: b.t}
	sub.text(key+"/status", b.status(c, sv))
	// That a sign-in is missing, and where to do it, is what this menu says anyway.
	if p := cmp.Or(sv.Problem, b.in.Failed[sv.Name]); p != nil && c != ready && c != signingIn && p.Code != hint.SignInNeeded {
		sub.problem(key+"/problem", p)
	}
	sub.items = append(sub.items, Item{Key: key + "/line", Separator: true})
	if signsIn(sv) {
		switch c {
		case signingIn:
			sub.do(key+"/sign-in", "", b.t.Cancel, Action{CancelSignIn, sv.Name})
		case ready:
			sub.do(key+"/sign-in", "", b.t.SwitchUser, Action{SwitchUser, sv.Name})
		default:
			sub.do(key+"/sign-in", "", b.t.SignIn, Action{SignIn, sv.Name})
			sub.last().Enabled = c == signedOut || c == untried || c == broken || c == unreachable
		}
		sub.do(key+"/sign-out", "", b.t.SignOut, Action{SignOut, sv.Name})
		sub.last().Enabled = c == ready || c == unreachable
	}
	sub.do(key+"/copy", "", b.t.CopyConfig, Action{CopyConfig, sv.Name})
	sub.do(key+"/show", "", b.t.ShowServer, Action{Open, sv.Name})
	return Item{
		Key: key, Mark: c.mark(), Enabled: true, Items: sub.items,
		Text: fmt.Sprintf(b.t.Row, Name(sv.Name), b.beside(c, sv)),
	}
}

func (b *builder) last() *Item { return &b.items[len(b.items)-1] }

// signsIn reports whether a person signs in to the server, as far as is known.
func signsIn(sv *local.ServerState) bool {
	return sv.Kind == account.OAuth || sv.Kind == "" && sv.State != local.Ready
}

// beside returns what stands beside the server's name: who is signed in, or what
// is wrong.
func (b *builder) beside(c condition, sv *local.ServerState) string {
	if c == ready {
		return cmp.Or(b.identity(sv), b.t.ReadyWord)
	}
	return b.word(c)
}

func (b *builder) word(c condition) string {
	t := b.t
	switch c {
	case ready:
		return t.ReadyWord
	case untried:
		return t.Untried
	case signedOut:
		return t.SignedOut
	case signingIn:
		return t.Waiting
	case approvalNeeded:
		return t.NeedsApproval
	case lockedAway:
		return t.Locked
	case paused:
		return t.PausedOne
	case unreachable:
		return t.Unreachable
	}
	return t.Broken
}

// identity returns who is signed in, with the kind of account where it is not a
// person's.
func (b *builder) identity(sv *local.ServerState) string {
	id, kind := Name(sv.Identity), ""
	switch sv.Kind {
	case account.GoogleKey:
		kind = b.t.KindKey
	case account.ClientCredentials:
		kind = b.t.KindClient
	case account.Static:
		kind = b.t.KindStatic
	}
	if id == "" || kind == "" {
		return cmp.Or(id, kind)
	}
	return fmt.Sprintf(b.t.WithKind, id, kind)
}

// status returns the first line of the server's submenu: "Signed in as
// name@example.com · 42 min left", "Signed out 3 days ago".
func (b *builder) status(c condition, sv *local.ServerState) string {
	t, left := b.t, sv.ExpiresAt.Sub(b.in.Now)
	if c == signedOut && !sv.ExpiresAt.IsZero() && left < 0 {
		return sentence(fmt.Sprintf(t.SignedOutAgo, t.Ago(-left)))
	}
	if c != ready {
		return sentence(b.word(c))
	}
	who := b.identity(sv)
	switch {
	case sv.Kind == account.OAuth && who != "":
		who = fmt.Sprintf(t.SignedInAs, who)
	case sv.Kind == account.OAuth:
		who = t.SignedIn
	case who != "":
		who = fmt.Sprintf(t.Uses, who)
	default:
		who = sentence(t.ReadyWord)
	}
	if sv.ExpiresAt.IsZero() || left < 0 {
		return who
	}
	return fmt.Sprintf(t.Also, who, t.Left(left))
}

// sentence returns s with a capital at its start.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}
