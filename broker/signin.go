package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/broker/source/authcode"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

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
	return b.signInEach(ctx, s, r, tell)
}

// signInEach signs in to s and then to what else the named server needs a sign-in
// for: a server with two accounts may need two.
func (b *Broker) signInEach(ctx context.Context, s *account.Server, r local.SignInRequest, tell func(*local.SignInEvent) error) error {
	var last *local.SignInEvent
	for done := map[string]bool{}; ; {
		done[s.Account] = true
		err := b.signInOnce(ctx, s, r, func(ev *local.SignInEvent) error {
			if ev.Done {
				last = ev
				return nil
			}
			return tell(ev)
		})
		if err != nil {
			return err
		}
		next, err := b.signInServer(r.Name)
		if err != nil {
			return err
		}
		b.mu.Lock()
		ready := b.standing(next).ready()
		b.mu.Unlock()
		if ready || done[next.Account] || last == nil {
			break
		}
		if err := tell(&local.SignInEvent{Message: fmt.Sprintf("Signed in%s; one sign-in is left.", as(last.Identity))}); err != nil {
			return err
		}
		s = next
	}
	if last == nil {
		return nil
	}
	return tell(last)
}

func as(identity string) string {
	if identity == "" {
		return ""
	}
	return " as " + clip(identity)
}

