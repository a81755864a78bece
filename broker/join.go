package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/team"
	"keyporter/broker/vault"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/sshsig"
)

// JoinProfile does what a review said. Joining anew finds out what to do under the
// lock of the files, and does it only if that is what the user has seen.
func (b *Broker) JoinProfile(ctx context.Context, r local.JoinRequest) (*local.JoinedProfile, error) {
	var j *joinWork
	err := b.edit(ctx, func(cfg *account.Config, tx *vault.Tx) error {
		var err error
		if j, err = b.joining(cfg, tx, r.Profile, r.URL); err != nil {
			return err
		}
		switch {
		case j.review.Digest != r.Digest:
			return hint.New(hint.ApprovalNeeded, "Joining the profile would now do something else than what was shown.", "Look at it once more.")
		case len(j.review.Concerns) > 0 && !r.Agreed:
			return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The profile %q has what has to be agreed to by itself.", j.profile.Name), "Read the review; with --bind the command line agrees to that too.")
		}
		if err := b.trust(j, r.Trust); err != nil {
			return err
		}
		return b.join(cfg, tx, j, &r)
	})
	if err != nil {
		return nil, err
	}
	b.afterJoin(ctx, j)
	return &local.JoinedProfile{Name: j.profile.Name, Changes: j.review.Changes}, b.saveMemory()
}

// join changes the configuration and the vault.
func (b *Broker) join(cfg *account.Config, tx *vault.Tx, j *joinWork, r *local.JoinRequest) error {
	for _, name := range slices.Sorted(maps.Keys(j.plan.Accounts)) {
		if err := b.joinAccount(cfg, tx, j, name); err != nil {
			return err
		}
	}
	for _, name := range j.plan.Local {
		if err := checkThrough(cfg, cfg.Accounts[name]); err != nil {
			return err
		}
	}
	for name, s := range j.plan.Servers {
		if s != nil {
			cfg.Servers[name] = s
		} else if old := cfg.Servers[name]; old != nil {
			b.deleteServer(cfg, tx, old)
		}
	}
	agreed := j.profile.Concerns()
	return tx.Put(profileKey(j.profile.Name), profileRecord{
		URL: r.URL, ETag: r.ETag, IssuedAt: j.profile.IssuedAt, JoinedAt: b.opt.Now(), Signer: j.review.Signer, Agreed: agreed,
	})
}

// joinAccount puts an account's template into the configuration, and what it is
// bound to into the vault.
func (b *Broker) joinAccount(cfg *account.Config, tx *vault.Tx, j *joinWork, name string) error {
	a := j.plan.Accounts[name]
	switch {
	case a == nil:
		b.deleteAccount(cfg, tx, name)
		return nil
	case a.Team == nil: // released
		cfg.Accounts[name] = a
		return nil
	}
	rec := recordOf(a)
	if _, ok := tx.Get(accountKey(name)); ok {
		var old accountRecord
		if err := getRecord(tx, accountKey(name), &old); err != nil {
			return err
		}
		if j.resets[name] {
			b.deleteAccount(cfg, tx, name)
		} else {
			rec.Secret, rec.AddedAt, rec.AllowTokenURI, rec.FoundIssuer, rec.TokenFile = old.Secret, old.AddedAt, old.AllowTokenURI, old.FoundIssuer, old.TokenFile
			rec.Credentials = old.Credentials
			rec.Targets = old.Targets
		}
	}
	for _, to := range j.targets[name] {
		rec.bind(to)
	}
	if v, ok := j.profile.ClientSecrets[a.Team.Name]; ok {
		rec.Secret, rec.AddedAt = secret.Plain{Value: secret.New(v)}, b.opt.Now()
	}
	cfg.Accounts[name] = a
	return tx.Put(accountKey(name), rec)
}

// afterJoin lets go of what is in memory of entries that changed.
func (b *Broker) afterJoin(ctx context.Context, j *joinWork) {
	for name, a := range j.plan.Accounts {
		if a == nil || a.Team != nil {
			b.forgetTokens(name)
		}
	}
	for name, s := range j.plan.Servers {
		if s == nil {
			if err := b.forgetServer(b.life, name); err != nil {
				b.opt.Log.Warn("server of a profile not forgotten everywhere", "server", name, "err", err)
			}
		}
	}
	b.update(func() {
		for _, s := range j.plan.Servers {
			if s != nil {
				delete(b.problems, problemKey(s))
				b.forgetRefusals(s.Name)
				b.historyOf(s.Name).failure = nil
			}
		}
	})
	b.recordBy(ctx, local.AuditRecord{Event: "join", Name: j.profile.Name, Outcome: "ok"})
}

// trust adds the key that signed the profile to the list of signers.
func (b *Broker) trust(j *joinWork, name string) error {
	signer := &j.review.Signer
	if name == "" || signer.Standing == local.SignedKnown {
		return nil
	}
	switch {
	case signer.Standing != local.SignedUnknown:
		return hint.New(hint.Usage, "There is no new key to trust: the profile is not signed, or by a key whose time is over.", "Leave out --trust.")
	case strings.ContainsAny(name, " \t\r\n\"#,*?!"):
		return hint.New(hint.Usage, fmt.Sprintf("%q cannot stand in the list of signers.", clip(name)), "Use a name without spaces, such as an e-mail address.")
	}
	key, err := sshsig.ParsePublicKey([]byte(signer.Key))
	if err != nil {
		return err
	}
	path := b.opt.Paths.Signers()
	text, err := atomicfile.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	text = append(text, sshsig.Line(name, team.Namespace, key)+"\n"...)
	if err := atomicfile.WriteFile(path, text); err != nil {
		return atomicfile.Unwritable(path, err)
	}
	signer.Standing, signer.Name = local.SignedKnown, name
	return nil
}
