package broker

import (
	"context"
	"time"

	"keyporter/broker/audit"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
)

// keepEnd is how often the vault is told where the audit log ends. In between,
// audit.head knows.
const keepEnd = time.Hour

// An auditRecord is what the vault knows about the audit log.
type auditRecord struct {
	Key secret.Plain `json:"key"`
	End audit.Point  `json:"end"`
}

// sealLog seals the audit log with the vault's key, which is made once. A log that
// cannot be sealed goes on without: that is no reason to keep the vault shut.
func (b *Broker) sealLog(ctx context.Context, v *vault.File) {
	var rec auditRecord
	if readRecord(v, auditKey, &rec) != nil {
		rec = auditRecord{Key: secret.Plain{Value: audit.NewKey()}}
		if err := v.Update(ctx, func(tx *vault.Tx) error { return tx.Put(auditKey, rec) }); err != nil {
			b.opt.Log.Warn("audit log not sealed", "err", err)
			return
		}
	}
	err := b.audit.Begin(rec.Key.Value, rec.End)
	if err == nil && rec.End == (audit.Point{}) { // from here on audit.head has to be there
		err = b.keepLogEnd(ctx, v)
	}
	if err != nil {
		b.opt.Log.Warn("audit log not sealed", "err", err)
	}
}

// keepLogEnd tells the vault where the audit log ends, if that is not known there.
func (b *Broker) keepLogEnd(ctx context.Context, v *vault.File) error {
	end, ok := b.audit.End()
	if !ok || v == nil {
		return nil
	}
	if err := b.audit.Sync(); err != nil {
		return err
	}
	var rec auditRecord
	if readRecord(v, auditKey, &rec) != nil || rec.End == end {
		return nil
	}
	return v.Update(ctx, func(tx *vault.Tx) error {
		rec.End = end
		return tx.Put(auditKey, rec)
	})
}

// keepLog makes the audit log durable now and then.
func (b *Broker) keepLog(ctx context.Context) {
	tick, hour := time.NewTicker(memoryDelay), time.NewTicker(keepEnd)
	defer tick.Stop()
	defer hour.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err = b.audit.Sync()
		case <-hour.C:
			b.mu.Lock()
			v := b.vault
			b.mu.Unlock()
			err = b.keepLogEnd(ctx, v)
		}
		if err != nil && ctx.Err() == nil {
			b.opt.Log.Warn("end of the audit log not kept", "err", err)
		}
	}
}

// VerifyLog checks that the audit log is as it was written.
func (b *Broker) VerifyLog(ctx context.Context) (*local.VerifiedLog, error) {
	if _, err := b.openedVault(ctx); err != nil {
		return nil, err
	}
	return b.audit.Verify(ctx)
}
