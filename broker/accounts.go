package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/source/clientcred"
	"keyporter/broker/source/google"
	"keyporter/broker/source/static"
	"keyporter/broker/source/workload"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// ShowAccount returns an account's record.
func (b *Broker) ShowAccount(_ context.Context, n local.Name) (*account.Account, error) {
	return lookupAccount(b.config(), n.Name)
}

// AddAccount adds an account with its secret.
func (b *Broker) AddAccount(ctx context.Context, p local.PutAccount) (*local.AccountState, error) {
	a := p.Account
	a.Name = p.Name
	if err := b.policies().Kind(a.Kind); err != nil {
		return nil, err
	}
	credentials, err := b.examineNew(ctx, &a, &p)
	if err != nil {
		return nil, err
	}
	if err := a.Check(); err != nil {
		return nil, err
	}
	if err := b.checkEndpoints(&a); err != nil {
		return nil, err
	}
	err = b.edit(ctx, func(cfg *account.Config, tx *vault.Tx) error {
		if cfg.Accounts[a.Name] != nil {
			return hint.New(hint.Exists, fmt.Sprintf("There is an account named %q already.", a.Name),
				"Choose another name, or give it a new secret with keyporter account rotate.")
		}
		if a.Kind == account.Google && cfg.Servers[a.Name] != nil {
			return hint.New(hint.Exists, fmt.Sprintf("There is a server named %q, and keyporter login %s would mean that.", a.Name, quoteArg(a.Name)), "Choose another name.")
		}
		if err := checkThrough(cfg, &a); err != nil {
			return err
		}
		cfg.Accounts[a.Name] = &a
		rec := recordOf(&a)
		rec.Secret, rec.AllowTokenURI, rec.AddedAt, rec.Credentials = p.Secret, p.AllowTokenURI, b.opt.Now(), credentials
		return tx.Put(accountKey(a.Name), rec)
	})
	if err != nil {
		return nil, err
	}
	b.recordBy(ctx, local.AuditRecord{Event: "account_add", Account: a.Name, Outcome: "ok"})
	return b.stored(&a), nil
}

// RotateAccount replaces an account's secret.
func (b *Broker) RotateAccount(ctx context.Context, p local.PutAccount) (*local.AccountState, error) {
	before, now, rec, err := b.rotated(ctx, p)
	if err != nil {
		return nil, err
	}
	err = b.edit(ctx, func(cfg *account.Config, tx *vault.Tx) error {
		var old accountRecord
		if err := getRecord(tx, accountKey(p.Name), &old); err != nil {
			return err
		}
		if cfg.Accounts[p.Name] == nil || !old.AddedAt.Equal(before) {
			return hint.New(hint.Exists, fmt.Sprintf("The account %q was changed by somebody else meanwhile.", p.Name), "Look at it again with keyporter account show.")
		}
		rec.Targets, rec.FoundIssuer, rec.AddedAt = old.Targets, old.FoundIssuer, b.opt.Now()
		cfg.Accounts[p.Name] = now
		return tx.Put(accountKey(p.Name), rec)
	})
	if err != nil {
		return nil, err
	}
	b.forgetTokens(p.Name)
	b.recordBy(ctx, local.AuditRecord{Event: "account_rotate", Account: p.Name, Outcome: "ok"})
	return b.stored(now), nil
}

// rotated returns an account and its record with another secret, and since when
// it has had the present one.
func (b *Broker) rotated(ctx context.Context, p local.PutAccount) (before time.Time, now *account.Account, rec accountRecord, err error) {
	v, err := b.openedVault(ctx)
	if err != nil {
		return before, nil, rec, err
	}
	old, err := lookupAccount(b.config(), p.Name)
	if err != nil {
		return before, nil, rec, err
	}
	if err := hasSecret(old); err != nil {
		return before, nil, rec, err
	}
	if err := readRecord(v, accountKey(p.Name), &rec); err != nil {
		return before, nil, rec, err
	}
	a := *old
	allow := rec.AllowTokenURI
	if p.AllowTokenURI != "" {
		allow = p.AllowTokenURI
	}
	if err := b.examineRotated(ctx, &a, &rec, &p, allow); err != nil {
		return before, nil, rec, err
	}
	if a.Kind == account.GoogleKey && old.Email != a.Email && old.Email != "" {
		return before, nil, rec, hint.New(hint.Usage, fmt.Sprintf("The new key belongs to %s and the account %q to %s.", clip(a.Email), a.Name, clip(old.Email)),
			"Use a key of the same service account, or add another account.")
	}
	before = rec.AddedAt
	rec.Secret, rec.AllowTokenURI = p.Secret, allow
	return before, &a, rec, nil
}

