package broker

import (
	"context"
	"fmt"

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
	noted := false
	err = v.Update(ctx, func(tx *vault.Tx) error {
		if err := f(cfg, tx); err != nil {
			return err
		}
		staged, err := b.file.Stage(cfg)
		if noted = tx.Changed(); err != nil || !noted {
			return err
		}
		return tx.Put(editKey, staged)
	})
	if err != nil {
		b.file.Drop()
		return err
	}
	return b.commit(cfg, noted)
}

// commit writes config.json after the vault, which has noted what waits if it has a
// half of the edit. The caller holds b.edits.
func (b *Broker) commit(cfg *account.Config, noted bool) error {
	if b.file.Changed() { // by hand, while the vault was written
		merged, err := b.file.Merge(cfg)
		if err != nil {
			return err
		}
		cfg = merged
	} else if err := b.file.Commit(); err != nil && !noted {
		b.file.Drop()
		return err
	} else if err != nil {
		return hint.Wrap(err, hint.CodeOf(err), fmt.Sprintf("The change is in the vault, but the file %s could not be written yet.", b.file.Path),
			"Check that its disk has room and can be written to; the next change, or the next start of Keyporter, then finishes this one.")
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
// was written, and reports whether there was one. The caller holds b.edits.
func (b *Broker) finishEdit(v *vault.File) (bool, error) {
	var staged config.Staged
	_ = readRecord(v, editKey, &staged) // without one, nothing is finished
	return b.file.Finish(staged)
}

// catchUp is finishEdit for a vault that was just opened.
func (b *Broker) catchUp(ctx context.Context, v *vault.File) {
	select {
	case b.edits <- struct{}{}:
		defer func() { <-b.edits }()
	case <-ctx.Done():
		return
	}
	done, err := b.finishEdit(v)
	if err != nil {
		b.opt.Log.Warn("config.json not brought up to the vault", "err", err)
	}
	if done {
		b.opt.Log.Info("config.json brought up to the vault, after an edit that was interrupted")
		b.loadConfig()
	}
}
