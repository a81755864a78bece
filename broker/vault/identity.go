package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"

	"keyporter/broker/secret"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// maxWorkFactor bounds what an identity.age from elsewhere may cost to open: 22
// is about 16 seconds.
const maxWorkFactor = 22

// loadIdentity gets the identity of a vault that exists.
func (o *Options) loadIdentity(ctx context.Context, from Backend) (*age.HybridIdentity, error) {
	if from == Passphrase {
		return o.identityFromFile(ctx)
	}
	v, err := o.keyringGet(ctx)
	if errors.Is(err, errNotFound) {
		return nil, o.identityMissing()
	}
	if err != nil {
		return nil, err
	}
	return o.parseIdentity(v)
}

// firstIdentity gets the identity for a new vault: one that is there already, or
// a new one, stored and read back.
func (o *Options) firstIdentity(ctx context.Context, found *found) (*age.HybridIdentity, error) {
	if found.identity {
		return o.identityFromFile(ctx)
	}
	if found.backend == Keyring {
		v, err := o.keyringGet(ctx)
		if err == nil {
			return o.parseIdentity(v)
		}
		if !errors.Is(err, errNotFound) {
			return nil, err
		}
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("make vault's identity: %w", err)
	}
	if found.backend == Passphrase {
		pass, err := o.askPassphrase(ctx)
		if err != nil {
			return nil, err
		}
		return id, o.identityToFile(id, pass)
	}
	return id, o.identityToKeyring(ctx, id)
}

func (o *Options) parseIdentity(v secret.Value) (*age.HybridIdentity, error) {
	id, err := age.ParseHybridIdentity(v.Reveal())
	if err != nil { // err may quote the identity
		return nil, o.wrongIdentity(errors.New("the entry is not an age identity"))
	}
	return id, nil
}

// identityToKeyring stores the identity and makes sure that it can be read back.
func (o *Options) identityToKeyring(ctx context.Context, id *age.HybridIdentity) error {
	want := secret.New(id.String())
	if err := o.keyringSet(ctx, want); err != nil {
		return err
	}
	got, err := o.keyringGet(ctx)
	if err == nil && !got.Equal(want) {
		err = errors.New("it gave something else back")
	}
	if errors.Is(err, errNotFound) {
		err = errors.New("it forgot the entry at once")
	}
	if err != nil {
		return hint.Wrap(err, hint.CodeOf(err), "The keyring did not keep the vault's key.", usePassphrase)
	}
	return nil
}

// identityToFile writes identity.age and makes sure that it can be opened.
func (o *Options) identityToFile(id *age.HybridIdentity, pass secret.Value) error {
	to, err := age.NewScryptRecipient(pass.Reveal())
	if err != nil {
		return hint.New(hint.Usage, "The passphrase is empty.", "Choose another one.")
	}
	if o.ScryptWorkFactor != 0 {
		to.SetWorkFactor(o.ScryptWorkFactor)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return fmt.Errorf("encrypt identity: %w", err)
	}
	if _, err := io.WriteString(w, id.String()); err != nil {
		return fmt.Errorf("encrypt identity: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("encrypt identity: %w", err)
	}
	if err := atomicfile.WriteFile(o.Identity, out.Bytes()); err != nil {
		return unwritable(o.Identity, err)
	}
	got, err := o.openIdentity(pass)
	if err != nil {
		return err
	}
	if got.String() != id.String() {
		return unwritable(o.Identity, errors.New("it could not be read back"))
	}
	return nil
}

func (o *Options) askPassphrase(ctx context.Context) (secret.Value, error) {
	if o.Passphrase == nil {
		return secret.Value{}, passphraseNeeded()
	}
	pass, err := o.Passphrase(ctx)
	if err == nil && pass.IsZero() {
		err = passphraseNeeded()
	}
	return pass, err
}

func (o *Options) identityFromFile(ctx context.Context) (*age.HybridIdentity, error) {
	pass, err := o.askPassphrase(ctx)
	if err != nil {
		return nil, err
	}
	return o.openIdentity(pass)
}

// openIdentity decrypts identity.age.
func (o *Options) openIdentity(pass secret.Value) (*age.HybridIdentity, error) {
	b, err := os.ReadFile(o.Identity)
	if err != nil {
		return nil, unreadable(o.Identity, err)
	}
	damaged := func(cause error) error {
		return fail(ErrDamaged, cause, hint.Failed, fmt.Sprintf("The file %s, which holds the vault's key, is damaged.", o.Identity),
			"Bring it back from a backup; it never changes, so an old one serves.")
	}
	id, err := age.NewScryptIdentity(pass.Reveal())
	if err != nil {
		return nil, passphraseNeeded()
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	r, err := age.Decrypt(bytes.NewReader(b), id)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, fail(ErrWrongPassphrase, nil, hint.Locked, "The passphrase is wrong.", "Try again.")
	}
	if err != nil {
		return nil, damaged(err)
	}
	text, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return nil, damaged(err)
	}
	out, err := age.ParseHybridIdentity(string(text))
	if err != nil { // err may quote the identity
		return nil, damaged(errors.New("its content is not an age identity"))
	}
	return out, nil
}

