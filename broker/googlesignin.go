package broker

import (
	"context"
	"crypto/rand"
	"fmt"

	"keyporter/broker/account"
	"keyporter/broker/oauth"
	"keyporter/broker/source/authcode"
	"keyporter/broker/source/google"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// ofAccount is the Registration of a grant whose client's secret is the account's.
const ofAccount = "account"

// signsIn returns what somebody signs in to for a server: the first of its
// layers, or of the Google accounts that these go through, that is a sign-in and
// not ready; the first that is a sign-in if all are. A server without any is its
// own. b.mu is held.
func (b *Broker) signsIn(s *account.Server) *account.Server {
	var first *account.Server
	for _, layer := range s.Layers() {
		target := b.signInOf(layer)
		switch {
		case target == nil:
		case !b.standing(target).ready():
			return target
		case first == nil:
			first = target
		}
	}
	if first == nil {
		return s
	}
	return first
}

// signInOf returns what somebody signs in to for one layer, or nil. b.mu is held.
func (b *Broker) signInOf(s *account.Server) *account.Server {
	a := b.cfg.Accounts[s.Account]
	switch {
	case a == nil && s.Account == "", a != nil && a.Kind == account.OAuth:
		return s
	case a == nil:
		return nil
	case a.Kind == account.Google:
		return standaloneServer(a)
	}
	for _, name := range beneath(a) {
		if t := b.cfg.Accounts[name]; t != nil && t.Kind == account.Google {
			return standaloneServer(t)
		}
	}
	return nil
}

// attemptName returns the name under which sign-ins for a server are known.
// b.mu is held.
func (b *Broker) attemptName(server string) string {
	if s := b.cfg.Servers[server]; s != nil {
		return b.signsIn(s).Name
	}
	return server
}

// isGoogleSignIn reports whether s stands for an account of the kind google.
func (b *Broker) isGoogleSignIn(s *account.Server) bool {
	a := b.config().Accounts[s.Account]
	return a != nil && a.Kind == account.Google && s.URL == googleTarget.Origin
}

// signInGoogle signs a person in at Google with the client of an account.
func (b *Broker) signInGoogle(ctx context.Context, at *attempt, name string, pick, device bool) error {
	v, err := b.openedVault(ctx)
	if err != nil {
		return err
	}
	a, err := lookupAccount(b.config(), name)
	if err != nil {
		return err
	}
	var rec accountRecord
	if err := readRecord(v, accountKey(name), &rec); err != nil {
		return err
	}
	if err := rec.agrees(a); err != nil {
		return err
	}
	if device {
		return hint.New(hint.Usage, "Google gives no access to Google Cloud for a code that is typed on another device.",
			fmt.Sprintf("Run: keyporter login %s --no-browser", quoteArg(name)))
	}
	issuer := google.SignIn().Issuer
	if !b.mayUse(at, issuer, b.seenIssuers(v)) {
		return errUnknownIssuer
	}
	clientSecret, err := b.secretOf(ctx, &rec)
	if err != nil {
		return err
	}
	client, err := b.oauthClient(nil)
	if err != nil {
		return err
	}
	defer client.CloseIdle()
	scopes := a.Scopes
	if len(scopes) == 0 {
		scopes = []string{google.CloudPlatform}
	}
	b.mu.Lock()
	port := b.mem.Ports[issuer]
	b.mu.Unlock()
	flow, err := authcode.Start(ctx, authcode.Options{
		Client: client, ServerURL: googleTarget.Origin, Discovery: &oauth.Discovery{Server: google.SignIn()},
		ClientID: rec.ClientID, ClientSecret: clientSecret, AuthMethod: oauth.AuthSecretPost, Scopes: oauth.Union(google.IdentityScopes, scopes),
		NoResource: true, SelectAccount: pick, DPoP: authcode.DPoPNever, Port: port, Now: b.opt.Now,
	})
	if err != nil {
		return err
	}
	defer flow.Close()
	if err := b.checkKept(ctx, v); err != nil {
		return err
	}
	grant, err := b.followFlow(ctx, at, flow, pick)
	if err != nil {
		return err
	}
	if err := b.keepGoogleGrant(ctx, name, flow, grant); err != nil {
		return err
	}
	b.signInDone(at, grant)
	return nil
}

// keepGoogleGrant stores what a person's Google sign-in brought.
func (b *Broker) keepGoogleGrant(ctx context.Context, name string, flow *authcode.Flow, g *authcode.Grant) error {
	if g.RefreshToken.IsZero() {
		return hint.New(hint.Refused, "Google gave no lasting sign-in.", "Sign in again, and allow all that is asked for.")
	}
	lineage := rand.Text()
	earlier := b.config().Accounts[name]
	b.update(func() {
		b.mem.Rotations[lineage] = 0
		// Where nothing serves meanwhile, nobody asks with the new grant before the
		// tokens of the one before are forgotten: what they ask for would go with them.
		b.settling[lineage] = earlier == nil || !b.standing(standaloneServer(earlier)).ready()
	})
	defer b.update(func() { delete(b.settling, lineage) })
	if err := b.saveMemory(); err != nil {
		return err
	}
	key := grantKey(name, googleTarget)
	err := b.edit(ctx, func(cfg *account.Config, tx *vault.Tx) error {
		a, err := lookupAccount(cfg, name)
		if err != nil || a.Kind != account.Google || a.ClientID != g.ClientID {
			return hint.New(hint.Failed, fmt.Sprintf("The account %q was changed while its sign-in was under way.", name), "Sign in again.")
		}
		if err := b.rememberIssuer(tx, standaloneServer(a), g.Issuer); err != nil {
			return err
		}
		return tx.Put(key, grantRecord{Grant: *g, Registration: ofAccount, Target: googleTarget, Lineage: lineage, Asked: flow.Scopes})
	})
	if err != nil {
		return err
	}
	cfg := b.config()
	for _, n := range append(above(cfg, name), name) { // tokens of whoever was signed in before
		b.forgetTokens(n)
	}
	b.mu.Lock()
	b.seeded[key] = true
	if port := portOf(flow.RedirectURI); port != 0 {
		b.mem.Ports[flow.Issuer] = port
	}
	b.dropNotice(name)
	a := b.standing(standaloneServer(cfg.Accounts[name]))
	b.mu.Unlock()
	if a.grant != nil {
		b.cache.Put(b.tokenRequest(a, nil), a.grant.Token())
	}
	return b.saveMemory()
}

// meansGoogle returns an error for a name that a server must not take, because a
// Google account has it that people sign in to by name.
func meansGoogle(cfg *account.Config, name string) error {
	if a := cfg.Accounts[name]; a != nil && a.Kind == account.Google {
		return hint.New(hint.Exists, fmt.Sprintf("There is a Google account named %q, and keyporter login %s means that.", name, quoteArg(name)), "Choose another name.")
	}
	return nil
}
