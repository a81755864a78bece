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
	moved, changed := false, ""
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
		changed = changesOf(cfg.Servers[s.Name], &s, p)
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
	b.recordBy(ctx, local.AuditRecord{Event: eventOf(exists), Server: s.Name, Account: s.Account, Name: changed, Outcome: "ok"})
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

func isURL(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}
