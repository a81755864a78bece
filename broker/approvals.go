package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// An approval lets one program, named by its path, use one server with the account
// that it has, or one account by itself. Another account, or another path, is asked
// about anew. They stand in the vault, with how often to ask, so that nothing
// written into config.json allows anything.

// approvalsKey is the vault's record of approvals.
const approvalsKey = "approvals"

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

// An ask is a program that asked for an approval since the agent started.
type ask struct {
	local.Approval
	from  []session // the processes that asked since the last answer
	calls int       // that wait for an answer
	until time.Time // of a denial: until when it counts without asking again
}

// A session is a process that is allowed something while it lives.
type session struct {
	id      string
	pid     int
	started int64
}

// maxAsks bounds how many asks are remembered.
const maxAsks = 200

// deniedFor is how long a user's no counts before a call asks again.
const deniedFor = 10 * time.Minute

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
	b.record(local.AuditRecord{Event: "set_approvals", Program: programOf(ctx), Name: value, Outcome: "ok"})
	return nil
}

func (b *Broker) editApprovals(ctx context.Context, change func(*approvalsRecord)) error {
	v, err := b.openedVault(ctx)
	if err != nil {
		return err
	}
	rec := &approvalsRecord{}
	err = v.Update(ctx, func(tx *vault.Tx) error {
		if _, ok := tx.Get(approvalsKey); ok {
			if err := getRecord(tx, approvalsKey, rec); err != nil {
				return err
			}
		}
		change(rec)
		return tx.Put(approvalsKey, rec)
	})
	if err == nil {
		b.update(func() { b.approvals = rec })
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
	a, err := b.asked(ctx, server, acct)
	if err != nil || a == nil || a.State == local.ApprovalAllowed {
		return err
	}
	return a.Refusal()
}

// asked notes that the program which makes the call wants to use something, unless
// it may. It returns nil where nobody is asked about. The vault, which knows, has to
// be open.
func (b *Broker) asked(ctx context.Context, server, acct string) (*local.Approval, error) {
	if _, err := b.openedVault(ctx); err != nil {
		return nil, err
	}
	if !b.approving() {
		return nil, nil
	}
	who := b.whoAsks(ctx)()
	var out local.Approval
	changed := false
	b.mu.Lock()
	if b.approved(who, server, acct) {
		out = local.Approval{State: local.ApprovalAllowed, Program: who.Path, Server: server, Account: acct}
	} else {
		out = local.Approval{ID: approvalID(who.Path, server, acct), State: local.ApprovalWaiting, Program: who.Path, PID: who.PID,
			Server: server, Account: acct, Identity: b.identityFor(server, acct), At: b.opt.Now()}
		now := b.asks[out.ID]
		switch {
		case who.Path == "": // nothing that could be allowed
		case now == nil:
			b.forgetAsks()
			now = &ask{Approval: out}
			b.asks[out.ID], changed = now, true
		case now.State == local.ApprovalAllowed || now.State == local.ApprovalDenied && !b.opt.Now().Before(now.until):
			now.Approval, now.from, changed = out, nil, true
		default:
			out = now.Approval
		}
		if one := (session{out.ID, who.PID, who.Started}); now != nil && !slices.Contains(now.from, one) && len(now.from) < maxAsks {
			now.from = append(now.from, one)
		}
	}
	b.mu.Unlock()
	if changed {
		b.update(nil)
	}
	return &out, nil
}

// forgetAsks makes room for one more. b.mu is held.
func (b *Broker) forgetAsks() {
	for len(b.asks) >= maxAsks {
		oldest := ""
		for id, a := range b.asks {
			if a.calls == 0 && (oldest == "" || a.At.Before(b.asks[oldest].At)) {
				oldest = id
			}
		}
		if oldest == "" {
			return
		}
		delete(b.asks, oldest)
	}
}

// identityFor says whose tokens are asked for, if that is known. b.mu is held.
func (b *Broker) identityFor(server, acct string) string {
	if s := b.cfg.Servers[server]; s != nil {
		if a, _ := b.whole(s); a.who() != "" {
			return a.who()
		}
	}
	return acct
}

// awaitApproval waits until the program that makes the call may use a server, at
// most for limit. No answer is a no.
func (b *Broker) awaitApproval(ctx context.Context, s *account.Server, limit time.Duration) error {
	if !guarded(s) {
		return nil
	}
	a, err := b.asked(ctx, s.Name, s.Account)
	if err != nil || a == nil || a.State == local.ApprovalAllowed {
		return ctx.Err() // a vault that is locked is waited for like a sign-in
	}
	refusal := a.Refusal()
	if a.State == local.ApprovalDenied || a.Program == "" || s.SignIn == account.SignInNever {
		return refusal
	}
	b.mu.Lock()
	if w := b.asks[a.ID]; w != nil {
		w.calls++
	}
	b.mu.Unlock()
	defer b.stopWaiting(a.ID)
	b.raiseApproval(a)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	who := b.whoAsks(ctx)()
	for {
		news := b.news()
		b.mu.Lock()
		w, ok := b.asks[a.ID], b.approved(who, s.Name, s.Account)
		denied := !ok && (w == nil || w.State == local.ApprovalDenied)
		b.mu.Unlock()
		switch {
		case ok:
			return nil
		case denied:
			return refusal
		}
		select {
		case <-news:
		case <-timer.C:
			b.update(func() {
				if w := b.asks[a.ID]; w != nil && w.State == local.ApprovalWaiting {
					w.State, w.until = local.ApprovalDenied, b.opt.Now() // the next call asks again
				}
			})
			b.record(local.AuditRecord{Event: "deny", Program: a.Program, Server: a.Server, Account: a.Account, Outcome: "no_answer"})
			return refusal
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stopWaiting withdraws the notice of an approval that no call waits for any more.
func (b *Broker) stopWaiting(id string) {
	b.update(func() {
		if w := b.asks[id]; w != nil {
			if w.calls--; w.calls > 0 {
				return
			}
		}
		b.dropNotices(func(n *notice) bool { return n.Approval == id })
	})
}

// raiseApproval asks the user about a program.
func (b *Broker) raiseApproval(a *local.Approval) {
	var show *local.Notice
	b.update(func() {
		i := slices.IndexFunc(b.notices, func(n *notice) bool { return n.Approval == a.ID })
		if i < 0 {
			b.notices = append(b.notices, &notice{Notice: local.Notice{
				ID: "approval " + a.ID, Kind: local.NoticeApproval, Server: a.Name(), Program: a.Program,
				Approval: a.ID, Identity: a.Identity, At: b.opt.Now(),
			}})
			i = len(b.notices) - 1
		}
		show = b.toShow(b.notices[i])
	})
	if show == nil {
		return
	}
	b.task(func(ctx context.Context) {
		err := b.opt.Ask(ctx, *show, func(allow bool) {
			b.task(func(ctx context.Context) {
				decide := b.disallow
				if allow {
					decide = b.allow
				}
				if err := decide(ctx, a.ID, "notification"); err != nil {
					b.opt.Log.Warn("approval from a notification", "err", err)
				}
			})
		})
		if err != nil {
			b.opt.Log.Warn("notification not shown", "err", err)
		}
	})
}

// AskApproval says whether the program that makes the call may use a server or an
// account.
func (b *Broker) AskApproval(ctx context.Context, n local.Name) (*local.Approval, error) {
	cfg := b.config()
	server, acct := "", n.Name
	if s, err := lookupServer(cfg, n.Name); err == nil {
		server, acct = s.Name, s.Account
		if !guarded(s) {
			return &local.Approval{State: local.ApprovalAllowed, Server: server}, nil
		}
	} else if _, err := lookupAccount(cfg, n.Name); err != nil {
		return nil, unknownName(n.Name)
	}
	if a, err := b.asked(ctx, server, acct); a != nil || err != nil {
		return a, err
	}
	return &local.Approval{State: local.ApprovalAllowed, Server: server, Account: acct}, nil
}

// Approve allows what an approval is about.
func (b *Broker) Approve(ctx context.Context, n local.Name) error {
	return b.allow(ctx, n.Name, programOf(ctx))
}

// Revoke takes an approval back, or denies one that waits.
func (b *Broker) Revoke(ctx context.Context, n local.Name) error {
	return b.disallow(ctx, n.Name, programOf(ctx))
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
			w.State, w.until = local.ApprovalDenied, b.opt.Now().Add(deniedFor)
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