// hasSecret returns an error for an account that has none to replace.
func hasSecret(a *account.Account) error {
	switch a.Kind {
	case account.OAuth:
		return hint.New(hint.Usage, fmt.Sprintf("The account %q has no key; it is a sign-in.", a.Name), "Run keyporter login to sign in again.")
	case account.Workload:
		return hint.New(hint.Usage, fmt.Sprintf("The account %q has no key here; its platform writes a new one into %s.", a.Name, a.TokenFile), "Nothing needs to be done.")
	case account.GoogleImpersonate:
		return hint.New(hint.Usage, fmt.Sprintf("The account %q has no key; it goes through the account %q.", a.Name, a.Through), "Nothing needs to be done.")
	}
	return nil
}

// RemoveAccount removes an account, its secret and its grants.
func (b *Broker) RemoveAccount(ctx context.Context, n local.Name) (*local.RemovedAccount, error) {
	out := &local.RemovedAccount{}
	err := b.edit(ctx, func(cfg *account.Config, tx *vault.Tx) error {
		if _, err := lookupAccount(cfg, n.Name); err != nil {
			return err
		}
		out.UsedBy = cfg.UsedBy(n.Name)
		for _, s := range out.UsedBy {
			changed := *cfg.Servers[s]
			changed.Without(n.Name)
			cfg.Servers[s] = &changed
		}
		b.deleteAccount(cfg, tx, n.Name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.forgetTokens(n.Name)
	b.recordBy(ctx, local.AuditRecord{Event: "account_remove", Account: n.Name, Outcome: "ok"})
	return out, nil
}

// deleteAccount removes an account with everything that the vault has of it.
func (b *Broker) deleteAccount(cfg *account.Config, tx *vault.Tx, name string) {
	delete(cfg.Accounts, name)
	tx.Delete(accountKey(name))
	for _, key := range tx.Keys(grantPrefix(name)) {
		tx.Delete(key)
	}
}

// forgetTokens drops what is known of an account's tokens, so that connected
// bridges let go of them at once.
func (b *Broker) forgetTokens(name string) {
	b.cache.Drop(name)
	b.update(func() {
		for k := range b.problems {
			if strings.HasPrefix(k, name+"\x00") {
				delete(b.problems, k)
			}
		}
		for k := range b.seeded {
			if strings.HasPrefix(k, grantPrefix(name)) {
				delete(b.seeded, k)
			}
		}
		for k := range b.live {
			if strings.HasPrefix(k, grantPrefix(name)) {
				delete(b.live, k)
			}
		}
	})
}

// stored returns the state of an account whose secret was just stored.
func (b *Broker) stored(a *account.Account) *local.AccountState {
	st := b.stateOfAccount(a)
	st.Verified = b.confirmed(a.Name)
	return st
}

// confirmed reports whether the vault's file holds the account's record as it is
// in memory: what was just written is read back and decrypted.
func (b *Broker) confirmed(name string) bool {
	b.mu.Lock()
	v := b.vault
	b.mu.Unlock()
	if v == nil {
		return false
	}
	want, ok := v.Get(accountKey(name))
	if !ok {
		return false
	}
	got, err := v.ReadBack(accountKey(name))
	if err != nil {
		b.opt.Log.Warn("vault not read back", "err", err)
	}
	return err == nil && bytes.Equal(got, want)
}

func (b *Broker) stateOfAccount(a *account.Account) *local.AccountState {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.accountState(a, b.cfg.UsedBy(a.Name))
	return &st
}

// examine checks a secret against the account's kind and fills in what the
// secret says about itself.
func examine(a *account.Account, v secret.Value, allowTokenURI string) error {
	switch a.Kind {
	case account.GoogleKey:
		key, err := google.ParseKey(v)
		if err != nil {
			return err
		}
		if err := google.CheckTokenURI(key, allowTokenURI); err != nil {
			return err
		}
		a.Email, a.KeyID, a.TokenURI = key.Email, lastFour(key.KeyID), key.TokenURI
	case account.ClientCredentials:
		if a.AuthMethod == oauth.AuthPrivateKeyJWT {
			_, err := clientcred.ParsePrivateKey(v)
			return err
		}
		if v.IsZero() {
			return hint.New(hint.Usage, "The client secret is empty.", "Check the file.")
		}
	case account.Enterprise, account.Google:
		if v.IsZero() {
			return hint.New(hint.Usage, "The client secret is empty.", "Check the file.")
		}
	case account.Workload:
		_, err := workload.File(a.TokenFile)(context.Background())
		return err
	case account.Static:
		_, err := static.New(static.Options{Value: v, Header: a.Header})
		return err
	}
	return nil
}

func lastFour(s string) string {
	if len(s) <= 4 {
		return s
	}
	return s[len(s)-4:]
}

// checkEndpoints refuses addresses that a secret must not be sent to.
func (b *Broker) checkEndpoints(a *account.Account) error {
	for _, u := range []string{a.Issuer, a.TokenEndpoint, a.IDPTokenEndpoint} {
		if u == "" {
			continue
		}
		if _, err := account.ParseURL(u, false); err != nil {
			return hint.Wrap(errors.Unwrap(err), hint.Usage, fmt.Sprintf("%q is not an address for getting tokens.", clip(u)),
				"It has to begin with https://, or be on this computer.")
		}
	}
	return nil
}
