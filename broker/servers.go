package broker

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
	"keyporter/internal/network"
)

// ShowServer returns a server's record.
func (b *Broker) ShowServer(_ context.Context, n local.Name) (*account.Server, error) {
	return lookupServer(b.config(), n.Name)
}

// AddServer adds a server, after asking it what it wants.
func (b *Broker) AddServer(ctx context.Context, p local.PutServer) (*local.AddedServer, error) {
	if _, taken := b.config().Servers[p.Name]; taken {
		return nil, hint.New(hint.Exists, fmt.Sprintf("There is a server named %q already.", p.Name),
			"Choose another name, or change it with keyporter set.")
	}
	return b.putServer(ctx, p, false)
}

// SetServer replaces the record of a server that exists.
func (b *Broker) SetServer(ctx context.Context, p local.PutServer) (*local.AddedServer, error) {
	if _, err := lookupServer(b.config(), p.Name); err != nil {
		return nil, err
	}
	p.Offline = true
	return b.putServer(ctx, p, true)
}

func (b *Broker) putServer(ctx context.Context, p local.PutServer, exists bool) (*local.AddedServer, error) {
	s := p.Server
	s.Name = p.Name
	if p.ClientCert != nil {
		pair, err := network.Pair(p.ClientCert.Chain, p.ClientCert.Key.Value)
		if err != nil {
			return nil, err
		}
		s.ClientCert = network.Fingerprint(pair)
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := allowed(b.policies(), b.config(), &s); err != nil {
		return nil, err
	}
	out := &local.AddedServer{}
	var seen *serverMemory
	// With a client certificate the server answers once that is in the vault, and
	// behind a gate once its account may be used.
	later := p.ClientCert != nil || len(s.AlsoAccounts) > 0
	if !p.Offline && !later {
		seen, out.Found, out.Warning = b.ask(ctx, &s)
	}
	moved := false
	write := func(cfg *account.Config, tx *vault.Tx) error {
		if err := meansGoogle(cfg, s.Name); err != nil && !exists {
			return err
		}
		if old := cfg.Servers[s.Name]; old != nil {
			moved = old.URL != s.URL
		}
		if _, taken := cfg.Servers[s.Name]; taken != exists {
			return hint.New(hint.Exists, fmt.Sprintf("The server %q was changed by somebody else meanwhile.", s.Name), "Look at it again with keyporter show.")
		}
		if err := b.putServerSecrets(cfg, tx, &s, p); err != nil {
			return err
		}
		if err := b.putProxyLogin(tx, &s, p.ProxyLogin); err != nil {
			return err
		}
		for _, l := range s.Layers() {
			if err := b.bindServer(cfg, tx, l, p.Bind); err != nil {
				return err
			}
		}
		cfg.Servers[s.Name] = &s
		return nil
	}
	if err := b.editServer(ctx, &s, p, write); err != nil {
		return nil, err
	}
	if !p.Offline && later {
		seen, out.Found, out.Warning = b.ask(ctx, &s)
	}
	b.update(func() {
		if seen != nil {
			old := b.mem.server(s.Name)
			old.Wants, old.Open = seen.Wants, seen.Open
		}
		delete(b.problems, problemKey(&s))
		b.forgetRefusals(s.Name)
		b.historyOf(s.Name).failure = nil
		if moved {
			delete(b.stepUps, s.Name)
			b.mem.server(s.Name).Scopes = nil
		}
		out.Server = b.serverState(&s)
	})
	b.record(local.AuditRecord{Event: eventOf(exists), Server: s.Name, Account: s.Account, Outcome: "ok"})
	return out, b.saveMemory()
}

func eventOf(exists bool) string {
	if exists {
		return "set"
	}
	return "add"
}

// editServer runs write. A server that has no secret and no account needs no
// vault, so it can be added where there is none yet.
func (b *Broker) editServer(ctx context.Context, s *account.Server, p local.PutServer, write func(*account.Config, *vault.Tx) error) error {
	if s.Account != "" || len(s.AlsoAccounts) > 0 || s.HasSecrets() || p.ClientSecret != nil || p.ProxyLogin != nil || hasWay(s) {
		return b.edit(ctx, write)
	}
	if _, err := b.openedVault(ctx); err == nil {
		return b.edit(ctx, write)
	}
	return b.editConfig(ctx, func(cfg *account.Config) error { return write(cfg, nil) })
}

// putServerSecrets stores the server's own secrets with the address that they
// may go to. tx is nil if there is no vault and nothing to store.
func (b *Broker) putServerSecrets(cfg *account.Config, tx *vault.Tx, s *account.Server, p local.PutServer) error {
	if tx == nil {
		return nil
	}
	to, err := targetOf(s.URL)
	if err != nil {
		return err
	}
	var rec serverRecord
	if _, ok := tx.Get(serverKey(s.Name)); ok && cfg.Servers[s.Name] != nil {
		if err := getRecord(tx, serverKey(s.Name), &rec); err != nil {
			return err
		}
		keeps := len(rec.SecretHeaders) > 0 && len(s.SecretHeaders) > 0 || len(rec.SecretQuery) > 0 && len(s.SecretQuery) > 0 || !rec.ClientSecret.IsZero() && p.ClientSecret == nil ||
			s.ClientCert != "" && p.ClientCert == nil
		if keeps && !rec.Target.covers(to) && !p.Bind {
			return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The secrets of %s have not been allowed to go to %s.", s.Name, to),
				"Repeat the command with --bind if they should.")
		}
	}
	rec.Target = to
	if rec.SecretHeaders, err = secretHeaders(s, rec.SecretHeaders, p.SecretHeaders); err != nil {
		return err
	}
	if rec.SecretQuery, err = secretQuery(s, rec.SecretQuery, p.SecretQuery); err != nil {
		return err
	}
	if rec.ClientID != s.ClientID {
		rec.ClientSecret, rec.Issuer = secret.Plain{}, ""
	}
	rec.ClientID = s.ClientID
	if p.ClientSecret != nil {
		rec.ClientSecret, rec.Issuer = *p.ClientSecret, s.Issuer
	}
	if s.Issuer != "" && !rec.ClientSecret.IsZero() {
		rec.Issuer = s.Issuer
	}
	if err := rec.putWay(s, p.ClientCert); err != nil {
		return err
	}
	if len(rec.SecretHeaders) == 0 && len(rec.SecretQuery) == 0 && rec.ClientSecret.IsZero() && !hasWay(s) {
		tx.Delete(serverKey(s.Name))
		return nil
	}
	return tx.Put(serverKey(s.Name), rec)
}

