package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// unlockLimit is how long a prompt of the desktop's keyring may stay open.
const unlockLimit = 2 * time.Minute

// reopenAfter is how soon a vault that could not be opened is tried again when
// somebody needs it. A keyring that was locked when the agent started is often
// open a moment later.
const reopenAfter = 2 * time.Second

// An opening is one attempt to open the vault.
type opening struct {
	done   chan struct{}      // closed when it is over
	giveUp context.CancelFunc // of what can be given up: not of scrypt
	at     time.Time          // when it ended; zero while under way
}

// openVault begins to open the vault, unless it is open or being opened.
func (b *Broker) openVault() *opening {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.opening; o != nil && (o.at.IsZero() || b.vault != nil || b.opt.Now().Sub(o.at).Abs() < reopenAfter) {
		return o
	}
	o := &opening{done: make(chan struct{})}
	if b.stopping {
		close(o.done)
		return o
	}
	ctx, giveUp := context.WithCancel(b.life)
	o.giveUp = giveUp
	started := b.spawn(func(context.Context) {
		defer giveUp()
		v, err := vault.Open(ctx, b.vaultOptions())
		if err == nil {
			if _, err = b.endRotated(ctx, v); err != nil {
				err = errors.Join(err, v.Close())
			} else {
				b.takeUp(ctx, v)
			}
		}
		b.update(func() {
			o.at = b.opt.Now()
			b.setVault(v, err)
		})
		close(o.done)
	})
	if !started {
		giveUp()
		close(o.done)
		return o
	}
	b.opening = o
	return o
}

// takeUp does what a vault that was just opened needs before it is used.
func (b *Broker) takeUp(ctx context.Context, v *vault.File) {
	select {
	case b.edits <- struct{}{}:
		b.catchUp(v)
		<-b.edits
	case <-ctx.Done():
	}
	b.finishMoves(ctx, v)
	b.sealLog(ctx, v)
	b.mu.Lock()
	begun := b.begun
	b.begun = nil
	b.mu.Unlock()
	if begun != nil {
		b.record(*begun)
	}
}

// setVault takes what an opening brought. The error of one that was given up, because
// Keyporter is stopping, is no problem of the vault. b.mu is held.
func (b *Broker) setVault(v *vault.File, err error) {
	if err != nil {
		b.vaultProblem = nil
		if !b.stopping && !b.closing {
			b.vaultProblem = hint.Of(err)
		}
		b.opt.Log.Warn("vault not open", "err", err)
		return
	}
	b.vault, b.vaultProblem, b.approvals = v, nil, approvalsIn(v)
	b.seeded = map[string]bool{}
}

