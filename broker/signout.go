package broker

import (
	"context"
	"errors"
	"fmt"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/source/authcode"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// SignOut ends the grants of a server or an account.
func (b *Broker) SignOut(ctx context.Context, r local.SignOutRequest) error {
	s, err := b.signInServer(r.Name)
	if err != nil {
		return err
	}
	a := b.config().Accounts[s.Account]
	if a == nil || a.Kind != account.OAuth && a.Kind != account.Google {
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
	for _, name := range append(above(b.config(), a.Name), a.Name) {
		b.forgetTokens(name)
	}
	b.update(func() {
		for _, g := range ended {
			delete(b.mem.Rotations, g.Lineage)
		}
	})
	b.recordBy(ctx, local.AuditRecord{Event: "sign_out", Server: s.Name, Account: a.Name, Outcome: "ok"})
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
		if err := authcode.Revoke(ctx, client, &g.Grant, b.grantAuth(v, s, &g)); err != nil {
			errs = append(errs, hint.Wrap(err, hint.Of(err).Code, fmt.Sprintf("You are signed out here, but %s did not take the news.", hostOf(g.Issuer)),
				"End the access in your account's settings there."))
		}
		client.CloseIdle()
	}
	return errors.Join(errs...)
}
