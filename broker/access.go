package broker

import (
	"fmt"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

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
	if b.underWay(b.attemptName(s.Name)) != nil && !a.halted() {
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
		if b.settling[g.Lineage] {
			return a.is(local.SignInNeeded, signingIn(who))
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
