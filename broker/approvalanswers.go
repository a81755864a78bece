package broker

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
	"keyporter/internal/process"
)

// nobody stands in the audit log for a program that cannot be named.
const nobody = "a program that cannot be named"

// Approve allows what an approval is about. The program that it is about can read the
// ID in the refusal, and run the command that answers, itself or through others: that is
// no answer of the user, who has the tray, and a terminal at which the command asks.
func (b *Broker) Approve(ctx context.Context, a local.Answer) error {
	who := b.whoAsks(ctx)()
	if !who.own && !(a.AtTerminal && who.command) && b.approving() && (who.Path == "" || below(who.caller, findOrBare, b.isAsking(a.Name))) {
		return hint.New(hint.ApprovalNeeded, "A program cannot allow itself.",
			"Answer in the tray app's menu or window, or at a terminal of your own: keyporter approve "+quoteArg(clip(a.Name)))
	}
	return b.allow(ctx, a.Name, cmp.Or(who.name(), nobody))
}

// isAsking returns what tells the processes that an approval is about: those which have
// asked, whatever they run now, and those of the same program.
func (b *Broker) isAsking(id string) func(process.Process) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	var from []session
	program := ""
	if a := b.asks[id]; a != nil {
		from = slices.Clone(a.from)
	}
	for _, a := range b.approvalStates() {
		if a.ID == id {
			program = a.Program
		}
	}
	return func(p process.Process) bool {
		return p.Path != "" && p.Path == program || slices.Contains(from, session{id, p.PID, p.Started})
	}
}

// Revoke takes an approval back, or denies one that waits.
func (b *Broker) Revoke(ctx context.Context, n local.Name) error {
	return b.disallow(ctx, n.Name, cmp.Or(b.programOf(ctx), nobody))
}

func noApproval(id string) error {
	return hint.New(hint.NotFound, fmt.Sprintf("There is no approval %q.", clip(id)), "See keyporter approvals.")
}

// allow is Approve; by says where the answer came from.
func (b *Broker) allow(ctx context.Context, id, by string) error {
	b.mu.Lock()
	mode := b.approvalMode()
	var a ask
	if w := b.asks[id]; w != nil {
		a = *w
	}
	b.mu.Unlock()
	if a.ID == "" {
		if b.isAllowed(id) {
			return nil
		}
		return noApproval(id)
	}
	if mode != account.ApprovalsSession {
		err := b.editApprovals(ctx, func(rec *approvalsRecord) {
			rec.Allowed = slices.DeleteFunc(rec.Allowed, func(p allowedProgram) bool { return p.id() == id })
			rec.Allowed = append(rec.Allowed, allowedProgram{Program: a.Program, Server: a.Server, Account: a.Account, At: b.opt.Now()})
		})
		if err != nil {
			return err
		}
	}
	b.update(func() {
		if mode == account.ApprovalsSession {
			for _, one := range a.from {
				b.sessions[one] = true
			}
		} else {
			delete(b.asks, id)
		}
		if w := b.asks[id]; w != nil {
			w.State = local.ApprovalAllowed
		}
		b.dropNotices(func(n *notice) bool { return n.Approval == id })
	})
	b.record(local.AuditRecord{Event: "approve", Program: a.Program, Server: a.Server, Account: a.Account, Name: "by " + by, Outcome: "ok"})
	return nil
}

func (b *Broker) isAllowed(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.approvals != nil && slices.ContainsFunc(b.approvals.Allowed, func(p allowedProgram) bool { return p.id() == id })
}

// disallow is Revoke; by says where the answer came from.
func (b *Broker) disallow(ctx context.Context, id, by string) error {
	lasting := b.isAllowed(id)
	b.mu.Lock()
	asked := b.asks[id] != nil
	b.mu.Unlock()
	if !lasting && !asked {
		return noApproval(id)
	}
	rec := local.AuditRecord{Event: "revoke", Name: "by " + by, Outcome: "ok"}
	if lasting {
		err := b.editApprovals(ctx, func(r *approvalsRecord) {
			r.Allowed = slices.DeleteFunc(r.Allowed, func(p allowedProgram) bool {
				if p.id() != id {
					return false
				}
				rec.Program, rec.Server, rec.Account = p.Program, p.Server, p.Account
				return true
			})
		})
		if err != nil {
			return err
		}
	}
	b.update(func() {
		for s := range b.sessions {
			if s.id == id {
				delete(b.sessions, s)
			}
		}
		if w := b.asks[id]; w != nil {
			if w.State == local.ApprovalWaiting {
				rec.Event = "deny"
			}
			rec.Program, rec.Server, rec.Account = w.Program, w.Server, w.Account
			w.State, w.denied, w.lasts = local.ApprovalDenied, b.opt.Now(), deniedFor
		}
		b.dropNotices(func(n *notice) bool { return n.Approval == id })
	})
	b.record(rec)
	return nil
}

// approvalStates lists approvals: those that wait, then by name. b.mu is held.
func (b *Broker) approvalStates() []local.Approval {
	var all []local.Approval
	for _, a := range b.asks {
		all = append(all, a.Approval)
	}
	if b.approvals != nil {
		for _, p := range b.approvals.Allowed {
			if b.asks[p.id()] == nil {
				all = append(all, local.Approval{ID: p.id(), State: local.ApprovalAllowed, Program: p.Program, Server: p.Server, Account: p.Account,
					Identity: b.identityFor(p.Server, p.Account), At: p.At})
			}
		}
	}
	slices.SortFunc(all, func(x, y local.Approval) int {
		if xw, yw := x.State == local.ApprovalWaiting, y.State == local.ApprovalWaiting; xw != yw {
			if xw {
				return -1
			}
			return 1
		}
		return strings.Compare(x.Name()+"\x00"+x.Program+x.ID, y.Name()+"\x00"+y.Program+y.ID)
	})
	return all
}