// signInServer finds what to sign in to: a server, or one that uses the account
// of that name.
func (b *Broker) signInServer(name string) (*account.Server, error) {
	cfg := b.config()
	s, err := lookupServer(cfg, name)
	if err == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.signsIn(s), nil
	}
	if a := cfg.Accounts[name]; a != nil {
		if a.Kind == account.Google {
			return standaloneServer(a), nil
		}
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
	_, stepUp := b.stepUps[s.Name] // a call waits for more permissions
	b.mu.Unlock()
	switch {
	case a.halted():
		return nil, a.problem
	case a.account != nil && a.account.Kind != account.OAuth && a.account.Kind != account.Google:
		if a.ready() {
			return &local.SignInEvent{Done: true, Already: true, Identity: a.identity,
				Message: fmt.Sprintf("%s uses the account %q and needs no sign-in.", s.Name, a.account.Name)}, nil
		}
		return nil, a.problem
	case a.status == local.ApprovalNeeded && !r.Bind:
		return nil, a.problem
	case a.account == nil || r.Switch || !a.ready() || stepUp:
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

// errUnknownIssuer ends a sign-in that a model asked for at an issuer that the
// user has not seen yet.
var errUnknownIssuer = errors.New("the issuer is new to the user")

// signIn is one sign-in from beginning to end.
func (b *Broker) signIn(ctx context.Context, at *attempt, s *account.Server, r local.SignInRequest) error {
	if b.isGoogleSignIn(s) {
		return b.signInGoogle(ctx, at, s.Account, r.Switch, r.Device)
	}
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
	if err := b.checkKept(ctx, v); err != nil { // also for the client that Start may register
		return err
	}
	o.SelectAccount, o.Device = r.Switch, r.Device
	flow, err := authcode.Start(ctx, o)
	if err != nil {
		return err
	}
	defer flow.Close()
	if err := b.checkKept(ctx, v); err != nil {
		return err
	}
	grant, err := b.followFlow(ctx, at, flow, r.Switch)
	if err != nil {
		b.dropRegistration(v, flow, err)
		return err
	}
	if err := b.keepGrant(ctx, s, flow, grant, r.Bind); err != nil {
		return err
	}
	b.signInDone(at, grant)
	return nil
}

// checkKept makes sure, before the user is sent to a browser, that what comes back
// can be kept: both files are written, as after the sign-in.
func (b *Broker) checkKept(ctx context.Context, v *vault.File) error {
	if err := v.CheckWritable(ctx); err != nil {
		return err
	}
	b.memWrites <- struct{}{}
	b.memWritten = nil // so that it is written even if nothing changed
	<-b.memWrites
	return b.saveMemory()
}

// signInDone tells of a sign-in that went well.
func (b *Broker) signInDone(at *attempt, g *authcode.Grant) {
	b.update(func() {
		at.events = append(at.events, &local.SignInEvent{Done: true, Identity: g.Identity.String()})
	})
}

// followFlow tells of a sign-in that is ready for the browser, and waits for it.
// private is for a window that knows nobody.
func (b *Broker) followFlow(ctx context.Context, at *attempt, flow *authcode.Flow, private bool) (*authcode.Grant, error) {
	b.update(func() {
		b.dropNotice(at.server)
		at.flow = flow
		b.historyOf(at.server).browser = b.opt.Now()
		at.events = append(at.events, &local.SignInEvent{Open: flow.URL, Issuer: flow.Issuer, UserCode: flow.UserCode, Private: private, Preset: presetWords(flow.Preset)})
	})
	return b.waitForBrowser(ctx, at, flow, private)
}

// presetWords names a provider whose ways are known, with the reason, or nothing.
func presetWords(p *oauth.Preset) string {
	switch {
	case p == nil || p.Name == "":
		return ""
	case p.Why == "":
		return p.Name
	}
	return p.Name + ", " + p.Why
}

// mayUse reports whether an attempt may go to an issuer: one that only a model
// asked for goes where the user has been before.
func (b *Broker) mayUse(at *attempt, issuer string, seen []string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return at.asker != tool || slices.Contains(seen, issuer)
}

// dropRegistration forgets a dynamic registration that the provider no longer
// accepts, so that the next sign-in makes a new one. A provider that does not know
// a client shows that in the browser and sends nobody back, so a registration from
// before with which nobody came back counts too.
func (b *Broker) dropRegistration(v *vault.File, flow *authcode.Flow, cause error) {
	reg := flow.Registration
	if reg.Kind != oauth.Dynamic || !errors.Is(cause, authcode.ErrClientRefused) && !(flow.Kept && errors.Is(cause, context.DeadlineExceeded)) {
		return
	}
	err := v.Update(b.life, func(tx *vault.Tx) error {
		var now oauth.ClientRegistration
		if getRecord(tx, registrationKey(reg.Issuer), &now) == nil && now.ClientID == reg.ClientID {
			tx.Delete(registrationKey(reg.Issuer))
		}
		return nil
	})
	if err != nil {
		b.opt.Log.Warn("registration not forgotten", "err", err)
	}
}

// waitForBrowser waits until the browser has come back. If the agent has to open
// it and cannot, the wait is over.
func (b *Broker) waitForBrowser(ctx context.Context, at *attempt, flow *authcode.Flow, private bool) (*authcode.Grant, error) {
	wait, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	if at.opens {
		b.tasks.Go(func() {
			if err := b.openBrowser(wait, flow.URL, private); err != nil && wait.Err() == nil {
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
	fields, known := b.challenges[refusalKey(s)]
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
	document := s.ClientMetadataURL
	if document == "" {
		document = b.settings().ClientMetadataURL
	}
	o := authcode.Options{
		Client: client, ServerURL: s.URL, Challenge: challenge, Discovery: d, Issuer: s.Issuer,
		ClientID: s.ClientID, ClientMetadataURL: document,
		Scopes: s.Scopes, Resource: s.Resource, NoResource: s.NoResource, Audience: s.Audience,
		AuthorizeParams: s.AuthorizeParams, AssumePKCE: s.AssumePKCE, DPoP: authcode.DPoP(s.DPoP), UseIDToken: s.UseIDToken, RedirectURI: s.RedirectURI, Now: b.opt.Now,
	}
	var err error
	if o.Preset, err = oauth.FindPreset(d.Server.Issuer, s.Preset); err != nil {
		return o, err
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
	o.MoreScopes = oauth.Union(b.mem.server(s.Name).Scopes, b.stepUps[s.Name].scopes)
	b.mu.Unlock()
	o.Registered = func(ctx context.Context, reg *oauth.ClientRegistration) error {
		return v.Update(ctx, func(tx *vault.Tx) error { return tx.Put(registrationKey(issuer), reg) })
	}
	return o, nil
}

// openBrowser opens a page for the agent itself, in a private window if it is for
// another person.
func (b *Broker) openBrowser(ctx context.Context, url string, private bool) error {
	const do = "Sign in from the tray or with keyporter login instead."
	if b.opt.OpenBrowser == nil {
		return hint.New(hint.SignInNeeded, "The agent has no browser to open.", do)
	}
	if err := b.opt.OpenBrowser(ctx, url, private); err != nil {
		return hint.Wrap(err, hint.SignInNeeded, "The browser could not be opened.", do)
	}
	return nil
}
