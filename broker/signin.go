package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/broker/source/authcode"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

const (
	// signInLimit is how long a sign-in waits for the browser.
	signInLimit = 10 * time.Minute
	// quiet is for how long a browser that was opened keeps the next one away
	// that no person asked for.
	quiet = 10 * time.Minute
	// maxUnasked is how many sign-ins for one server may begin within quiet
	// without a person's asking.
	maxUnasked = 3
)

// An asker is who wants a sign-in to begin.
type asker int

const (
	person asker = iota // somebody typed a command or clicked
	bridge              // a call came, and the server's way of signing in is browser
	tool                // the sign_in tool: a model, perhaps without its user
)

// An attempt is one sign-in under way. Its fields below the line are guarded by
// the Broker's mutex; waiters learn of changes through Broker.news.
type attempt struct {
	server string
	opens  bool // the agent opens the browser, so the attempt lives without waiters
	cancel context.CancelFunc

	asker   asker // a person who joins makes it a person's
	flow    *authcode.Flow
	events  []*local.SignInEvent
	waiters int
	over    bool
	err     error
}

// signInHistory is when sign-ins of one server began.
type signInHistory struct {
	unasked []time.Time // those that no person asked for
	browser time.Time   // when the agent or a program last opened one
}

// SignIn signs a server or an account in.
func (b *Broker) SignIn(ctx context.Context, r local.SignInRequest, tell func(*local.SignInEvent) error) error {
	s, err := b.signInServer(r.Name)
	if err != nil {
		return err
	}
	if s.Account != "" {
		if _, err := b.openedVault(ctx); err != nil {
			return err
		}
	}
	if done, err := b.alreadySignedIn(ctx, s, r); done != nil || err != nil {
		if err != nil {
			return err
		}
		return tell(done)
	}
	at, joined, err := b.begin(s, r, person)
	if err != nil {
		return err
	}
	return b.follow(ctx, at, joined, tell)
}

// signInServer finds what to sign in to: a server, or one that uses the account
// of that name.
func (b *Broker) signInServer(name string) (*account.Server, error) {
	cfg := b.config()
	s, err := lookupServer(cfg, name)
	if err == nil {
		return s, nil
	}
	if a := cfg.Accounts[name]; a != nil {
		if a.Kind != account.OAuth {
			return nil, hint.New(hint.Usage, fmt.Sprintf("The account %q is a %s; it needs no sign-in.", name, a.Kind.Words()), "")
		}
		if used := cfg.UsedBy(name); len(used) > 0 {
			return cfg.Servers[used[0]], nil
		}
		return nil, hint.New(hint.Usage, fmt.Sprintf("No server uses the account %q.", name), "Add a server with --account first.")
	}
	return nil, err
}

// alreadySignedIn returns the event for a server that needs no sign-in, or why
// one makes no sense.
func (b *Broker) alreadySignedIn(ctx context.Context, s *account.Server, r local.SignInRequest) (*local.SignInEvent, error) {
	b.mu.Lock()
	a := b.standing(s)
	b.mu.Unlock()
	switch {
	case a.status == local.Paused:
		return nil, errPaused
	case a.account != nil && a.account.Kind != account.OAuth:
		if a.ready() {
			return &local.SignInEvent{Done: true, Already: true, Identity: a.identity,
				Message: fmt.Sprintf("%s uses the account %q and needs no sign-in.", s.Name, a.account.Name)}, nil
		}
		return nil, a.problem
	case a.status == local.ApprovalNeeded && !r.Bind:
		return nil, a.problem
	case a.account == nil || r.Switch || !a.ready():
		return nil, nil
	}
	if _, err := b.serverToken(ctx, s, local.TokenRequest{Name: s.Name}); err != nil {
		if needsSignIn(err) {
			return nil, nil
		}
		return nil, err
	}
	return &local.SignInEvent{Done: true, Already: true, Identity: a.identity}, nil
}