// secretHeaders returns the values of the headers that s names.
func secretHeaders(s *account.Server, old, given map[string]secret.Plain) (map[string]secret.Plain, error) {
	out := map[string]secret.Plain{}
	for _, h := range s.SecretHeaders {
		v, ok := given[h]
		if !ok {
			v, ok = old[h]
		}
		if !ok || v.IsZero() {
			return nil, hint.New(hint.Usage, fmt.Sprintf("The secret header %s has no value.", h), "Give it a file: --secret-header "+h+"=FILE")
		}
		if !fieldValue(v.Reveal()) {
			return nil, hint.New(hint.Usage, fmt.Sprintf("The value of the secret header %s has more than one line or characters that a header cannot have.", h), "Check the file.")
		}
		out[h] = v
	}
	return out, nil
}

// secretQuery returns the values of the parameters that s names.
func secretQuery(s *account.Server, old, given map[string]secret.Plain) (map[string]secret.Plain, error) {
	out := map[string]secret.Plain{}
	for _, name := range s.SecretQuery {
		v, ok := given[name]
		if !ok {
			v, ok = old[name]
		}
		if !ok || v.IsZero() {
			return nil, hint.New(hint.Usage, fmt.Sprintf("The parameter %s of the address has no value.", clip(name)), "Take it out of secret_query, or add the server again.")
		}
		out[name] = v
	}
	return out, nil
}

// fieldValue reports whether s can be a header field's value (RFC 9110 section
// 5.5, without obs-text).
func fieldValue(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' || r > '~' {
			return false
		}
	}
	return s != "" && strings.TrimSpace(s) == s
}

// bindServer allows the account's tokens to go to the server, if that needs no
// question or bind says that the user agreed.
func (b *Broker) bindServer(cfg *account.Config, tx *vault.Tx, s *account.Server, bind bool) error {
	if s.Account == "" {
		return nil
	}
	a, err := lookupAccount(cfg, s.Account)
	if err != nil {
		return err
	}
	var rec accountRecord
	if err := getRecord(tx, accountKey(s.Account), &rec); err != nil {
		return err
	}
	if err := rec.agrees(a); err != nil {
		return err
	}
	to, err := targetOf(s.URL)
	if err != nil {
		return err
	}
	if rec.mayGoTo(s.Account, s) == nil {
		return nil
	}
	if !bind {
		if err := question(&rec, s, to); err != nil {
			return err
		}
	}
	rec.bind(to)
	return tx.Put(accountKey(s.Account), rec)
}

// question returns what has to be asked before an account's tokens may go to a
// new place, or nil: the first origin that an account is given to is what the
// user just asked for, and so is another path on an origin it has. An audience
// that is somebody else's address is always asked about, because a token for
// that address is a key to it.
func question(rec *accountRecord, s *account.Server, to target) error {
	for _, t := range rec.Targets {
		if t.Origin != to.Origin {
			continue
		}
		return nil
	}
	if len(rec.Targets) > 0 {
		return hint.New(hint.ApprovalNeeded,
			fmt.Sprintf("The account %q is used for %s so far; its tokens would now also go to %s.", s.Account, rec.Targets[0].Origin, to.Origin),
			"Repeat the command with --bind if they should.")
	}
	if rec.Audience == "" || rec.Kind == account.Static {
		return nil
	}
	if u, err := url.Parse(rec.Audience); err == nil && u.Host != "" && account.Origin(u) == to.Origin {
		return nil
	}
	return hint.New(hint.ApprovalNeeded,
		fmt.Sprintf("The account %q makes tokens for %s, and they would be sent to %s, which could use them there.", s.Account, clip(rec.Audience), to.Origin),
		"Repeat the command with --bind if both belong together.")
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
	b.record(local.AuditRecord{Event: "rename", Server: r.New, Name: r.Old, Outcome: "ok"})
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
	b.record(local.AuditRecord{Event: "remove", Server: name, Outcome: "ok"})
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

func isURL(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}
