package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/token"
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
	if s.Problem == nil {
		s.Problem = b.memProblem
	}
	for _, n := range b.cfg.ServerNames() {
		s.Servers = append(s.Servers, b.serverState(b.cfg.Servers[n]))
		s.Bridges += b.bridges[n]
	}
	for _, n := range b.cfg.AccountNames() {
		s.Accounts = append(s.Accounts, b.accountState(b.cfg.Accounts[n]))
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
	return st
}

// accountState makes an account's row. b.mu is held.
func (b *Broker) accountState(a *account.Account) local.AccountState {
	st := local.AccountState{Name: a.Name, Kind: a.Kind, KeyID: a.KeyID, UsedBy: b.cfg.UsedBy(a.Name), Identity: identityOf(a), State: local.Ready}
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

// An access is a server's way to a token, or why there is none. It is what
// State, Bridge and Token agree on.
type access struct {
	status   local.Status
	problem  *hint.Error
	identity string
	expiry   time.Time // of the token now in hand
	renews   bool

	token   *token.Token // in hand; nil: none needed, or one has to be made
	account *account.Account
	record  accountRecord
	grant   *grantRecord // of kind oauth
}

func (a *access) is(status local.Status, problem error) *access {
	a.status, a.problem = status, hint.Of(problem)
	return a
}

// ready reports whether a token can be had without the user, or none is needed.
func (a *access) ready() bool { return a.status == local.Ready || a.status == local.Unknown }

// who names whose tokens these are.
func (a *access) who() string {
	if a.identity == "" && a.account != nil {
		return a.account.Name
	}
	return a.identity
}

// halted reports whether the user lets nothing have a token for now.
func (a *access) halted() bool { return a.status == local.Paused || a.status == local.Stopping }

// access is standing, with a sign-in under way shown. b.mu is held.
func (b *Broker) access(s *account.Server) *access {
	a, _ := b.whole(s)
	if b.attempts[b.attemptName(s.Name)] != nil && !a.halted() {
		a.is(local.SigningIn, signingIn(s.Name))
	}
	return a
}

// standing looks, without I/O, at what a server can get as things stand: an
// earlier sign-in serves while a new one is under way. b.mu is held.
func (b *Broker) standing(s *account.Server) *access {
	a := &access{}
	switch {
	case b.stopping:
		return a.is(local.Stopping, errStopped)
	case b.mem.Paused:
		return a.is(local.Paused, errPaused)
	}
	if err := allowed(b.policy, b.cfg, s); err != nil {
		return a.is(local.Failed, err)
	}
	switch {
	case s.Account == "" && !s.HasSecrets() && !hasWay(s):
		return b.withoutAccount(a, s)
	case b.vault == nil && b.vaultProblem != nil:
		return a.is(local.Locked, b.vaultProblem)
	case b.vault == nil:
		return a.is(local.Locked, hint.New(hint.Locked, "The vault is being opened.", "Try again in a moment."))
	}
	if err := b.ownSecrets(s); err != nil {
		return a.is(local.ApprovalNeeded, err)
	}
	if s.Account == "" {
		return b.withoutAccount(a, s)
	}
	a.account = b.cfg.Accounts[s.Account]
	if a.account == nil {
		return a.is(local.Failed, hint.New(hint.NotFound, fmt.Sprintf("%s uses the account %q, which does not exist.", s.Name, s.Account),
			fmt.Sprintf("Add it, or choose another: keyporter set %s account=NAME", quoteArg(s.Name))))
	}
	if err := readRecord(b.vault, accountKey(s.Account), &a.record); err != nil {
		if a.account.Kind == account.OAuth {
			return a.is(local.SignInNeeded, signInNeeded(s.Name, ""))
		}
		return a.is(local.Failed, err)
	}
	if err := a.record.agrees(a.account); err != nil {
		return a.is(local.ApprovalNeeded, err)
	}
	if err := a.record.mayGoTo(s.Account, s); err != nil {
		return a.is(local.ApprovalNeeded, err)
	}
	if err := a.record.missing(a.account); err != nil {
		return a.is(local.ApprovalNeeded, err)
	}
	return b.withAccount(a, s)
}

// signingIn is the hint for a server whose sign-in is under way.
func signingIn(server string) *hint.Error {
	return hint.New(hint.SignInNeeded, fmt.Sprintf("The sign-in to %s is under way in the browser.", server), "Finish it there.")
}

// withoutAccount is the access of a server that has no account. b.mu is held.
func (b *Broker) withoutAccount(a *access, s *account.Server) *access {
	seen := b.mem.Servers[s.Name]
	switch {
	case seen == nil || seen.Wants == "" && !seen.Open:
		return a.is(local.Unknown, nil)
	case seen.Open:
		return a.is(local.Ready, nil)
	case seen.Wants == account.OAuth:
		return a.is(local.SignInNeeded, signInNeeded(s.Name, ""))
	}
	return a.is(local.SignInNeeded, hint.New(hint.SignInNeeded, fmt.Sprintf("%s wants a %s, and no account is given to it.", s.Name, seen.Wants.Words()),
		fmt.Sprintf("Add one with keyporter account add %s, then: keyporter set %s account=NAME", seen.Wants, quoteArg(s.Name))))
}

// withAccount is the access of a server whose account may be used for it. b.mu
// is held.
func (b *Broker) withAccount(a *access, s *account.Server) *access {
	a.identity = identityOf(a.account)
	if a.account.Kind == account.OAuth || a.account.Kind == account.Google {
		to, err := targetOf(s.URL)
		if err != nil {
			return a.is(local.Failed, err)
		}
		who := s.Name
		if a.account.Kind == account.Google {
			to, who = googleTarget, s.Account
		}
		var g grantRecord
		if err := readRecord(b.vault, grantKey(s.Account, to), &g); err != nil {
			return a.is(local.SignInNeeded, signInNeeded(who, ""))
		}
		a.grant, a.identity, a.expiry, a.renews = &g, g.Identity.String(), g.Expiry, !g.RefreshToken.IsZero()
		if !g.usable(b.opt.Now()) {
			return a.is(local.SignInNeeded, signInNeeded(who, g.SignedOut))
		}
	} else {
		a.renews = a.account.Kind != account.Static
	}
	a.token = b.cache.Peek(b.tokenRequest(a, s))
	if a.token != nil {
		a.expiry = a.token.Expiry
		return a.is(local.Ready, nil)
	}
	if lacks := b.lacking(a.account); lacks != nil {
		return a.is(lacks.status, lacks.problem)
	}
	if p := b.problems[problemKey(s)]; p != nil {
		switch p.Code {
		case hint.SignInNeeded:
			return a.is(local.SignInNeeded, p)
		default:
			return a.is(local.Failed, p)
		}
	}
	return a.is(local.Ready, nil)
}

// lacking returns how an account stands that the account goes through, if that one
// cannot give tokens as things are. b.mu is held.
func (b *Broker) lacking(a *account.Account) *access {
	for _, name := range beneath(a) {
		t := b.cfg.Accounts[name]
		if t == nil {
			return (&access{}).is(local.Failed, hint.New(hint.NotFound, fmt.Sprintf("The account %q goes through the account %q, which does not exist.", a.Name, name), "Add it, or remove this account and add it again."))
		}
		if under := b.standing(standaloneServer(t)); t.Kind == account.Google && !under.ready() {
			return under
		}
	}
	return nil
}

// usable reports whether the grant can still give tokens without the user.
func (g *grantRecord) usable(now time.Time) bool {
	if g.SignedOut != "" {
		return false
	}
	return !g.RefreshToken.IsZero() || g.Expiry.IsZero() || now.Before(g.Expiry)
}

// ownSecrets returns an error when the server's own secrets (headers, client
// secret) may not go to the address that config.json now has. b.mu is held, the
// vault is open.
func (b *Broker) ownSecrets(s *account.Server) error {
	var rec serverRecord
	if hasWay(s) {
		if err := readRecord(b.vault, serverKey(s.Name), &rec); err != nil {
			rec = serverRecord{} // none: nothing was agreed to
		}
		if err := rec.agreesWay(s); err != nil {
			return err
		}
	}
	if !s.HasSecrets() {
		return nil
	}
	if err := readRecord(b.vault, serverKey(s.Name), &rec); err != nil {
		return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The secret headers of %s are not in the vault.", s.Name),
			fmt.Sprintf("Give them again: keyporter set %s secret-header=NAME=FILE", quoteArg(s.Name)))
	}
	to, err := targetOf(s.URL)
	if err != nil {
		return err
	}
	if !rec.Target.covers(to) {
		return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The address of %s was changed to %s, and its secret headers have not been allowed to go there.", s.Name, to),
			fmt.Sprintf("If that is right, run: keyporter set %s url=%s --bind", quoteArg(s.Name), s.URL))
	}
	for _, name := range s.SecretQuery {
		if _, ok := rec.SecretQuery[name]; !ok {
			return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The parameter %s of the address of %s is not in the vault.", clip(name), s.Name), "Remove the server and add it again.")
		}
	}
	for _, h := range s.SecretHeaders {
		if _, ok := rec.SecretHeaders[h]; !ok {
			return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The secret header %s of %s is not in the vault.", h, s.Name),
				fmt.Sprintf("Give it: keyporter set %s secret-header=%s=FILE", quoteArg(s.Name), h))
		}
	}
	return nil
}