// begin starts a sign-in, or joins the one under way.
func (b *Broker) begin(s *account.Server, r local.SignInRequest, who asker) (at *attempt, joined bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := b.attempts[s.Name]; at != nil {
		if who == person {
			at.asker = person
		}
		return at, true, nil
	}
	ctx, cancel := context.WithTimeout(b.life, signInLimit)
	at = &attempt{server: s.Name, asker: who, opens: r.AgentOpen, cancel: cancel}
	started := b.spawn(func(context.Context) {
		defer cancel()
		b.finish(at, b.signIn(ctx, at, s, r))
	})
	if !started {
		cancel()
		return nil, false, hint.New(hint.Stopped, "Keyporter is stopping.", "Try again in a moment.")
	}
	if who != person {
		h := b.historyOf(s.Name)
		h.unasked = append(h.unasked, b.opt.Now())
	}
	b.attempts[s.Name] = at
	if who != tool { // whose attempt may end at once, and then the notice stays
		b.dropNotice(s.Name)
	}
	return at, false, nil
}

// finish ends an attempt. It says so to everybody who waits.
func (b *Broker) finish(at *attempt, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(hint.CodeOf(err))
		b.opt.Log.Info("sign-in failed", "server", at.server, "err", err)
	}
	var asked bool
	b.update(func() {
		at.over, at.err, asked = true, err, at.asker == person
		if b.attempts[at.server] == at {
			delete(b.attempts, at.server)
		}
	})
	b.record(local.AuditRecord{Event: "sign_in", Server: at.server, Outcome: outcome})
	if !asked && (errors.Is(err, errUnknownIssuer) || needsSignIn(err)) {
		b.raiseNotice(at.server)
	}
}

