package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"

	"keyporter/internal/atomicfile"
)

// Restore puts the previous generation in place of a vault that is damaged or
// missing, and opens it. The damaged file is kept beside as vault.age.damaged-N.
// A vault that is whole, or from a newer version, is left alone. The result has
// Restored set until its first Update.
func Restore(ctx context.Context, opt Options) (*File, error) {
	o, err := opt.checked()
	if err != nil {
		return nil, err
	}
	f, err := o.restore(ctx)
	if err != nil {
		return nil, o.words(fmt.Errorf("restore vault: %w", err))
	}
	return f, nil
}

func (o *Options) restore(ctx context.Context) (*File, error) {
	found, err := o.look()
	if err != nil {
		return nil, err
	}
	if !found.vault && !found.previous {
		return nil, fmt.Errorf("%w: %w", errVaultMissing, &previousError{fs.ErrNotExist})
	}
	id, err := o.identity(ctx, found.backend())
	if err != nil {
		return nil, err
	}
	doc, err := o.previous(id, found)
	if err != nil {
		return nil, err
	}
	if found.vault {
		o.at("restore: keep the damaged file")
		if err := o.keepDamaged(); err != nil {
			return nil, err
		}
	}
	// The generation that is lost had one more, as a rule; no number is used twice.
	doc = doc.next()
	doc.Generation++
	doc.Restored = true
	data, err := seal(&doc, id.Recipient())
	if err != nil {
		return nil, err
	}
	o.at("restore: replace the vault")
	if err := atomicfile.WriteFile(o.File, data); err != nil {
		return nil, err
	}
	return o.file(id, doc, found.backend()), nil
}

// previous reads the generation to restore, if there is need for it.
func (o *Options) previous(id age.Identity, found present) (document, error) {
	if found.vault {
		_, err := readVault(o.File, id)
		if err == nil {
			return document{}, errNotDamaged
		}
		if err = o.diagnose(err, id); !errors.Is(err, ErrDamaged) {
			return document{}, err
		}
		var prev *previousError
		if errors.As(err, &prev) {
			return document{}, err
		}
	}
	doc, err := readVault(o.Previous, id)
	if errors.Is(err, errCorrupt) || errors.Is(err, errNoMatch) {
		return document{}, fmt.Errorf("%w: %w", ErrDamaged, &previousError{err})
	}
	return doc, err
}

// keepDamaged gives the damaged file a second name, or a copy where there are no
// hard links, that nothing else has.
func (o *Options) keepDamaged() error {
	kept := o.unused("damaged")
	if os.Link(o.File, kept) == nil {
		return atomicfile.SyncDir(filepath.Dir(kept))
	}
	data, err := atomicfile.ReadFile(o.File)
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(kept, data)
}

// unused returns a name beside the vault, with the kind in it, that nothing has.
func (o *Options) unused(kind string) string {
	for n := 1; ; n++ {
		path := fmt.Sprintf("%s.%s-%d", o.File, kind, n)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
}