func problemKey(s *account.Server) string { return s.Account + "\x00" + s.URL }

var errStopped = hint.New(hint.Stopped, "Keyporter is stopped.", "Start it with keyporter start.")

var errPaused = hint.New(hint.Paused, "Keyporter is paused.", "Resume it in the tray or with keyporter resume.")

// signInNeeded is the hint for a server that needs a sign-in; why is a sentence
// on how the last one ended, or empty.
func signInNeeded(server, why string) *hint.Error {
	what := fmt.Sprintf("%s needs a sign-in.", server)
	if why != "" {
		what = fmt.Sprintf("%s needs a new sign-in. %s", server, why)
	}
	return hint.Wrap(token.ErrSignInNeeded, hint.SignInNeeded, what, fmt.Sprintf("Sign in from the tray, or run: keyporter login %s", quoteArg(server)))
}

// errNoRecord is returned for a key that the vault does not have.
func errNoRecord(key string) error {
	kind, name, _ := strings.Cut(key, "/")
	if kind != "account" {
		return hint.New(hint.NotFound, fmt.Sprintf("The vault holds nothing for this %s.", kind), "")
	}
	return hint.New(hint.NotFound, fmt.Sprintf("The secret of the account %q is not in the vault.", name),
		"Remove the account and add it again.")
}

// readRecord reads one record of the vault into v.
func readRecord(f interface {
	Get(string) (json.RawMessage, bool)
}, key string, v any) error {
	raw, ok := f.Get(key)
	if !ok {
		return errNoRecord(key)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("read record %s of the vault: it has another form", kindOfKey(key))
	}
	return nil
}

func getRecord(tx *vault.Tx, key string, v any) error { return readRecord(tx, key, v) }

func kindOfKey(key string) string {
	kind, _, _ := strings.Cut(key, "/")
	return kind
}

// accountOfGrant returns the account's name of a grant's key.
func accountOfGrant(key string) string {
	rest := strings.TrimPrefix(key, "grant/")
	return rest[:strings.LastIndexByte(rest, '/')]
}