// follow tells one caller of an attempt's events until it is over. A caller who
// leaves as the last one ends it, unless the agent opened the browser itself.
func (b *Broker) follow(ctx context.Context, at *attempt, joined bool, tell func(*local.SignInEvent) error) error {
	b.update(func() { at.waiters++ })
	defer b.update(func() {
		if at.waiters--; at.waiters == 0 && !at.opens {
			at.cancel()
		}
	})
	for told := 0; ; {
		news := b.news()
		b.mu.Lock()
		events, over, err := at.events[told:], at.over, at.err
		b.mu.Unlock()
		told += len(events)
		for _, ev := range events {
			mine := *ev
			mine.Joined = joined && ev.Open != ""
			if err := tell(&mine); err != nil {
				return err
			}
		}
		if over {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// errUnknownIssuer ends a sign-in that a model asked for at an issuer that the
// user has not seen yet.
var errUnknownIssuer = errors.New("the issuer is new to the user")

// signIn is one sign-in from beginning to end.
func (b *Broker) signIn(ctx context.Context, at *attempt, s *account.Server, r local.SignInRequest) error {
	v, err := b.openedVault(ctx)
	if err != nil {
		return err
	}
	client, err := b.oauthClient(s)
	if err != nil {
		return err
	}
	defer client.CloseIdle()
	challenge, err := b.challengeOf(ctx, s)
	if err != nil {
		return err
	}
	d, err := client.Discover(ctx, s.URL, challenge, s.Issuer)
	if err != nil {
		return b.withoutSignIn(ctx, s, err)
	}
	if d.Guessed && challenge == nil {
		// No metadata at all: a server of 2025-03-26, or one that is open.
		if err := b.withoutSignIn(ctx, s, nil); err != nil {
			return err
		}
	}
	if err := b.checkAccountIssuer(v, s, d.Server.Issuer); err != nil {
		return err
	}
	if !b.mayUse(at, d.Server.Issuer, b.seenIssuers(v)) {
		return errUnknownIssuer
	}
	o, err := b.flowOptions(v, s, client, challenge, d)
	if err != nil {
		return err
	}
	o.SelectAccount = r.Switch
	flow, err := authcode.Start(ctx, o)
	if err != nil {
		return err
	}
	defer flow.Close()
	b.update(func() {
		b.dropNotice(s.Name)
		at.flow = flow
		b.historyOf(s.Name).browser = b.opt.Now()
		at.events = append(at.events, &local.SignInEvent{Open: flow.URL, Issuer: flow.Issuer})
	})
	grant, err := b.waitForBrowser(ctx, at, flow)
	if err != nil {
		return err
	}
	if err := b.keepGrant(ctx, s, flow, grant, r.Bind); err != nil {
		return err
	}
	b.update(func() {
		at.events = append(at.events, &local.SignInEvent{Done: true, Identity: grant.Identity.String()})
	})
	return nil
}

// mayUse reports whether an attempt may go to an issuer: one that only a model
// asked for goes where the user has been before.
func (b *Broker) mayUse(at *attempt, issuer string, seen []string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return at.asker != tool || slices.Contains(seen, issuer)
}

// waitForBrowser waits until the browser has come back. If the agent has to open
// it and cannot, the wait is over.
func (b *Broker) waitForBrowser(ctx context.Context, at *attempt, flow *authcode.Flow) (*authcode.Grant, error) {
	wait, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	if at.opens {
		b.tasks.Go(func() {
			if err := b.openBrowser(wait, flow.URL); err != nil && wait.Err() == nil {
				giveUp(err)
			}
		})
	}
	grant, err := flow.Wait(wait)
	switch cause := context.Cause(wait); {
	case err == nil:
		return grant, nil
	case cause != nil && ctx.Err() == nil:
		return nil, cause
	}
	return nil, b.signInEnded(ctx, err)
}

// signInEnded gives words to a sign-in that was not finished in the browser.
func (b *Broker) signInEnded(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return hint.Wrap(err, hint.SignInNeeded, "Nobody finished the sign-in in the browser in time.", "Start it again when you are ready.")
	case ctx.Err() != nil:
		return hint.Wrap(err, hint.SignInNeeded, "The sign-in was cancelled.", "Start it again when you are ready.")
	}
	return err
}

// withoutSignIn returns a hint if the server answers everybody, and otherwise
// err, with which the search for its sign-in ended.
func (b *Broker) withoutSignIn(ctx context.Context, s *account.Server, err error) error {
	if ans, probeErr := b.probe(ctx, s); probeErr == nil && ans.mcp && ans.status < 300 {
		b.update(func() { m := b.mem.server(s.Name); m.Open, m.Wants = true, "" })
		return hint.Wrap(err, hint.Usage, fmt.Sprintf("%s needs no sign-in: it answers everybody.", s.Name), fmt.Sprintf("Try it: keyporter tools %s", quoteArg(s.Name)))
	}
	return err
}

// challengeOf returns the Bearer challenge with which the server last refused a
// request, or asks it for one. A server that cannot be reached has none.
func (b *Broker) challengeOf(ctx context.Context, s *account.Server) (*oauth.Challenge, error) {
	b.mu.Lock()
	fields, known := b.challenges[s.Name]
	b.mu.Unlock()
	if known {
		return oauth.Bearer(challengesOf(fields)), nil
	}
	limit, cancel := context.WithTimeout(ctx, 2*askLimit)
	defer cancel()
	ans, err := b.probe(limit, s)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s cannot be reached.", hostOf(s.URL)), "Check the address and the network.")
	}
	return oauth.Bearer(ans.challenges), nil
}

// checkAccountIssuer refuses to sign an account in at another issuer than its
// other servers use.
func (b *Broker) checkAccountIssuer(v *vault.File, s *account.Server, issuer string) error {
	var rec accountRecord
	if s.Account == "" || readRecord(v, accountKey(s.Account), &rec) != nil || rec.Issuer == "" || rec.Issuer == issuer {
		return nil
	}
	if used := b.config().UsedBy(s.Account); len(used) > 1 {
		return hint.New(hint.Refused, fmt.Sprintf("%s signs people in at %s, and the account %q belongs to %s.", s.Name, hostOf(issuer), s.Account, hostOf(rec.Issuer)),
			fmt.Sprintf("Give it an account of its own: keyporter set %s account=", quoteArg(s.Name)))
	}
	return nil
}

// seenIssuers are those at which the user has signed in.
func (b *Broker) seenIssuers(v *vault.File) []string {
	var seen []string
	_ = readRecord(v, issuersKey, &seen) // none yet
	return seen
}

func (b *Broker) flowOptions(v *vault.File, s *account.Server, client *oauth.Client, challenge *oauth.Challenge, d *oauth.Discovery) (authcode.Options, error) {
	o := authcode.Options{
		Client: client, ServerURL: s.URL, Challenge: challenge, Discovery: d, Issuer: s.Issuer,
		ClientID: s.ClientID, ClientMetadataURL: s.ClientMetadataURL,
		Scopes: s.Scopes, Resource: s.Resource, NoResource: s.NoResource, Audience: s.Audience,
		AuthorizeParams: s.AuthorizeParams, AssumePKCE: s.AssumePKCE, RedirectURI: s.RedirectURI, Now: b.opt.Now,
	}
	var own serverRecord
	if s.ClientID != "" && readRecord(v, serverKey(s.Name), &own) == nil && own.ClientID == s.ClientID {
		if err := own.mayUseSecret(s); err != nil {
			return o, err
		}
		o.ClientSecret, o.ClientIssuer = own.ClientSecret.Value, own.Issuer
	}
	issuer := d.Server.Issuer
	var reg oauth.ClientRegistration
	if readRecord(v, registrationKey(issuer), &reg) == nil {
		o.Registration = &reg
	}
	b.mu.Lock()
	o.Port = b.mem.Ports[issuer]
	b.mu.Unlock()
	o.Registered = func(ctx context.Context, reg *oauth.ClientRegistration) error {
		return v.Update(ctx, func(tx *vault.Tx) error { return tx.Put(registrationKey(issuer), reg) })
	}
	return o, nil
}

// openBrowser opens a page for the agent itself.
func (b *Broker) openBrowser(ctx context.Context, url string) error {
	const do = "Sign in from the tray or with keyporter login instead."
	if b.opt.OpenBrowser == nil {
		return hint.New(hint.SignInNeeded, "The agent has no browser to open.", do)
	}
	if err := b.opt.OpenBrowser(ctx, url); err != nil {
		return hint.Wrap(err, hint.SignInNeeded, "The browser could not be opened.", do)
	}
	return nil
}

// keepGrant stores what a sign-in brought: the grant, and the account if this is
// its first.
func (b *Broker) keepGrant(ctx context.Context, s *account.Server, flow *authcode.Flow, g *authcode.Grant, bind bool) error {
	to, err := targetOf(s.URL)
	if err != nil {
		return err
	}
	lineage := rand.Text()
	b.update(func() { b.mem.Rotations[lineage] = 0 })
	if err := b.saveMemory(); err != nil {
		return err
	}
	var name string
	var kept *account.Server
	err = b.edit(ctx, func(cfg *account.Config, tx *vault.Tx) error {
		now := cfg.Servers[s.Name]
		if now == nil || now.URL != s.URL {
			return hint.New(hint.Failed, fmt.Sprintf("%s was changed while its sign-in was under way.", s.Name), "Sign in again.")
		}
		changed := *now
		kept = &changed
		if name = kept.Account; name == "" {
			name = freeAccountName(cfg, s.Name)
		}
		rec := accountRecord{Kind: account.OAuth, Targets: []target{}, AddedAt: b.opt.Now()}
		if _, ok := tx.Get(accountKey(name)); ok {
			if err := getRecord(tx, accountKey(name), &rec); err != nil {
				return err
			}
			if err := rec.mayGoTo(name, kept); err != nil && !bind {
				return err
			}
		}
		rec.Issuer, rec.ClientID = g.Issuer, g.ClientID
		rec.bind(to)
		if err := tx.Put(accountKey(name), rec); err != nil {
			return err
		}
		if err := b.rememberIssuer(tx, s, g.Issuer); err != nil {
			return err
		}
		a := cfg.Accounts[name]
		if a == nil {
			a = &account.Account{Name: name, Kind: account.OAuth}
		}
		withIssuer := *a
		withIssuer.Issuer, withIssuer.ClientID = g.Issuer, g.ClientID
		cfg.Accounts[name] = &withIssuer
		kept.Account = name
		cfg.Servers[s.Name] = kept
		return tx.Put(grantKey(name, to), grantRecord{
			Grant: *g, Registration: flow.Registration.Kind, ClientSecret: flow.Registration.ClientSecret, Target: to, Lineage: lineage,
		})
	})
	if err != nil {
		return err
	}
	b.signedIn(kept, name, to, flow)
	return b.saveMemory()
}

// rememberIssuer notes that the user has signed in at the issuer, and that a
// pre-registered client's secret belongs to it.
func (b *Broker) rememberIssuer(tx *vault.Tx, s *account.Server, issuer string) error {
	var seen []string
	if _, ok := tx.Get(issuersKey); ok {
		if err := getRecord(tx, issuersKey, &seen); err != nil {
			return err
		}
	}
	if !slices.Contains(seen, issuer) {
		if err := tx.Put(issuersKey, append(seen, issuer)); err != nil {
			return err
		}
	}
	var own serverRecord
	if _, ok := tx.Get(serverKey(s.Name)); !ok {
		return nil
	}
	if err := getRecord(tx, serverKey(s.Name), &own); err != nil || own.ClientSecret.IsZero() || own.Issuer != "" {
		return err
	}
	own.Issuer = issuer
	return tx.Put(serverKey(s.Name), own)
}

// signedIn puts a new grant to work at once.
func (b *Broker) signedIn(s *account.Server, name string, to target, flow *authcode.Flow) {
	key := grantKey(name, to)
	b.mu.Lock()
	delete(b.live, key)
	b.seeded[key] = true
	delete(b.problems, problemKey(s))
	delete(b.challenges, s.Name)
	m := b.mem.server(s.Name)
	m.Wants, m.Open = account.OAuth, false
	if port := portOf(flow.RedirectURI); port != 0 {
		b.mem.Ports[flow.Issuer] = port
	}
	b.dropNotice(s.Name)
	a := b.standing(s)
	b.mu.Unlock()
	if a.grant != nil {
		b.cache.Put(b.tokenRequest(a, s), a.grant.Token())
	}
	b.update(nil)
}

// freeAccountName returns the server's name, or one like it that no account has.
func freeAccountName(cfg *account.Config, server string) string {
	name := server
	for i := 2; cfg.Accounts[name] != nil; i++ {
		name = fmt.Sprintf("%s-%d", server, i)
	}
	return name
}

// PasteRedirect gives a waiting sign-in the address that the browser ended at.
func (b *Broker) PasteRedirect(_ context.Context, p local.PastedRedirect) error {
	s, err := b.signInServer(p.Name)
	if err != nil {
		return err
	}
	b.mu.Lock()
	at := b.attempts[s.Name]
	var flow *authcode.Flow
	if at != nil {
		flow = at.flow
	}
	b.mu.Unlock()
	if flow == nil {
		return hint.New(hint.Usage, fmt.Sprintf("No sign-in to %s is waiting.", s.Name), fmt.Sprintf("Start one: keyporter login %s", quoteArg(s.Name)))
	}
	return flow.Paste(p.URL.Reveal())
}

// CancelSignIn ends a sign-in that is under way.
func (b *Broker) CancelSignIn(_ context.Context, n local.Name) error {
	b.cancelAttempt(n.Name)
	return nil
}

func (b *Broker) cancelAttempt(server string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := b.attempts[server]; at != nil {
		at.cancel()
	}
}

// SignOut ends the grants of a server or an account.
func (b *Broker) SignOut(ctx context.Context, r local.SignOutRequest) error {
	s, err := b.signInServer(r.Name)
	if err != nil {
		return err
	}
	a := b.config().Accounts[s.Account]
	if a == nil || a.Kind != account.OAuth {
		return hint.New(hint.Usage, fmt.Sprintf("%s has no sign-in to end.", s.Name), "An account with a key or token is removed with keyporter account remove.")
	}
	b.cancelAttempt(s.Name)
	v, err := b.openedVault(ctx)
	if err != nil {
		return err
	}
	var ended []grantRecord
	err = v.Update(ctx, func(tx *vault.Tx) error {
		for _, key := range tx.Keys(grantPrefix(a.Name)) {
			var g grantRecord
			if err := getRecord(tx, key, &g); err == nil {
				ended = append(ended, g)
			}
			tx.Delete(key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.forgetTokens(a.Name)
	b.update(func() {
		for _, g := range ended {
			delete(b.mem.Rotations, g.Lineage)
		}
	})
	b.record(local.AuditRecord{Event: "sign_out", Server: s.Name, Account: a.Name, Outcome: "ok"})
	if r.Revoke {
		return b.revoke(ctx, v, s, ended)
	}
	return nil
}

// revoke tells the authorization servers that the grants are over (RFC 7009).
func (b *Broker) revoke(ctx context.Context, v *vault.File, s *account.Server, grants []grantRecord) error {
	var errs []error
	for _, g := range grants {
		if g.RevocationEndpoint == "" {
			errs = append(errs, hint.New(hint.Refused, fmt.Sprintf("You are signed out here, but %s has no way to be told.", hostOf(g.Issuer)),
				"End the access in your account's settings there."))
			continue
		}
		client, err := b.oauthClient(s)
		if err != nil {
			return err
		}
		tok, kind := g.RefreshToken.Value, "refresh_token"
		if tok.IsZero() {
			tok, kind = g.AccessToken.Value, "access_token"
		}
		if tok.IsZero() {
			continue
		}
		if err := client.Revoke(ctx, g.RevocationEndpoint, b.grantAuth(v, s, &g), tok, kind); err != nil {
			errs = append(errs, hint.Wrap(err, hint.Of(err).Code, fmt.Sprintf("You are signed out here, but %s did not take the news.", hostOf(g.Issuer)),
				"End the access in your account's settings there."))
		}
		client.CloseIdle()
	}
	return errors.Join(errs...)
}

// startSignIn begins a sign-in that no caller follows.
func (b *Broker) startSignIn(s *account.Server, who asker) error {
	_, _, err := b.begin(s, local.SignInRequest{Name: s.Name, AgentOpen: true}, who)
	return err
}

// mayBegin reports whether a sign-in may begin that no person asked for: for a
// bridge at most three in ten minutes, for the tool no second browser within
// them.
func (b *Broker) mayBegin(server string, who asker) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.attempts[server] != nil {
		return true
	}
	h := b.historyOf(server)
	recent := func(t time.Time) bool { return b.opt.Now().Sub(t).Abs() < quiet }
	h.unasked = slices.DeleteFunc(h.unasked, func(t time.Time) bool { return !recent(t) })
	if who == tool {
		return !recent(h.browser)
	}
	return len(h.unasked) < maxUnasked
}

// historyOf returns a server's history. b.mu is held.
func (b *Broker) historyOf(server string) *signInHistory {
	if b.history[server] == nil {
		b.history[server] = &signInHistory{}
	}
	return b.history[server]
}

// portOf returns the port of a redirect URI on this computer, or 0.
func portOf(redirectURI string) int {
	u, err := url.Parse(redirectURI)
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return 0
	}
	return port
}
