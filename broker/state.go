package broker

import (
	"context"
	"os"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// openingWait is how long State waits for a vault that is being opened: long
// enough for a passphrase, short enough for a keyring that asks its user.
const openingWait = 3 * time.Second

// State returns the state as it is now. While the vault is being opened it waits
// a little, so that a listing does not begin with everything locked.
func (b *Broker) State(ctx context.Context) (*local.State, error) {
	limit, cancel := context.WithTimeout(ctx, openingWait)
	defer cancel()
	_, _ = b.openedVault(limit) // why it is not open is part of the state
	return b.snapshot(), ctx.Err()
}

// Watch calls show with the state now and after each change.
func (b *Broker) Watch(ctx context.Context, w local.Watch, show func(*local.State) error) error {
	if w.Tray {
		b.update(func() { b.trays++ })
		b.withdrawNotices()
		defer b.update(func() { b.trays-- })
	}
	for {
		news := b.news()
		if err := show(b.snapshot()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// snapshot makes a State of what is in memory. Of the disk it asks only whether a
// vault that is not open has its key under a passphrase.
func (b *Broker) snapshot() *local.State {
	_, err := os.Lstat(b.opt.Paths.Identity())
	passphrase := err == nil
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &local.State{
		Seq:      b.seq,
		Agent:    local.Agent{PID: b.opt.PID, Version: b.opt.Version, StartedAt: b.startedAt, Command: b.opt.Command},
		Paused:   b.mem.Paused,
		Stopped:  b.stopping,
		Vault:    local.VaultState{Open: b.vault != nil, Problem: b.vaultProblem, Backend: b.backend(passphrase)},
		Servers:  make([]local.ServerState, 0, len(b.cfg.Servers)),
		Accounts: make([]local.AccountState, 0, len(b.cfg.Accounts)),
		Notices:  make([]local.Notice, 0, len(b.notices)),
		Settings: b.choices(),
		Policies: b.policyStates(),
		Problem:  b.cfgProblem,
	}
	for _, p := range []*hint.Error{b.unsaved, b.memProblem} {
		if s.Problem == nil {
			s.Problem = p
		}
	}
	for _, n := range b.cfg.ServerNames() {
		s.Servers = append(s.Servers, b.serverState(b.cfg.Servers[n]))
		s.Bridges += b.bridges[n]
	}
	users := b.cfg.Users()
	for _, n := range b.cfg.AccountNames() {
		s.Accounts = append(s.Accounts, b.accountState(b.cfg.Accounts[n], users[n]))
	}
	s.Profiles, s.Approvals = b.profileStates(), b.approvalStates()
	for _, n := range b.notices {
		s.Notices = append(s.Notices, n.Notice)
	}
	return s
}

// profileStates makes the rows of the profiles that were joined. b.mu is held.
func (b *Broker) profileStates() []local.ProfileState {
	list := []local.ProfileState{}
	if b.vault == nil {
		return list
	}
	for _, key := range b.vault.Keys(profilePrefix) {
		var rec profileRecord
		if readRecord(b.vault, key, &rec) != nil {
			continue
		}
		st := local.ProfileState{Name: strings.TrimPrefix(key, profilePrefix), URL: rec.URL, Signer: personOf(&rec.Signer), JoinedAt: rec.JoinedAt, Servers: []string{}}
		for _, n := range b.cfg.ServerNames() {
			if m := b.cfg.Servers[n].Team; m != nil && m.Profile == st.Name {
				st.Servers = append(st.Servers, n)
			}
		}
		list = append(list, st)
	}
	return list
}

// backend names where the vault's identity is, or will be. b.mu is held.
func (b *Broker) backend(passphrase bool) string {
	if b.vault != nil {
		return string(b.vault.Backend())
	}
	if passphrase {
		return string(vault.Passphrase)
	}
	if b.opt.Vault.Backend != "" {
		return string(b.opt.Vault.Backend)
	}
	return string(vault.Keyring)
}

// serverState makes a server's row. b.mu is held.
func (b *Broker) serverState(s *account.Server) local.ServerState {
	seen := b.mem.Servers[s.Name]
	if seen == nil {
		seen = &serverMemory{}
	}
	st := local.ServerState{
		Name: s.Name, URL: s.URL, Account: s.Account, Also: s.AlsoAccounts, Kind: seen.Wants,
		Bridges: b.bridges[s.Name], LastUsed: seen.LastUsed, Tools: seen.Tools,
	}
	if a := b.cfg.Accounts[s.Account]; a != nil {
		st.Kind = a.Kind
	}
	a := b.access(s)
	st.State, st.Problem, st.Identity, st.ExpiresAt, st.Renews = a.status, a.problem, a.identity, a.expiry, a.renews
	if h := b.history[b.attemptName(s.Name)]; st.State == local.Unknown && h != nil && h.failure != nil {
		st.State, st.Problem = local.Failed, hint.Of(h.failure) // a bridge may still try
	}
	return st
}

// accountState makes an account's row. b.mu is held.
func (b *Broker) accountState(a *account.Account, usedBy []string) local.AccountState {
	st := local.AccountState{Name: a.Name, Kind: a.Kind, KeyID: a.KeyID, UsedBy: usedBy, Identity: identityOf(a), State: local.Ready}
	if b.vault == nil {
		st.State, st.Problem = local.Locked, b.vaultProblem
		return st
	}
	var rec accountRecord
	if err := readRecord(b.vault, accountKey(a.Name), &rec); err != nil {
		st.State, st.Problem = local.Failed, hint.Of(err)
		return st
	}
	st.AddedAt = rec.AddedAt
	for _, t := range rec.Targets {
		st.Origins = append(st.Origins, t.String())
	}
	if err := rec.agrees(a); err != nil {
		st.State, st.Problem = local.ApprovalNeeded, hint.Of(err)
	} else if err := rec.missing(a); err != nil {
		st.State, st.Problem = local.ApprovalNeeded, hint.Of(err)
	}
	if a.Kind != account.OAuth && a.Kind != account.Google {
		if lacks := b.lacking(a); lacks != nil && st.State == local.Ready {
			st.State, st.Problem = lacks.status, lacks.problem
		}
		return st
	}
	st.State = local.SignInNeeded
	for _, key := range b.vault.Keys(grantPrefix(a.Name)) {
		var g grantRecord
		if readRecord(b.vault, key, &g) == nil && g.usable(b.opt.Now()) {
			st.State, st.Identity, st.ExpiresAt = local.Ready, g.Identity.String(), g.Expiry
		}
	}
	return st
}

// identityOf says who an account is, where config.json knows it.
func identityOf(a *account.Account) string {
	switch a.Kind {
	case account.GoogleKey, account.GoogleADC:
		return a.Email
	case account.GoogleImpersonate:
		return a.TargetPrincipal
	case account.ClientCredentials, account.Enterprise, account.Workload:
		return a.ClientID
	}
	return ""
}