// openedVault returns the vault, waiting for its opening, or why it is not open.
func (b *Broker) openedVault(ctx context.Context) (*vault.File, error) {
	o := b.openVault()
	select {
	case <-o.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.vault == nil {
		if b.vaultProblem == nil {
			return nil, hint.New(hint.Stopped, "Keyporter is stopping.", "Try again in a moment.")
		}
		return nil, b.vaultProblem
	}
	return b.vault, nil
}

// vaultOptions says where the vault is and how its passphrase is found without
// asking: the environment's file, the one that the user named to vault use, or
// what somebody typed since the agent started.
func (b *Broker) vaultOptions() vault.Options {
	o := b.opt.Vault
	o.File = b.opt.Paths.Vault()
	o.Previous = b.opt.Paths.Vault() + ".prev"
	o.Identity = b.opt.Paths.Identity()
	if o.KeyringUser == "" {
		o.KeyringUser = "vault of " + b.opt.Paths.State
	}
	o.Passphrase = b.readPassphrase
	return o
}

// readPassphrase is knownPassphrase that ends with ctx: the file may be a pipe that
// nobody writes to. Reading it goes on then, until somebody does or the agent is gone.
func (b *Broker) readPassphrase(ctx context.Context) (secret.Value, error) {
	type answer struct {
		v   secret.Value
		err error
	}
	read := make(chan answer, 1) // takes the one answer
	go func() {
		v, err := b.knownPassphrase(ctx)
		read <- answer{v, err}
	}()
	select {
	case a := <-read:
		return a.v, a.err
	case <-ctx.Done():
		return secret.Value{}, ctx.Err()
	}
}

func (b *Broker) knownPassphrase(ctx context.Context) (secret.Value, error) {
	b.mu.Lock()
	typed, file := b.passphrase, b.mem.PassphraseFile
	b.mu.Unlock()
	if !typed.IsZero() {
		return typed, nil
	}
	if b.opt.Passphrase != nil {
		if p, err := b.opt.Passphrase(ctx); err != nil || !p.IsZero() {
			return p, err
		}
	}
	if file != "" {
		return ReadPassphrase(file)
	}
	return secret.Value{}, hint.Wrap(vault.ErrLocked, hint.Locked, "The vault is locked: its passphrase is needed.",
		"Run keyporter start and type it, or name a file with KEYPORTER_PASSPHRASE_FILE.")
}

// maxPassphrase is how long a passphrase file may be, in bytes.
const maxPassphrase = 4096

// ReadPassphrase reads a passphrase from a file; one line end at its end does
// not count. The error never holds the content.
func ReadPassphrase(path string) (secret.Value, error) {
	f, err := os.Open(path)
	if err != nil {
		return secret.Value{}, hint.Wrap(err, hint.Locked, fmt.Sprintf("The passphrase file %s cannot be read.", path), "Check its name and that it is yours.")
	}
	defer f.Close()
	buf := make([]byte, maxPassphrase+1)
	n := 0
	for n < len(buf) {
		m, err := f.Read(buf[n:])
		n += m
		if err != nil {
			break
		}
	}
	p := trimLine(string(buf[:n]))
	if p == "" || n > maxPassphrase {
		return secret.Value{}, hint.New(hint.Locked, fmt.Sprintf("The passphrase file %s is empty or longer than %d bytes.", path, maxPassphrase),
			"Put the passphrase on its first line.")
	}
	return secret.New(p), nil
}

func trimLine(s string) string {
	if n := len(s); n > 0 && s[n-1] == '\n' {
		s = s[:n-1]
	}
	if n := len(s); n > 0 && s[n-1] == '\r' {
		s = s[:n-1]
	}
	return s
}

// Unlock opens a vault that is locked: with the passphrase, or by letting the
// desktop's keyring ask.
func (b *Broker) Unlock(ctx context.Context, r local.Unlock) error {
	if _, err := b.openedVault(ctx); err == nil {
		return nil
	}
	opt := b.vaultOptions()
	if r.Passphrase != nil {
		opt.Passphrase = func(context.Context) (secret.Value, error) { return r.Passphrase.Value, nil }
	} else {
		limit, cancel := context.WithTimeout(ctx, unlockLimit)
		defer cancel()
		if err := vault.Unlock(limit, opt); err != nil {
			return err
		}
	}
	v, err := vault.Open(ctx, opt)
	if err != nil {
		return err
	}
	if _, err := b.endRotated(ctx, v); err != nil {
		return errors.Join(err, v.Close())
	}
	b.takeUp(ctx, v)
	var twice *vault.File
	b.update(func() {
		if b.vault != nil { // somebody else was quicker
			twice = v
			return
		}
		b.setVault(v, nil)
		if r.Passphrase != nil {
			b.passphrase, b.prompted = r.Passphrase.Value, true
		}
	})
	if twice != nil {
		return twice.Close()
	}
	return nil
}

// UseVault moves the vault's identity to the other back end. Whoever chooses the
// passphrase has the key, so programs are asked about as for a token.
func (b *Broker) UseVault(ctx context.Context, r local.UseVault) error {
	err := b.useVault(ctx, r)
	b.recordBy(ctx, local.AuditRecord{Event: "use_vault", Name: clip(r.Backend), Outcome: outcomeOf(err)})
	return err
}

func (b *Broker) useVault(ctx context.Context, r local.UseVault) error {
	to := vault.Backend(r.Backend)
	if to != vault.Keyring && to != vault.Passphrase {
		return hint.New(hint.Usage, fmt.Sprintf("%q is not a place for the vault's key.", clip(r.Backend)), "Use keyring or passphrase.")
	}
	var pass secret.Value
	if r.Passphrase != nil {
		pass = r.Passphrase.Value
	}
	if to == vault.Passphrase && pass.IsZero() {
		return hint.New(hint.Usage, "The passphrase back end needs a passphrase.", "Type it when asked, or name a file with --passphrase-file.")
	}
	known := func(context.Context) (secret.Value, error) { return pass, nil }
	v, err := b.openedVault(ctx)
	switch {
	case err == nil:
		if err := b.permit(ctx, "", local.VaultKey); err != nil {
			return err
		}
		if err := v.Move(ctx, to, known); err != nil {
			return err
		}
	case b.nothingYet():
		// No vault was ever made, because the default back end is missing here.
		opt := b.vaultOptions()
		opt.Backend, opt.Passphrase = to, known
		if v, err = vault.Open(ctx, opt); err != nil {
			return err
		}
		b.takeUp(ctx, v)
		b.update(func() { b.setVault(v, nil) })
	default:
		return err
	}
	b.update(func() {
		b.mem.PassphraseFile = ""
		b.passphrase, b.prompted = secret.Value{}, false
		if to == vault.Passphrase {
			b.mem.PassphraseFile = r.PassphraseFile
			if r.PassphraseFile == "" {
				b.passphrase, b.prompted = pass, true
			}
		}
	})
	return b.saveMemory()
}

// nothingYet reports whether no vault has been made.
func (b *Broker) nothingYet() bool {
	for _, p := range []string{b.opt.Paths.Vault(), b.opt.Paths.Vault() + ".prev", b.opt.Paths.Identity()} {
		if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
			return false
		}
	}
	return true
}

