package broker

import (
	"context"
	"slices"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// An ask is a program that asked for an approval since the agent started.
type ask struct {
	local.Approval
	from  []session // the processes that asked since the last answer
	calls int       // that wait for an answer

	denied time.Time     // when it was
	lasts  time.Duration // how long that counts without asking again
}

// stands reports whether a denial still counts, by a wall clock: sleep counts too, and
// a clock that was set by as much as it lasts ends it.
func (a *ask) stands(now time.Time) bool { return now.Sub(a.denied).Abs() < a.lasts }

// maxAsks bounds how many asks are remembered.
const maxAsks = 200

// deniedFor is how long a user's no counts before a call asks again.
const deniedFor = 10 * time.Minute

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
		case now.State == local.ApprovalAllowed || now.State == local.ApprovalDenied && !now.stands(b.opt.Now()):
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
	if account.CheckName(acct) != nil { // a program's keys, or the vault's
		return ""
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
	if err != nil || a == nil {
		return ctx.Err() // a vault that is locked is waited for like a sign-in
	}
	if s.SignIn == account.SignInNever {
		limit = 0
	}
	return b.answered(ctx, a, limit)
}

// answered returns nil once the user has allowed what the program that makes the
// call asked for, and the refusal if that is a no, or none comes within limit.
func (b *Broker) answered(ctx context.Context, a *local.Approval, limit time.Duration) error {
	if a.State == local.ApprovalAllowed {
		return nil
	}
	refusal := a.Refusal()
	if a.State == local.ApprovalDenied || a.Program == "" || limit <= 0 {
		return refusal
	}
	mine := b.startWaiting(a.ID)
	defer b.stopWaiting(a.ID, mine)
	b.raiseApproval(a)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	who := b.whoAsks(ctx)()
	for {
		news := b.news()
		b.mu.Lock()
		w, ok := b.asks[a.ID], b.approved(who, a.Server, a.Account)
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
			b.notAnswered(a, mine)
			return refusal
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// notAnswered makes a question that nobody has answered a no, which does not count
// for the next call. Other calls may wait for it still.
func (b *Broker) notAnswered(a *local.Approval, mine *ask) {
	over := false
	b.update(func() {
		if b.asks[a.ID] == mine && mine.State == local.ApprovalWaiting && mine.calls <= 1 {
			mine.State, mine.denied, mine.lasts, over = local.ApprovalDenied, b.opt.Now(), 0, true
		}
	})
	if over {
		b.record(local.AuditRecord{Event: "deny", Program: a.Program, Server: a.Server, Account: a.Account, Outcome: "no_answer"})
	}
}

// startWaiting counts a call that waits for an answer, until stopWaiting.
func (b *Broker) startWaiting(id string) (mine *ask) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if mine = b.asks[id]; mine == nil { // it has been answered just now
		mine = &ask{}
	}
	mine.calls++
	return mine
}

// stopWaiting withdraws the notice of an approval that no call waits for any more.
// What a call has waited for may have been answered, and asked anew by another call.
func (b *Broker) stopWaiting(id string, mine *ask) {
	b.update(func() {
		mine.calls--
		if now := b.asks[id]; now != nil && now.calls > 0 {
			return
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
func (b *Broker) AskApproval(ctx context.Context, q local.ApprovalQuestion) (*local.Approval, error) {
	cfg := b.config()
	server, acct := "", q.Name
	if q.Name != local.VaultKey {
		if s, err := lookupServer(cfg, q.Name); err == nil {
			server, acct = s.Name, s.Account
			if !guarded(s) {
				return &local.Approval{State: local.ApprovalAllowed, Server: server}, nil
			}
		} else if _, err := lookupAccount(cfg, q.Name); err != nil {
			return nil, unknownName(q.Name)
		}
	}
	a, err := b.asked(ctx, server, acct)
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return &local.Approval{State: local.ApprovalAllowed, Server: server, Account: acct}, nil
	case a.State != local.ApprovalWaiting || q.Wait <= 0:
		return a, nil
	}
	now := *a
	if now.State = local.ApprovalAllowed; b.answered(ctx, a, q.Wait) != nil {
		now.State = local.ApprovalDenied
	}
	return &now, ctx.Err()
}
