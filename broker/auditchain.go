package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"keyporter/broker/audit"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// keepEnd is how often the vault is told where the audit log ends. In between,
// audit.head knows.
const keepEnd = time.Hour

// An auditRecord is what the vault knows about the audit log.
type auditRecord struct {
	Key  secret.Plain `json:"key"`
	End  audit.Point  `json:"end"`
	Lost audit.Loss   `json:"lost,omitzero"` // what could not be written when the agent ended
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
	if err := b.audit.Begin(rec.Key.Value, rec.End, rec.Lost); err != nil {
		b.opt.Log.Warn("audit log not sealed yet", "err", err)
	}
	// From here on audit.head has to be there; and an agent that was killed told nothing.
	if err := b.keepLogEnd(ctx, v); err != nil {
		b.opt.Log.Warn("end of the audit log not kept", "err", err)
	}
}

// keepLogEnd tells the vault where the audit log ends, if that is not known there,
// whether or not audit.head could be told.
func (b *Broker) keepLogEnd(ctx context.Context, v *vault.File) error {
	end, ok := b.audit.End()
	err := b.audit.Sync()
	lost := b.audit.Unwritten()
	var rec auditRecord
	if !ok || v == nil || readRecord(v, auditKey, &rec) != nil || rec.End == end && rec.Lost == lost {
		return err
	}
	return errors.Join(err, v.Update(ctx, func(tx *vault.Tx) error {
		rec.End, rec.Lost = end, lost
		return tx.Put(auditKey, rec)
	}))
}

// syncLog makes the audit log durable. Records that the vault holds as lost and that
// were written meanwhile are no longer so: the next agent would tell of them for good.
func (b *Broker) syncLog(ctx context.Context, v *vault.File) error {
	err := b.audit.Sync()
	var rec auditRecord
	if v == nil || readRecord(v, auditKey, &rec) != nil || rec.Lost.Records == 0 {
		return err
	}
	if now := b.audit.Unwritten(); now.Records >= rec.Lost.Records && now.From == rec.Lost.From {
		return err
	}
	return b.keepLogEnd(ctx, v)
}

// logProblem says what is wrong with the audit log, if anything is.
func (b *Broker) logProblem() *hint.Error {
	if err := b.audit.Problem(); err != nil {
		h := atomicfile.Unwritable(b.opt.Paths.Audit(), err)
		return hint.Wrap(err, h.Code, "What programs do is not logged. "+h.What, h.Do)
	}
	if err := b.audit.HeadProblem(); err != nil {
		return atomicfile.Unwritable(b.audit.Head(), err)
	}
	if err := b.audit.RotateProblem(); err != nil {
		path := b.opt.Paths.Audit()
		if at := (*fs.PathError)(nil); errors.As(err, &at) {
			path = at.Path
		}
		return hint.Wrap(err, hint.Failed, fmt.Sprintf("The audit log grows without limit, because %s cannot be read.", path),
			"Take away what stands there if it is no file of yours, or make it readable again.")
	}
	return b.damagedLog()
}

// keepLog makes the audit log durable now and then.
func (b *Broker) keepLog(ctx context.Context) {
	tick, hour := time.NewTicker(memoryDelay), time.NewTicker(keepEnd)
	defer tick.Stop()
	defer hour.Stop()
	for {
		keep := b.syncLog
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-hour.C:
			keep = b.keepLogEnd
		}
		b.mu.Lock()
		v := b.vault
		b.mu.Unlock()
		err := keep(ctx, v)
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
	v, err := b.audit.Verify(ctx)
	if err != nil && ctx.Err() == nil {
		err = unverified(err)
	}
	return v, err
}
