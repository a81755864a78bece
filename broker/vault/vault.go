package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"keyporter/broker/secret"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// A Backend is where the vault's identity rests.
type Backend string

// The back ends.
const (
	Keyring    Backend = "keyring"    // one entry in the keyring of the operating system
	Passphrase Backend = "passphrase" // identity.age, under age's scrypt
)

// Options say where the vault is.
type Options struct {
	File     string // Required. Path of vault.age.
	Previous string // Required. Path of vault.age.prev, in the same folder.
	Identity string // Required. Path of identity.age; a vault that has one uses the passphrase back end.

	// Backend is for a vault that does not exist yet; one that exists says itself
	// which it has. Zero means Keyring.
	Backend Backend

	KeyringUser string // Optional. User name of the keyring entry; zero is KeyringUser of File's folder.
	Keyring     Store  // Optional. Nil is the keyring of the operating system.

	// Passphrase is asked when the passphrase back end is opened or made. Nil
	// means that nobody can be asked: ErrLocked.
	Passphrase func(ctx context.Context) (secret.Value, error)

	KeyringTimeout   time.Duration // Optional. For each call of the operating system's keyring; zero is 10 s.
	ScryptWorkFactor int           // Optional. Base-two logarithm of the work; zero is age's default.

	// at, if it is not nil, hears the name of each step of a change on disk, just
	// before it. Tests end the process there.
	at func(step string)
}

// checked fills in what is optional and names a field that is missing.
func (o Options) checked() (*Options, error) {
	for name, path := range map[string]string{"File": o.File, "Previous": o.Previous, "Identity": o.Identity} {
		if path == "" {
			return nil, fmt.Errorf("vault.Options: %s is required", name)
		}
	}
	if o.Backend == "" {
		o.Backend = Keyring
	}
	if err := known(o.Backend); err != nil {
		return nil, err
	}
	if o.KeyringUser == "" {
		o.KeyringUser = KeyringUser(filepath.Dir(o.File))
	}
	if o.KeyringTimeout == 0 {
		o.KeyringTimeout = 10 * time.Second
	}
	if o.Keyring == nil {
		o.Keyring = osKeyring{timeout: o.KeyringTimeout}
	}
	if o.at == nil {
		o.at = func(string) {}
	}
	return &o, nil
}

func known(b Backend) error {
	if b == Keyring || b == Passphrase {
		return nil
	}
	return hint.New(hint.Usage, fmt.Sprintf("%q is not a place for the vault's key.", string(b)), "Use keyring or passphrase.")
}

// A File is an open vault: its records in memory, each change written through.
// It is safe for concurrent use. It is the one writer of its files; whoever opens
// it holds the agent's lock.
type File struct {
	opt *Options
	id  *age.HybridIdentity

	turn chan struct{} // holds a value while somebody writes

	// For whoever has the turn:
	spare *os.File          // what CheckWritable has reserved, or nil
	sum   [sha256.Size]byte // of vault.age as it was read or written last
	kept  string            // where keep has put what is in memory, or empty

	mu      sync.RWMutex
	doc     document // its Records are replaced, never changed
	backend Backend
	closed  bool
}

// Open opens the vault, and makes one, durably, if there is none: no vault.age,
// no previous generation, no identity. It never takes a damaged or missing vault
// for an empty one.
//
// A keyring entry without any file (somebody removed the folder) is used for the
// new vault and not replaced, so that files brought back from a backup later can
// still be read.
func Open(ctx context.Context, opt Options) (*File, error) {
	o, err := opt.checked()
	if err != nil {
		return nil, err
	}
	f, err := o.open(ctx)
	if err != nil {
		return nil, o.words(fmt.Errorf("open vault: %w", err))
	}
	return f, nil
}

func (o *Options) open(ctx context.Context) (*File, error) {
	found, err := o.look()
	switch {
	case err != nil:
		return nil, err
	case found.vault:
	case found.previous:
		return nil, errVaultMissing
	case found.identity:
		return o.finish(ctx)
	default:
		f, err := o.create(ctx)
		if err == nil {
			o.tidy() // of one that was killed while it made the first vault
		}
		return f, err
	}
	id, err := o.identity(ctx, found.backend())
	if err != nil {
		return nil, err
	}
	doc, err := readVault(o.File, id)
	if err != nil {
		return nil, o.diagnose(err, id)
	}
	o.tidy()
	return o.file(id, doc, found.backend()), nil
}

