package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"keyporter/broker/secret"
	"keyporter/internal/atomicfile"
)

// Move puts the identity in another place, where passphrase (needed for the
// passphrase back end only) protects it, and removes it from the old one after
// the new one has given it back. Whenever it is interrupted, the vault opens: the
// place that counts is identity.age if it is there, else the keyring. Moving to
// the back end that is in use sets a new passphrase, or stores the entry again.
//
// The identity itself stays the same, so the files are not written anew.
//
// If the new place is in use but the old keyring entry could not be removed, Move
// says so with an error; Backend is the new one then.
func (f *File) Move(ctx context.Context, to Backend, passphrase func(context.Context) (secret.Value, error)) error {
	err := known(to)
	if err == nil && to == Passphrase {
		err = f.moveToFile(ctx, passphrase)
	} else if err == nil {
		err = f.moveToKeyring(ctx)
	}
	if err != nil {
		return f.opt.words(fmt.Errorf("move the vault's key: %w", err))
	}
	return nil
}

func (f *File) moveToFile(ctx context.Context, passphrase func(context.Context) (secret.Value, error)) error {
	pass, err := ask(ctx, passphrase) // before the turn: a person may take long
	if err != nil {
		return err
	}
	if err := f.take(ctx); err != nil {
		return err
	}
	defer f.release()
	o := f.opt
	before := f.Backend()
	if err := o.writeIdentity(f.id, pass); err != nil {
		return err
	}
	f.setBackend(Passphrase)
	o.at("move: remove the keyring entry")
	err = o.Keyring.Delete(ctx, o.KeyringUser)
	switch {
	case err == nil, errors.Is(err, ErrIdentityMissing):
		return nil
	case before == Passphrase && errors.Is(err, ErrNoKeyring):
		return nil // only the passphrase was changed, where there never was an entry
	}
	return fmt.Errorf("%w: %w", errEntryLeft, err)
}

func (f *File) moveToKeyring(ctx context.Context) error {
	if err := f.take(ctx); err != nil {
		return err
	}
	defer f.release()
	o := f.opt
	o.at("move: set the keyring entry")
	if err := o.toKeyring(ctx, f.id); err != nil {
		if f.Backend() == Passphrase && errors.Is(err, errUnverified) {
			err = errors.Join(err, o.Keyring.Delete(ctx, o.KeyringUser))
		}
		return err
	}
	o.at("move: remove the identity file")
	if err := os.Remove(o.Identity); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f.setBackend(Keyring)
	o.at("move: sync the folder")
	return atomicfile.SyncDir(filepath.Dir(o.Identity))
}

func (f *File) setBackend(b Backend) {
	f.mu.Lock()
	f.backend = b
	f.mu.Unlock()
}
