package team

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// A Plan is what joining a profile does to a configuration: to entries that came
// from a profile of its name, and to nothing else. A name that something else has
// is left to it; the profile's entry gets a number.
type Plan struct {
	Changes  []local.ProfileChange
	Servers  map[string]*account.Server  // as they are to be; nil: removed
	Accounts map[string]*account.Account // the same
	Local    map[string]string           // by the name of an account in the profile: its name here
}

// PlanOf compares a profile with a configuration, which stays as it is.
func (p *Profile) PlanOf(cfg *account.Config) *Plan {
	plan := &Plan{Servers: map[string]*account.Server{}, Accounts: map[string]*account.Account{}}
	accounts := map[string]*account.TeamMark{}
	for name, a := range cfg.Accounts {
		accounts[name] = a.Team
	}
	servers := map[string]*account.TeamMark{}
	for name, s := range cfg.Servers {
		servers[name] = s.Team
	}
	plan.Local = p.localNames(accounts, p.AccountNames())
	for _, name := range p.AccountNames() {
		plan.account(p, cfg, name)
	}
	serverNames := p.localNames(servers, p.ServerNames())
	for _, name := range p.ServerNames() {
		plan.server(p, cfg, name, serverNames[name])
	}
	plan.leave(p, cfg, serverNames)
	return plan
}

// localNames returns, by the name in the profile, the name here: of the entry
// that came from there, or a free one. marks are those of the entries that there
// are, by their name.
func (p *Profile) localNames(marks map[string]*account.TeamMark, names []string) map[string]string {
	here, taken := map[string]string{}, maps.Clone(marks)
	for _, local := range slices.Sorted(maps.Keys(marks)) {
		if m := marks[local]; m != nil && m.Profile == p.Name && slices.Contains(names, m.Name) && here[m.Name] == "" {
			here[m.Name] = local
		}
	}
	for _, name := range names {
		if here[name] != "" {
			continue
		}
		free := name
		for n := 2; ; n++ {
			if _, used := taken[free]; !used && account.CheckName(free) == nil {
				break
			}
			number := fmt.Sprintf("-%d", n)
			base := []rune(name)
			free = strings.TrimRight(string(base[:min(len(base), 64-len(number))]), " ._-") + number
		}
		here[name], taken[free] = free, nil
	}
	return here
}

// account plans one account of the profile.
func (plan *Plan) account(p *Profile, cfg *account.Config, name string) {
	template := *p.Accounts[name]
	template.Through, template.SecretThrough = plan.Local[template.Through], plan.Local[template.SecretThrough]
	here := plan.Local[name]
	old := cfg.Accounts[here]
	now := &account.Account{}
	var had members
	var mark *account.TeamMark
	if old != nil {
		had, mark = pick(old, nil), old.Team
	}
	set := AccountMembers(&template)
	merge(now, had, mark, set)
	now.Name, now.Team = here, p.mark(name, set)
	plan.Accounts[here] = now
	change := compare(had, pick(now, nil), here, name)
	change.Account = true
	plan.note(change)
}

// server plans one server of the profile.
func (plan *Plan) server(p *Profile, cfg *account.Config, name, here string) {
	template := *p.Servers[name]
	template.Account = plan.Local[template.Account]
	template.AlsoAccounts = maps.Clone(template.AlsoAccounts)
	for header, a := range template.AlsoAccounts {
		template.AlsoAccounts[header] = plan.Local[a]
	}
	old := cfg.Servers[here]
	now := &account.Server{}
	var had members
	var mark *account.TeamMark
	if old != nil {
		had, mark = pick(old, nil), old.Team
	}
	set := ServerMembers(&template)
	merge(now, had, mark, set)
	now.Name, now.Team = here, p.mark(name, set)
	plan.Servers[here] = now
	change := compare(had, pick(now, nil), here, name)
	switch {
	case change.Op != local.Added:
	case len(now.SecretHeaders) > 0:
		change.Needs = local.OwnSecret
	case now.Account == "" && len(now.AlsoAccounts) == 0:
		change.Needs = local.NeedsSignIn
	}
	plan.note(change)
}