func (o *Options) file(id *age.HybridIdentity, doc document, b Backend) *File {
	return &File{opt: o, id: id, turn: make(chan struct{}, 1), sum: doc.sum, doc: doc, backend: b}
}

// tidy removes what killed writers left, so that no copy of an old generation or
// identity stays. One that cannot be removed (read-only disk) is in nobody's way.
func (o *Options) tidy() {
	for _, path := range []string{o.staged(), o.Previous + ".next", o.Identity + ".next"} {
		_ = atomicfile.Leftovers(path)
		_ = remove(path)
	}
	for _, path := range []string{o.File, o.Previous, o.Identity} {
		_ = atomicfile.Leftovers(path)
	}
}

// A present says which files there are.
type present struct{ vault, previous, identity bool }

func (p present) backend() Backend {
	if p.identity {
		return Passphrase
	}
	return Keyring
}

// look finds out which files there are. It refuses symbolic links: replacing the
// file would cut the link, and what it pointed to would go stale unnoticed.
func (o *Options) look() (present, error) {
	var p present
	for path, there := range map[string]*bool{o.File: &p.vault, o.Previous: &p.previous, o.Identity: &p.identity} {
		fi, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return p, err
		case !fi.Mode().IsRegular():
			return p, &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
		default:
			*there = true
		}
	}
	return p, nil
}

// diagnose says what an error of reading vault.age means. A key that opens
// neither generation is more likely the wrong key than two damaged files, but
// with one file nobody can tell.
func (o *Options) diagnose(err error, id age.Identity) error {
	if !errors.Is(err, errCorrupt) && !errors.Is(err, errNoMatch) {
		return err
	}
	_, prev := readVault(o.Previous, id)
	switch {
	case prev == nil:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case errors.Is(err, errNoMatch):
		return fmt.Errorf("%w: %w", errOtherIdentity, &previousError{prev})
	}
	return fmt.Errorf("%w: %w: %w", ErrDamaged, err, &previousError{prev})
}

// Get returns the record of a key.
func (f *File) Get(key string) (json.RawMessage, bool) {
	f.mu.RLock()
	raw, ok := f.doc.Records[key]
	f.mu.RUnlock()
	return bytes.Clone(raw), ok
}

// ReadBack returns the record of a key as vault.age holds it: the file is read
// and decrypted anew, so that a caller who is about to remove another copy of a
// secret knows that this one can be read.
func (f *File) ReadBack(key string) (json.RawMessage, error) {
	doc, err := readVault(f.opt.File, f.id)
	if err != nil {
		return nil, f.opt.words(fmt.Errorf("read vault back: %w", err))
	}
	raw, ok := doc.Records[key]
	if !ok {
		return nil, f.opt.words(errors.New("read vault back: the record is not there"))
	}
	return raw, nil
}

// Keys returns the keys that begin with prefix, sorted.
func (f *File) Keys(prefix string) []string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return keys(f.doc.Records, prefix)
}

func keys(records map[string]json.RawMessage, prefix string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(records)), func(k string) bool { return !strings.HasPrefix(k, prefix) })
}

// Backend returns where the identity is.
func (f *File) Backend() Backend {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.backend
}

// Generation returns the number of the generation in memory, which is on disk. It
// grows with each write.
func (f *File) Generation() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.doc.Generation
}

// Restored reports whether this generation was put back by Restore and nothing
// was written since. It survives a restart, so that a caller that has something to
// do after a restore (mark grants whose refresh token has rotated) finds out
// again if it was killed before.
func (f *File) Restored() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.doc.Restored
}

// Close waits for a write under way and gives the reserved space back. Records
// can still be read afterwards; writes fail.
func (f *File) Close() error {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	return f.dropSpare()
}

// Unlock has the keyring ask the user to unlock it, where keyrings ask (the
// Secret Service on Linux), and returns once it is unlocked, the prompt was
// dismissed (ErrDenied) or ctx is done (ErrTimeout at its deadline). There is
// nothing to do for the passphrase back end and on systems whose keyring asks by
// itself.
func Unlock(ctx context.Context, opt Options) error {
	o, err := opt.checked()
	if err != nil {
		return err
	}
	found, err := o.look()
	if err == nil && (found.backend() == Keyring && (found.vault || o.Backend == Keyring)) {
		if k, ok := o.Keyring.(osKeyring); ok {
			err = k.unlock(ctx, o.KeyringUser)
		}
	}
	if err != nil {
		return o.words(fmt.Errorf("unlock vault: %w", err))
	}
	return nil
}

// remove removes a file that may be there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