// Move gives the identity another place: written there and read back, before it
// is removed from the old one. A crash in between leaves it in both, and the
// vault opens as before or as after. Moving to the passphrase back end that is
// in use changes the passphrase.
func (f *File) Move(ctx context.Context, to Backend, passphrase func(context.Context) (secret.Value, error)) error {
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.unlock()
	o := f.opt
	o.Passphrase = passphrase
	switch to {
	case Passphrase:
		pass, err := o.askPassphrase(ctx)
		if err != nil {
			return err
		}
		if err := o.identityToFile(f.identity, pass); err != nil {
			return err
		}
		f.setBackend(to)
		if err := o.keyringDelete(ctx); err != nil && !errors.Is(err, ErrNoKeyring) {
			return hint.Wrap(err, hint.Failed, "The vault's key is under the passphrase now, but it could not be removed from the keyring.",
				"Remove the entry keyporter there, or run the command again.")
		}
		return nil
	case Keyring:
		if f.Backend() == Keyring {
			return nil
		}
		if err := o.identityToKeyring(ctx, f.identity); err != nil {
			return err
		}
		if err := removeFile(o.Identity); err != nil {
			return unwritable(o.Identity, err)
		}
		f.setBackend(to)
		return nil
	}
	return fmt.Errorf("vault: there is no back end %q", to)
}

func (f *File) setBackend(b Backend) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backend = b
}

// Restore puts the previous generation in place of a damaged or missing vault.
// The damaged file is kept beside it as vault.age.damaged, never deleted. It
// fails, and changes nothing, if the vault is whole or the previous generation
// is not.
func Restore(ctx context.Context, o Options) (*File, error) {
	if f, err := Open(ctx, o); err == nil {
		return nil, errors.Join(errors.New("restore vault: it is not damaged"), f.Close())
	} else if !errors.Is(err, ErrDamaged) {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	found, err := o.look()
	if err != nil {
		return nil, err
	}
	id, err := o.loadIdentity(ctx, found.backend)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(o.Previous)
	if err == nil {
		_, err = unseal(b, id)
	}
	if err != nil {
		return nil, hint.Wrap(err, hint.Failed, fmt.Sprintf("The previous generation, %s, cannot be read either. Nothing was changed.", o.Previous),
			"Bring one of the two files back from a backup; else move them away to begin anew.")
	}
	if found.file {
		if err := copyTo(o.File, freeName(o.File+".damaged")); err != nil {
			return nil, unwritable(o.File, err)
		}
	}
	if err := atomicfile.WriteFile(o.File, b); err != nil {
		return nil, unwritable(o.File, err)
	}
	return Open(ctx, o)
}

// freeName returns base, or base with a number, so that it names no file yet.
func freeName(base string) string {
	name := base
	for i := 2; exists(name); i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	return name
}
