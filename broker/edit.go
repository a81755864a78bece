package broker

import (
	"context"
	"errors"

	"keyporter/broker/account"
	"keyporter/broker/config"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// edit runs f while it alone may change config.json and the vault. f gets both;
// what it changes is written when it returns nil, all of it or nothing, whenever
// the power is cut: the new config.json waits beside the old one until the vault,
// which names it, is written.
func (b *Broker) edit(ctx context.Context, f func(*account.Config, *vault.Tx) error) error {
	v, err := b.openedVault(ctx)
	if err != nil {
		return err
	}
	select {
	case b.edits <- struct{}{}:
		defer func() { <-b.edits }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := b.finishEdit(v); err != nil {
		return err
	}
	cfg, err := b.file.Load()
	if err != nil {
		return err
	}
	var staged config.Staged
	noted := false
	err = v.Update(ctx, func(tx *vault.Tx) error {
		if err := f(cfg, tx); err != nil {
			return err
		}
		if staged, err = b.file.Stage(cfg); err != nil {
			return err
		}
		if noted = tx.Changed(); !noted {
			return nil
		}
		return tx.Put(editKey, staged)
	})
	if err != nil {
		b.file.Drop()
		return err
	}
	return b.commit(cfg, staged, noted)
}

// commit writes config.json after the vault, which has noted what waits if it has a
// half of the edit. The caller holds b.edits.
func (b *Broker) commit(cfg *account.Config, staged config.Staged, noted bool) error {
	var err error
	if b.file.Changed() { // by hand, while the vault was written
		if cfg, err = b.file.Finish(staged); cfg == nil && err == nil {
			err = errors.New("what waited beside config.json is gone")
		}
	} else {
		err = b.file.Commit()
	}
	switch {
	case err != nil && !noted:
		b.file.Drop()
		return err
	case err != nil:
		h := hint.Of(err)
		return hint.Wrap(err, h.Code, "The change is in the vault, but not in config.json yet. "+h.What,
			"Mend the file, or make room on its disk; Keyporter then finishes the change.")
	}
	b.update(func() { b.cfg, b.cfgProblem = cfg, nil })
	return nil
}

// editConfig is edit for a change that touches no secret and needs no vault, unless
// an edit that was interrupted waits for it: that can be finished only on
// config.json as it was.
func (b *Broker) editConfig(ctx context.Context, f func(*account.Config) error) error {
	if b.file.Waits() {
		if _, err := b.openedVault(ctx); err != nil {
			return err
		}
	}
	select {
	case b.edits <- struct{}{}:
		defer func() { <-b.edits }()
	case <-ctx.Done():
		return ctx.Err()
	}
	b.mu.Lock()
	v := b.vault
	b.mu.Unlock()
	if v != nil {
		if _, err := b.finishEdit(v); err != nil {
			return err
		}
	}
	cfg, err := b.file.Edit(f)
	if err != nil {
		return err
	}
	b.update(func() { b.cfg, b.cfgProblem = cfg, nil })
	return nil
}

// finishEdit does the second half of an edit that was interrupted after the vault
// was written, and returns what config.json holds then, or nil where there was none.
// The caller holds b.edits.
func (b *Broker) finishEdit(v *vault.File) (*account.Config, error) {
	var staged config.Staged
	_ = readRecord(v, editKey, &staged) // without one, nothing is finished
	return b.file.Finish(staged)
}

// catchUp is finishEdit for a vault that was just opened, or a config.json that a
// person may have mended. The caller holds b.edits.
func (b *Broker) catchUp(v *vault.File) {
	cfg, err := b.finishEdit(v)
	before := b.behind
	b.behind = ""
	switch {
	case err != nil:
		if b.behind = err.Error(); b.behind == before {
			return // tried again and again until the person has mended it
		}
		b.opt.Log.Warn("config.json not brought up to the vault", "err", err)
	case cfg != nil:
		b.opt.Log.Info("config.json brought up to the vault, after an edit that was interrupted")
		b.update(func() { b.cfg, b.cfgProblem = cfg, nil })
	}
}
