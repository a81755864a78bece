package broker

import (
	"context"
	"strings"

	"keyporter/broker/vault"
)

// A movedRecord is in the vault while a server is renamed or removed: the next
// agent finishes what a power cut has left undone in other files.
type movedRecord struct {
	To string `json:"to,omitempty"` // its new name; empty: it was removed
}

// endMove is called when a server's old name stands nowhere any more.
func (b *Broker) endMove(ctx context.Context, server string) error {
	if err := b.saveMemory(); err != nil {
		return err
	}
	b.mu.Lock()
	v := b.vault
	b.mu.Unlock()
	if v == nil {
		return nil
	}
	return v.Update(ctx, func(tx *vault.Tx) error {
		tx.Delete(movedKey(server))
		return nil
	})
}

// finishMoves goes on with servers that were being renamed or removed.
func (b *Broker) finishMoves(ctx context.Context, v *vault.File) {
	for _, key := range v.Keys(movedPrefix) {
		var moved movedRecord
		server := strings.TrimPrefix(key, movedPrefix)
		err := readRecord(v, key, &moved)
		switch {
		case err != nil, b.config().Servers[server] != nil: // there is one of that name again
		case moved.To != "":
			err = b.afterRename(ctx, server, moved.To)
		default:
			err = b.forgetServer(ctx, server)
		}
		if err == nil {
			err = v.Update(ctx, func(tx *vault.Tx) error { tx.Delete(key); return nil })
		}
		if err != nil {
			b.opt.Log.Warn("rename or removal not finished", "server", server, "err", err)
		}
	}
}