// RestoreVault puts the previous generation in place of a damaged vault. Grants
// whose refresh token has been redeemed since are signed out: replaying an old
// refresh token would end the whole family at the provider.
func (b *Broker) RestoreVault(ctx context.Context) (*local.RestoredVault, error) {
	if _, err := b.openedVault(ctx); err == nil {
		return nil, hint.New(hint.Usage, "The vault is whole, so nothing was restored.", "")
	} else if !errors.Is(err, vault.ErrDamaged) {
		return nil, err
	}
	v, err := vault.Restore(ctx, b.vaultOptions())
	if err != nil {
		return nil, err
	}
	var out local.RestoredVault
	out.SignedOut, err = b.endRotated(ctx, v)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	b.takeUp(ctx, v)
	b.update(func() { b.setVault(v, nil) })
	b.recordBy(ctx, local.AuditRecord{Event: "restore_vault", Outcome: "ok"})
	return &out, nil
}

// endRotated marks the grants of a vault that is older than state.json, and
// whose refresh token has been redeemed since, as signed out. It returns their
// accounts. After a restore, one redemption that the vault does not know is
// enough. Otherwise an agent that was killed may have noted a redemption and not
// begun it, so one more or less is left to the provider; two mean that somebody
// put an older copy of the vault in its place.
func (b *Broker) endRotated(ctx context.Context, v *vault.File) ([]string, error) {
	b.mu.Lock()
	rotations := maps.Clone(b.mem.Rotations)
	b.mu.Unlock()
	restored := v.Restored()
	stale := func(g *grantRecord) bool {
		redeemed, known := rotations[g.Lineage]
		switch {
		case g.RefreshToken.IsZero() || g.SignedOut != "":
			return false
		case restored:
			return !known || g.Rotation < redeemed
		}
		return known && g.Rotation+1 < redeemed
	}
	none := true
	for _, key := range v.Keys("grant/") {
		var g grantRecord
		none = none && (readRecord(v, key, &g) != nil || !stale(&g))
	}
	if none && !restored {
		return nil, nil
	}
	var ended []string
	err := v.Update(ctx, func(tx *vault.Tx) error {
		for _, key := range tx.Keys("grant/") {
			var g grantRecord
			if err := getRecord(tx, key, &g); err != nil {
				return err
			}
			if !stale(&g) {
				continue
			}
			g.SignedOut = "The vault was restored from an older copy."
			g.RefreshToken, g.AccessToken = secret.Plain{}, secret.Plain{}
			ended = append(ended, accountOfGrant(key))
			if err := tx.Put(key, g); err != nil {
				return err
			}
		}
		return nil
	})
	return ended, err
}
