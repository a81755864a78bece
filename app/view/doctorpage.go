package view

import (
	"fmt"

	"keyporter/broker/local"
)

// A CheckRow is one check of the page Doctor.
type CheckRow struct {
	Mark    Mark
	Title   string
	Seen    string
	Problem *Problem // what is wrong and what to do
	Note    string   // what is worth knowing where nothing failed
}

// A CheckGroup is what belongs together: Keyporter itself, a server, the clients.
type CheckGroup struct {
	Title string
	Rows  []CheckRow
}

// DoctorOf returns the groups of the page, in the order of the checks.
func DoctorOf(t *Texts, checks []*local.Check) []CheckGroup {
	var groups []CheckGroup
	for _, c := range checks {
		title := t.checkGroup(c)
		if n := len(groups); n == 0 || groups[n-1].Title != title {
			groups = append(groups, CheckGroup{Title: title})
		}
		g := &groups[len(groups)-1]
		g.Rows = append(g.Rows, t.checkRow(c))
	}
	return groups
}

func (t *Texts) checkRow(c *local.Check) CheckRow {
	r := CheckRow{Mark: Good, Title: t.checkTitle(c), Seen: passage(t.seen(clean(c.Seen)))}
	switch {
	case c.Result == local.CheckSkipped:
		r.Mark, r.Seen = Resting, fmt.Sprintf(t.Doctor.Skipped, t.checkTitle(&local.Check{ID: c.After}))
	case c.Result == local.CheckFailed && c.Problem != nil:
		p := ProblemOf(t, c.Problem, serverOf(c))
		p.What, p.Do = passage(t.hint(c.Problem.What)), passage(t.hint(c.Problem.Do))
		r.Mark, r.Problem = Needs, &p
	case c.Problem != nil:
		r.Note = passage(t.hint(c.Problem.Text()))
	}
	return r
}

// serverOf returns the server that a check is about, or "".
func serverOf(c *local.Check) string {
	if c.ID == local.CheckClient {
		return ""
	}
	return c.Subject
}

func (t *Texts) checkGroup(c *local.Check) string {
	switch c.ID {
	case local.CheckPrograms, local.CheckAgent, local.CheckSettings, local.CheckKeyring, local.CheckVault, local.CheckLog:
		return "Keyporter"
	case local.CheckClient, local.CheckProcesses, local.CheckAutostart:
		return t.Doctor.Clients
	}
	return Name(c.Subject)
}

func (t *Texts) checkTitle(c *local.Check) string {
	d := &t.Doctor
	if c.ID == local.CheckClient && c.Subject != "" {
		return Name(c.Subject)
	}
	titles := map[local.CheckID]string{
		local.CheckPrograms: d.Programs, local.CheckAgent: d.Agent, local.CheckSettings: d.Settings, local.CheckKeyring: d.Keyring, local.CheckVault: d.Vault, local.CheckLog: d.Log,
		local.CheckClock: d.Clock, local.CheckDNS: d.DNS, local.CheckProxy: d.Proxy, local.CheckConnection: d.Connection, local.CheckTLS: d.TLS,
		local.CheckAnswer: d.Answer, local.CheckResource: d.Resource, local.CheckAuthServer: d.AuthServer, local.CheckRegistration: d.Registration,
		local.CheckGrant: d.Grant, local.CheckClaims: d.Claims, local.CheckRoundTrip: d.RoundTrip,
		local.CheckClient: d.Client, local.CheckProcesses: d.Processes, local.CheckAutostart: d.Autostart,
	}
	if title := titles[c.ID]; title != "" {
		return title
	}
	return Name(string(c.ID))
}

// DoctorSays sums the checks up in a sentence.
func DoctorSays(t *Texts, checks []*local.Check) string {
	failed, notes := 0, 0
	for _, c := range checks {
		switch {
		case c.Result == local.CheckFailed:
			failed++
		case c.Problem != nil:
			notes++
		}
	}
	switch {
	case failed == 1:
		return t.Doctor.FailedOne
	case failed > 0:
		return fmt.Sprintf(t.Doctor.FailedMany, failed)
	case notes > 0:
		return t.Doctor.Notes
	}
	return t.Doctor.Fine
}
