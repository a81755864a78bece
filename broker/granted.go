package broker

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"keyporter/broker/account"
	"keyporter/broker/oauth"
	"keyporter/broker/source/authcode"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

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
		if name = kept.Account; s.Further {
			name = s.Account
		} else if name == "" {
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
		if !s.Further {
			kept.Account = name
		}
		cfg.Servers[s.Name] = kept
		return tx.Put(grantKey(name, to), grantRecord{
			Grant: *g, Registration: flow.Registration.Kind, ClientSecret: flow.Registration.ClientSecret, Target: to, Lineage: lineage, Asked: flow.Scopes,
		})
	})
	if err != nil {
		return err
	}
	if s.Further {
		kept = s
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
	delete(b.challenges, refusalKey(s))
	m := b.mem.server(s.Name)
	m.Wants, m.Open = account.OAuth, false
	m.Scopes = oauth.Union(m.Scopes, b.stepUps[s.Name].scopes)
	delete(b.stepUps, s.Name)
	if port := portOf(flow.RedirectURI); port != 0 {
		b.mem.Ports[flow.Issuer] = port
	}
	b.dropNotice(s.Name)
	if at := b.attempts[s.Name]; at != nil {
		at.kept = true
	}
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
