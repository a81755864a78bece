package broker

import (
	"context"
	"slices"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/vault"
)

// An approval lets one program, named by its path, use one server with the account
// that it has, or one account by itself. Another account, or another path, is asked
// about anew. They stand in the vault, with how often to ask, so that nothing
// written into config.json allows anything.

// approvalsRecord is what the vault knows about approvals.
type approvalsRecord struct {
	Mode    account.Approvals `json:"mode,omitempty"`
	Allowed []allowedProgram  `json:"allowed,omitempty"`
}

// An allowedProgram is an approval that lasts.
type allowedProgram struct {
	Program string    `json:"program"`
	Server  string    `json:"server,omitempty"`
	Account string    `json:"account,omitempty"`
	At      time.Time `json:"at"`
}

func (p *allowedProgram) id() string { return approvalID(p.Program, p.Server, p.Account) }

func approvalID(program, server, acct string) string {
	return digest(program + "\x00" + server + "\x00" + acct)[:8]
}

// A session is a process that is allowed something while it lives.
type session struct {
	id      string
	pid     int
	started int64
}

func approvalsIn(v *vault.File) *approvalsRecord {
	rec := &approvalsRecord{}
	_ = readRecord(v, approvalsKey, rec) // none yet
	return rec
}

// approvalMode says how often programs are asked about: what the organisation has
// fixed, or else the stricter of config.json and the vault. b.mu is held.
func (b *Broker) approvalMode() account.Approvals {
	mode := b.policy.Choices(b.cfg.Settings.Choices).Approvals
	if b.policy.Setting("approvals") != nil || b.approvals == nil {
		return mode
	}
	return mode.Stricter(b.approvals.Mode)
}

// setApprovals puts how often to ask into the vault.
func (b *Broker) setApprovals(ctx context.Context, values map[string]string) error {
	value, ok := values["approvals"]
	if !ok {
		return nil
	}
	var c account.Choices
	if err := c.Set("approvals", value); err != nil {
		return err
	}
	if err := b.policies().Setting("approvals"); err != nil {
		return err
	}
	if err := b.editApprovals(ctx, func(rec *approvalsRecord) { rec.Mode = c.Approvals }); err != nil {
		return err
	}
	b.recordBy(ctx, local.AuditRecord{Event: "set_approvals", Name: value, Outcome: "ok"})
	return nil
}

func (b *Broker) editApprovals(ctx context.Context, change func(*approvalsRecord)) error {
	v, err := b.openedVault(ctx)
	if err != nil {
		return err
	}
	err = v.Update(ctx, func(tx *vault.Tx) error {
		rec := &approvalsRecord{}
		if _, ok := tx.Get(approvalsKey); ok {
			if err := getRecord(tx, approvalsKey, rec); err != nil {
				return err
			}
		}
		change(rec)
		return tx.Put(approvalsKey, rec)
	})
	if err == nil {
		b.update(func() { b.approvals = approvalsIn(v) }) // not what was just written: another edit may be through already
	}
	return err
}

// approving reports whether programs are asked about at all.
func (b *Broker) approving() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.approvalMode() != account.ApprovalsOff
}

// approved reports whether a program may use something. b.mu is held.
func (b *Broker) approved(who requester, server, acct string) bool {
	mode := b.approvalMode()
	if mode == account.ApprovalsOff || who.own {
		return true
	}
	if who.Path == "" {
		return false
	}
	id := approvalID(who.Path, server, acct)
	if mode == account.ApprovalsSession {
		return b.sessions[session{id, who.PID, who.Started}]
	}
	return b.approvals != nil && slices.ContainsFunc(b.approvals.Allowed, func(p allowedProgram) bool {
		return p.Program == who.Path && p.Server == server && p.Account == acct
	})
}

// guarded reports whether a server gets anything that is the user's.
func guarded(s *account.Server) bool {
	return s.HasSecrets() || hasWay(s) || slices.ContainsFunc(s.Layers(), func(l *account.Server) bool { return l.Account != "" })
}

// lets reports whether a program may use a server, and asks nobody.
func (b *Broker) lets(who requester, s *account.Server) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !guarded(s) || b.approved(who, s.Name, s.Account)
}

// guard takes out of a bridge's state what its program may not have.
func (b *Broker) guard(st *local.BridgeState, asks func() requester) *local.BridgeState {
	if !b.approving() || st.Status != local.Ready && st.Status != local.Unknown {
		return st
	}
	who := asks()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.cfg.Servers[st.Server]
	if s == nil || !guarded(s) || b.approved(who, s.Name, s.Account) {
		return st
	}
	return &local.BridgeState{
		Server: st.Server, URL: st.URL, SignIn: st.SignIn, Era: st.Era, Transport: st.Transport, Tools: st.Tools,
		Status: local.ApprovalNeeded, Problem: (&local.Approval{ID: approvalID(who.Path, s.Name, s.Account), Program: who.Path, Server: s.Name}).Refusal(),
	}
}

// permitServer returns an error unless the program that makes the call may use a
// server.
func (b *Broker) permitServer(ctx context.Context, s *account.Server) error {
	if !guarded(s) {
		return nil
	}
	return b.permit(ctx, s.Name, s.Account)
}

// permit is permitServer for an account by itself too; then server is empty.
func (b *Broker) permit(ctx context.Context, server, acct string) error {
	return b.permitWithin(ctx, server, acct, 0)
}

// permitWithin is permit for a call that can wait for the user's answer.
func (b *Broker) permitWithin(ctx context.Context, server, acct string, limit time.Duration) error {
	a, err := b.asked(ctx, server, acct)
	if err != nil || a == nil {
		return err
	}
	return b.answered(ctx, a, limit)
}
