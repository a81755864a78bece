package broker

import (
	"context"
	"fmt"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// RenameServer gives a server another name. Its account keeps its own.
func (b *Broker) RenameServer(ctx context.Context, r local.Rename) error {
	if err := account.CheckName(r.New); err != nil {
		return err
	}
	if _, err := lookupServer(b.config(), r.Old); err != nil {
		return err
	}
	err := b.edit(ctx, func(cfg *account.Config, tx *vault.Tx) error {
		s := cfg.Servers[r.Old]
		if s == nil {
			return hint.New(hint.NotFound, fmt.Sprintf("There is no server named %q.", clip(r.Old)), "See keyporter list.")
		}
		if cfg.Servers[r.New] != nil {
			return hint.New(hint.Exists, fmt.Sprintf("There is a server named %q already.", r.New), "Choose another name.")
		}
		if err := meansGoogle(cfg, r.New); err != nil {
			return err
		}
		delete(cfg.Servers, r.Old)
		s.Name = r.New
		cfg.Servers[r.New] = s
		if err := tx.Put(movedKey(r.Old), movedRecord{To: r.New}); err != nil {
			return err
		}
		raw, ok := tx.Get(serverKey(r.Old))
		if !ok {
			return nil
		}
		tx.Delete(serverKey(r.Old))
		return tx.Put(serverKey(r.New), raw)
	})
	if err != nil {
		return err
	}
	b.recordBy(ctx, local.AuditRecord{Event: "rename", Server: r.New, Name: r.Old, Outcome: "ok"})
	return b.afterRename(ctx, r.Old, r.New)
}

// afterRename gives what is kept elsewhere of a server its new name.
func (b *Broker) afterRename(ctx context.Context, from, to string) error {
	b.answersOf(from).rename(to)
	b.update(func() {
		if m := b.mem.Servers[from]; m != nil {
			b.mem.Servers[to] = m
			delete(b.mem.Servers, from)
		}
		b.dropNotice(from)
	})
	b.renameInClients(ctx, from, to)
	return b.endMove(ctx, from)
}

// RemoveServer removes a server, its secrets, and the account that its sign-in
// made if no other server uses it.
func (b *Broker) RemoveServer(ctx context.Context, n local.Name) error {
	s, err := lookupServer(b.config(), n.Name)
	if err != nil {
		return err
	}
	name := s.Name
	orphan := ""
	remove := func(cfg *account.Config, tx *vault.Tx) error {
		if s := cfg.Servers[name]; s != nil {
			orphan = b.deleteServer(cfg, tx, s)
		}
		return nil
	}
	if err := b.editServer(ctx, s, local.PutServer{}, remove); err != nil {
		return err
	}
	if orphan != "" {
		b.cache.Drop(orphan)
	}
	b.recordBy(ctx, local.AuditRecord{Event: "remove", Server: name, Outcome: "ok"})
	return b.forgetServer(ctx, name)
}

// deleteServer removes a server, its secrets, and the account that its sign-in
// made if nothing else uses it, whose name it returns. tx is nil if there is no
// vault.
func (b *Broker) deleteServer(cfg *account.Config, tx *vault.Tx, s *account.Server) (orphan string) {
	delete(cfg.Servers, s.Name)
	if tx == nil {
		return ""
	}
	tx.Delete(serverKey(s.Name))
	_ = tx.Put(movedKey(s.Name), movedRecord{}) // its name is one already
	if a := cfg.Accounts[s.Account]; a != nil && a.Kind == account.OAuth && len(cfg.UsedBy(s.Account)) == 0 {
		b.deleteAccount(cfg, tx, s.Account)
		return s.Account
	}
	return ""
}

// forgetServer lets go of what is in memory of a server that was removed, and of
// its entries in MCP clients' files.
func (b *Broker) forgetServer(ctx context.Context, name string) error {
	b.cancelAttempt(name)
	b.answersOf(name).remove()
	b.update(func() {
		delete(b.mem.Servers, name)
		b.forgetRefusals(name)
		delete(b.history, name)
		delete(b.stepUps, name)
		b.dropNotice(name)
	})
	b.removeFromClients(ctx, name)
	return b.endMove(ctx, name)
}

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
