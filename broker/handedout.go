package broker

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// Events of records that bridges hand over. All others are the agent's own.
const (
	eventCall    = "call"
	eventDropped = "records_dropped"
)

// eventToken is the event of a token that was given to a program.
const eventToken = "token"

// Record adds what bridges did to the audit log. Which program that was, and when it
// became known, is not for the caller to say.
func (b *Broker) Record(ctx context.Context, records []local.AuditRecord) error {
	for i := range records {
		if e := records[i].Event; e != eventCall && e != eventDropped {
			return hint.New(hint.Usage, fmt.Sprintf("Records of the kind %q are made by Keyporter alone.", clip(e)), "")
		}
	}
	program, now := b.programOf(ctx), b.opt.Now()
	known := make([]local.AuditRecord, 0, len(records)+1)
	b.update(func() {
		for _, r := range records {
			if b.cfg.Servers[r.Server] == nil {
				continue
			}
			if r.Event == eventDropped {
				n, _ := strconv.ParseUint(r.Outcome, 10, 32)
				r = local.AuditRecord{Event: eventDropped, Server: r.Server, Outcome: strconv.FormatUint(n, 10)}
			}
			r.Time, r.Program, r.Account = now, program, ""
			b.mem.server(r.Server).LastUsed = now
			known = append(known, r)
		}
	})
	if left := len(records) - len(known); left > 0 { // of a server that was renamed or removed meanwhile, or never was
		known = append(known, local.AuditRecord{Time: now, Event: eventDropped, Program: program, Outcome: strconv.Itoa(left)})
	}
	return b.audit.Append(known...)
}

// handedOut records that a program got a token of a server or an account, or was
// refused it for want of an approval. Those of a bridge were recorded when it began:
// what it does with them are its calls.
func (b *Broker) handedOut(ctx context.Context, server, acct string, err error) {
	if err != nil && hint.CodeOf(err) != hint.ApprovalNeeded {
		return
	}
	if pid := peerOf(ctx); pid != 0 && b.notedFor(pid, server, acct) {
		return
	}
	b.record(local.AuditRecord{Event: eventToken, Program: b.programOf(ctx), Server: server, Account: acct, Outcome: outcomeOf(err)})
}

func (b *Broker) notedFor(pid int, server, acct string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for j := range b.joined {
		if j.pid == pid && j.server == server && j.noted[acct] {
			return true
		}
	}
	return false
}

// noteBridge records, once for each account, that a bridge got a token, or that its
// program has to be allowed first.
func (b *Broker) noteBridge(j *joined, st *local.BridgeState) {
	outcome := "ok"
	switch {
	case st.Status == local.ApprovalNeeded:
		outcome = string(hint.ApprovalNeeded)
	case !st.NeedsToken:
		return
	}
	b.mu.Lock()
	var accounts []string
	if s := b.cfg.Servers[st.Server]; s != nil {
		for i, l := range s.Layers() {
			got := outcome != "ok" || i == 0 && st.Token != nil || i > 0 && i <= len(st.Further) && !st.Further[i-1].Value.IsZero()
			if l.Account != "" && got && !slices.Contains(accounts, l.Account) {
				accounts = append(accounts, l.Account)
			}
		}
	}
	accounts = slices.DeleteFunc(accounts, func(a string) bool {
		key := a
		if outcome != "ok" {
			key = "refused " + a // what it gets after that is recorded too
		}
		done := j.noted[key]
		j.noted[key] = true
		return done
	})
	b.mu.Unlock()
	for _, a := range accounts {
		b.record(local.AuditRecord{Event: eventToken, Program: j.program, Server: st.Server, Account: a, Name: "for a bridge", Outcome: outcome})
	}
}

// peerOf returns the number of the process that makes a call, or 0.
func peerOf(ctx context.Context) int {
	peer, _ := local.PeerFrom(ctx)
	return peer.PID
}

func outcomeOf(err error) string {
	if err == nil {
		return "ok"
	}
	return string(hint.CodeOf(err))
}
