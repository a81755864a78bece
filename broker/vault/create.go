package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"

	"keyporter/broker/secret"
	"keyporter/internal/atomicfile"
)

// create makes an empty vault. The new file waits under another name until its
// identity is safe, so that vault.age never exists without a key, and an identity
// without vault.age is a creation that did not end only if that file is there.
func (o *Options) create(ctx context.Context) (*File, error) {
	if o.Backend == Passphrase {
		return o.createWithPassphrase(ctx)
	}
	id, err := o.fromKeyring(ctx)
	if errors.Is(err, ErrIdentityMissing) && !errors.Is(err, errEntryUnknown) {
		if id, err = age.GenerateHybridIdentity(); err != nil {
			return nil, err
		}
		o.at("create: set keyring entry")
		err = o.toKeyring(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	doc := document{}.next()
	if err := o.stageNew(&doc, id); err != nil {
		return nil, err
	}
	return o.commitNew(id, doc, Keyring)
}

func (o *Options) createWithPassphrase(ctx context.Context) (*File, error) {
	pass, err := ask(ctx, o.Passphrase)
	if err != nil {
		return nil, err
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, err
	}
	doc := document{}.next()
	if err := o.stageNew(&doc, id); err != nil {
		return nil, err
	}
	if err := o.writeIdentity(id, pass); err != nil {
		return nil, err
	}
	return o.commitNew(id, doc, Passphrase)
}

// stageNew writes the first generation to where it waits, durably.
func (o *Options) stageNew(doc *document, id *age.HybridIdentity) error {
	if err := makeFolder(filepath.Dir(o.File)); err != nil {
		return err
	}
	data, err := seal(doc, id.Recipient())
	if err != nil {
		return err
	}
	o.at("create: write the new file")
	file, err := newFile(o.staged())
	if err == nil {
		err = errors.Join(fill(file, data), file.Close())
	}
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(o.File))
	}
	if err != nil {
		return errors.Join(err, remove(o.staged()))
	}
	return nil
}

// commitNew puts the first generation in its place.
func (o *Options) commitNew(id *age.HybridIdentity, doc document, b Backend) (*File, error) {
	o.at("create: put the new file in place")
	if err := atomicfile.Rename(o.staged(), o.File); err != nil {
		return nil, err
	}
	if err := atomicfile.SyncDir(filepath.Dir(o.File)); err != nil {
		return nil, err
	}
	return o.file(id, doc, b), nil
}

// finish goes on with the creation of a passphrase vault that did not end. An
// identity beside anything else than a new, empty vault belongs to a vault that
// somebody removed.
func (o *Options) finish(ctx context.Context) (*File, error) {
	if _, err := os.Lstat(o.staged()); err != nil {
		return nil, fmt.Errorf("%w: %w", errVaultMissing, &previousError{err})
	}
	id, err := o.identity(ctx, Passphrase)
	if err != nil {
		return nil, err
	}
	doc, err := readVault(o.staged(), id)
	if err != nil || doc.Generation != 1 {
		return nil, fmt.Errorf("%w: %w", errVaultMissing, &previousError{os.ErrNotExist})
	}
	return o.commitNew(id, doc, Passphrase)
}

// writeIdentity puts the identity under a passphrase: it writes the file under
// another name, proves that it opens, and renames it.
func (o *Options) writeIdentity(id *age.HybridIdentity, pass secret.Value) error {
	data, err := o.sealIdentity(id, pass)
	if err != nil {
		return err
	}
	next := o.Identity + ".next"
	o.at("identity: write the file")
	file, err := newFile(next)
	if err != nil {
		return err
	}
	err = errors.Join(fill(file, data), file.Close())
	if err == nil {
		err = o.verify(next, id, pass)
	}
	if err == nil {
		o.at("identity: put the file in place")
		err = atomicfile.Rename(next, o.Identity)
	}
	if err != nil {
		return errors.Join(err, remove(next))
	}
	return atomicfile.SyncDir(filepath.Dir(o.Identity))
}

// verify proves that an identity file gives the identity back.
func (o *Options) verify(path string, id *age.HybridIdentity, pass secret.Value) error {
	back, err := o.fromFile(path, pass)
	if err != nil {
		return fmt.Errorf("read identity file back: %w: %w", errUnverified, err)
	}
	if !secret.New(back.String()).Equal(secret.New(id.String())) {
		return fmt.Errorf("identity file: %w", errUnverified)
	}
	return nil
}

// makeFolder makes a folder for this user only, under any umask. One that exists
// stays as it is: it may be the user's own choice, and the files in it are 0600.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := atomicfile.MakeFolder(dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}