func (p *Profile) mark(name string, set members) *account.TeamMark {
	return &account.TeamMark{Profile: p.Name, Name: name, Members: slices.Sorted(maps.Keys(set))}
}

// merge fills now: with what was there, without what an earlier version of the
// profile said, and with what this one says.
func merge(now any, had members, mark *account.TeamMark, set members) {
	m := maps.Clone(had)
	if m == nil {
		m = members{}
	}
	if mark != nil {
		for _, name := range mark.Members {
			delete(m, name)
		}
	}
	maps.Copy(m, set)
	if err := m.into(now); err != nil {
		panic("team: members of a record are not members of a record: " + err.Error())
	}
}

// compare returns the change from one to the other; had is nil for a new entry.
func compare(had, now members, here, name string) local.ProfileChange {
	c := local.ProfileChange{Op: local.Changed, Name: here}
	if had == nil {
		c.Op = local.Added
	}
	if here != name {
		c.As = name
	}
	for _, n := range inOrder(had, now) {
		if was, is := text(had[n]), text(now[n]); was != is && n != "team" {
			c.Members = append(c.Members, local.MemberChange{Name: n, Old: was, New: is})
		}
	}
	return c
}

// inOrder returns the names of both, as people expect them: where, who, the rest.
func inOrder(a, b members) []string {
	order := append([]string{"kind"}, serverMembers...)
	rank := func(n string) int {
		if i := slices.Index(order, n); i >= 0 {
			return i
		}
		return len(order)
	}
	all := maps.Clone(b)
	maps.Copy(all, a)
	names := slices.Sorted(maps.Keys(all))
	slices.SortStableFunc(names, func(x, y string) int { return rank(x) - rank(y) })
	return names
}

// text is a member's value for people: a text as it is, a list with spaces, the
// rest as JSON.
func text(raw []byte) string {
	var list []string
	if json.Unmarshal(raw, &list) == nil && list != nil {
		return strings.Join(list, " ")
	}
	if s := text1(raw); s != "" || len(raw) == 0 {
		return s
	}
	return string(raw)
}

func (plan *Plan) note(c local.ProfileChange) {
	if c.Op != local.Changed || len(c.Members) > 0 {
		plan.Changes = append(plan.Changes, c)
	}
}

// leave plans what becomes of entries that are no longer in the profile. A
// server is removed. An account is too, unless something else uses it.
func (plan *Plan) leave(p *Profile, cfg *account.Config, servers map[string]string) {
	came := func(m *account.TeamMark) bool { return m != nil && m.Profile == p.Name }
	for _, name := range cfg.ServerNames() {
		if s := cfg.Servers[name]; came(s.Team) && servers[s.Team.Name] != name {
			plan.Servers[name] = nil
			plan.note(local.ProfileChange{Op: local.Removed, Name: name})
		}
	}
	var gone []string
	for _, name := range cfg.AccountNames() {
		if a := cfg.Accounts[name]; came(a.Team) && plan.Local[a.Team.Name] != name {
			gone = append(gone, name)
			plan.Accounts[name] = nil
		}
	}
	for kept := true; kept; { // one that stays may keep the one that it goes through
		kept = false
		for _, name := range gone {
			if plan.Accounts[name] == nil && plan.needed(cfg, name) {
				own := *cfg.Accounts[name]
				own.Team = nil
				plan.Accounts[name], kept = &own, true
			}
		}
	}
	for _, name := range gone {
		op := local.Removed
		if plan.Accounts[name] != nil {
			op = local.Released
		}
		plan.note(local.ProfileChange{Op: op, Account: true, Name: name})
	}
}

// needed reports whether something that stays uses the account.
func (plan *Plan) needed(cfg *account.Config, name string) bool {
	for n, s := range cfg.Servers {
		if next, planned := plan.Servers[n]; planned {
			s = next
		}
		if s != nil && s.Uses(name) {
			return true
		}
	}
	for n, a := range cfg.Accounts {
		if next, planned := plan.Accounts[n]; planned {
			a = next
		}
		if a != nil && n != name && (a.Through == name || a.SecretThrough == name) {
			return true
		}
	}
	return false
}
