package view

import (
	"fmt"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// A ProgramRow is a program that asked for something, on the page Settings.
type ProgramRow struct {
	Mark    Mark
	Program string
	Line    string
	Buttons []ProgramButton
}

// A ProgramButton answers for a program, or takes an answer back.
type ProgramButton struct {
	Label  string
	Action Action // Allow or Deny
}

// programsOf returns the programs that asked, in the agent's order.
func programsOf(in Input) []ProgramRow {
	t := &in.Texts.Settings
	var rows []ProgramRow
	for i := range in.State.Approvals {
		a := &in.State.Approvals[i]
		allow := ProgramButton{in.Texts.Allow, Action{Allow, a.ID}}
		deny := ProgramButton{in.Texts.Deny, Action{Deny, a.ID}}
		r := ProgramRow{Program: Path(a.Program)}
		says := t.MayNot
		switch a.State {
		case local.ApprovalWaiting:
			r.Mark, says, r.Buttons = Needs, t.Wants, []ProgramButton{deny, allow}
		case local.ApprovalAllowed:
			r.Mark, says, deny.Label = Good, t.May, t.Revoke
			switch session := in.State.Settings.Approvals == account.ApprovalsSession; {
			case session && a.PID != 0:
				says = t.MayNow
			case session: // it was allowed for good, which does not count for now
				r.Mark, says = Resting, t.MayLater
			}
			r.Buttons = []ProgramButton{deny}
		default:
			r.Mark, r.Buttons = Resting, []ProgramButton{allow}
		}
		r.Line = fmt.Sprintf(says, in.Texts.wanted(a.Name()))
		if as := Name(a.Identity); as != "" && as != Name(a.Name()) {
			r.Line += " ‧ " + as
		}
		r.Line += " ‧ " + in.Texts.Ago(in.Now.Sub(a.At))
		rows = append(rows, r)
	}
	return rows
}

// wanted is the name of what an approval is about, as the user sees it.
func (t *Texts) wanted(name string) string {
	if name == local.VaultKeyName {
		return t.VaultKey
	}
	return Name(name)
}
