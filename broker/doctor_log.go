package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"keyporter/broker/audit"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// checkLog says whether the audit log is as it was written.
func (b *Broker) checkLog(ctx context.Context, c *checkup) {
	if c.waits(local.CheckLog, local.CheckVault) {
		return
	}
	path := b.opt.Paths.Audit()
	v, err := b.audit.Verify(ctx)
	switch {
	case err != nil:
		c.fail(local.CheckLog, path, unverified(err))
	case len(v.Broken) > 0:
		at := v.Broken[0]
		c.fail(local.CheckLog, path, hint.New(hint.Failed, fmt.Sprintf("The audit log is not as it was written. %s, line %d: %s.", clip(at.File), at.Line, at.What),
			"See all places with keyporter log --verify, and keep the files while you find out who changed them."))
	case b.damagedLog() != nil:
		c.fail(local.CheckLog, path, b.damagedLog())
	default:
		c.ok(local.CheckLog, "as it was written: %s", counted(v.Records, "record"))
	}
}

// unverified gives words to an error of audit.Log.Verify.
func unverified(err error) error {
	if errors.Is(err, audit.ErrNotBegun) {
		return hint.Wrap(err, hint.Failed, "The audit log is not sealed, so nobody can tell whether it was changed.", "Check that the disk has room, then run keyporter stop and keyporter start.")
	}
	return hint.Wrap(err, hint.Failed, "The audit log cannot be read.", "Check that the file is there and yours.")
}

// counted is a number with what it counts, in the plural where it has to be.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
