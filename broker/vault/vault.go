// Package vault keeps secrets at rest: one age file, vault.age, that holds
// records under exact keys, and the identity (the key) that opens it, which
// rests in the OS keyring or in a file under a passphrase. What a record means
// is the broker's business.
//
// An attacker with the disk can read how large the vault is, when it changed,
// which back end its identity is in, and with the passphrase back end can try
// passphrases against identity.age (age's scrypt, about a second each). Without
// the identity they can read no record and change none unnoticed: age
// authenticates the file. They can put an older vault.age in place of the newer
// one; what that brings back is old grants, which rotation has made worthless.
// An attacker who can run programs as the user can do what the user can.
//
// Callers Open a vault once; one process at a time, which the agent's lock
// ensures. A File's methods are safe for concurrent use. The only goroutines are
// those of calls to the OS keyring that do not come back; they end with the
// process.
package vault

import (
	"context"
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
)

// A Backend is where the identity rests. The words are those of the command line.
type Backend string

const (
	Keyring    Backend = "keyring"    // an entry of the OS keyring
	Passphrase Backend = "passphrase" // identity.age, under age's scrypt
)

// Options say where a vault is and how its identity is got.
type Options struct {
	File     string // Required. vault.age.
	Previous string // Required. vault.age.prev, the generation before.
	Identity string // Required. identity.age, of the passphrase back end.

	// Backend is for a vault that does not exist yet; one that exists says itself
	// where its identity is. Optional; empty means Keyring.
	Backend Backend
	// KeyringUser names the entry in the keyring. Required for Keyring.
	KeyringUser string
	// Keyring is the keyring. Optional; nil is the system's.
	Keyring Store
	// KeyringTimeout bounds each call of the keyring. Optional; zero is 10 s.
	KeyringTimeout time.Duration
	// Passphrase is asked when the passphrase back end is opened or made.
	// Optional; nil means that nobody can be asked, and ErrLocked.
	Passphrase func(context.Context) (secret.Value, error)
	// ScryptWorkFactor is the logarithm of the work to open identity.age, for one
	// that is made. Optional; zero is age's default.
	ScryptWorkFactor int
}

func (o *Options) check() error {
	switch {
	case o.File == "" || o.Previous == "" || o.Identity == "":
		return errors.New("vault: Options.File, Previous and Identity are required")
	case o.Backend != "" && o.Backend != Keyring && o.Backend != Passphrase:
		return fmt.Errorf("vault: there is no back end %q", o.Backend)
	}
	if o.Backend == "" {
		o.Backend = Keyring
	}
	if o.Keyring == nil {
		o.Keyring = systemKeyring{}
	}
	if o.KeyringTimeout == 0 {
		o.KeyringTimeout = 10 * time.Second
	}
	return nil
}

// formatVersion is the version of the document in the file.
const formatVersion = 1

// A document is the content of vault.age.
type document struct {
	Version    int                        `json:"version"`
	Generation uint64                     `json:"generation"` // grows by one with each write
	Records    map[string]json.RawMessage `json:"records"`
}

// A File is an open vault.
type File struct {
	opt      Options
	identity *age.HybridIdentity // not changed after Open

	writing chan struct{} // one slot: who holds it writes, and may use reserve and onDisk
	reserve *os.File      // bytes on disk for the next write; nil if there are none
	onDisk  os.FileInfo   // vault.age as it was last written or read

	mu      sync.Mutex
	doc     *document // replaced as a whole, never changed in place
	backend Backend
	closed  bool
}

// Open opens the vault. It makes a new one, durably, if there is none: no file,
// no previous generation. Every error has words, and one of the package's
// sentinels in its chain if the caller can do something about it. Open changes
// nothing when it fails, except that an identity may have been made.
func Open(ctx context.Context, o Options) (*File, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	found, err := o.look()
	if err != nil {
		return nil, err
	}
	if !found.file && found.previous {
		return nil, o.damaged(fmt.Errorf("%s is missing", filepath.Base(o.File)))
	}
	f := &File{opt: o, backend: found.backend, writing: make(chan struct{}, 1)}
	if !found.file {
		return f, f.create(ctx, found)
	}
	if f.identity, err = o.loadIdentity(ctx, found.backend); err != nil {
		return nil, err
	}
	if f.doc, f.onDisk, err = o.read(o.File, f.identity); err != nil {
		return nil, err
	}
	return f, errors.Join(atomicfile.Leftovers(o.File), atomicfile.Leftovers(o.Previous))
}

// found is what there is on disk.
type found struct {
	file, previous, identity bool
	backend                  Backend
}

// look finds out which files there are. A vault whose identity.age is there
// belongs to the passphrase back end: Move writes it first and removes it last.
func (o *Options) look() (*found, error) {
	f := &found{backend: o.Backend}
	for path, there := range map[string]*bool{o.File: &f.file, o.Previous: &f.previous, o.Identity: &f.identity} {
		switch _, err := os.Lstat(path); {
		case err == nil:
			*there = true
		case !errors.Is(err, fs.ErrNotExist):
			return nil, unreadable(path, err)
		}
	}
	switch {
	case f.identity:
		f.backend = Passphrase
	case f.file || f.previous:
		f.backend = Keyring
	}
	return f, nil
}

// create makes a new, empty vault. An identity that is there already, because a
// crash came before the file or because somebody removed the file, is used
// again: a file that comes back from a backup can then still be opened.
func (f *File) create(ctx context.Context, found *found) (err error) {
	if f.identity, err = f.opt.firstIdentity(ctx, found); err != nil {
		return err
	}
	f.doc = &document{Version: formatVersion, Records: map[string]json.RawMessage{}}
	return f.write(ctx, f.doc)
}

// Get returns the record of exactly that key.
func (f *File) Get(key string) (json.RawMessage, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.doc.Records[key]
	return r, ok
}

// Keys returns the keys that begin with prefix, sorted.
func (f *File) Keys(prefix string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return keys(f.doc.Records, prefix)
}

func keys(records map[string]json.RawMessage, prefix string) []string {
	var out []string
	for k := range records {
		if strings.HasPrefix(k, prefix) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// Backend returns where the identity rests.
func (f *File) Backend() Backend {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.backend
}

// Generation returns how many times the vault has been written.
func (f *File) Generation() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.doc.Generation
}

// A Tx is a change that is being made. It is used by one goroutine, inside the
// function that Update calls.
type Tx struct {
	records map[string]json.RawMessage
	changed bool
}

// Get returns the record of exactly that key, with what this Tx has put.
func (t *Tx) Get(key string) (json.RawMessage, bool) { r, ok := t.records[key]; return r, ok }

// Keys returns the keys that begin with prefix, sorted.
func (t *Tx) Keys(prefix string) []string { return keys(t.records, prefix) }

// Put stores v, which has a JSON form, under key.
func (t *Tx) Put(key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("store record: it has no JSON form")
	}
	t.records[key], t.changed = b, true
	return nil
}

// Delete removes a record, if it is there.
func (t *Tx) Delete(key string) {
	if _, ok := t.records[key]; ok {
		delete(t.records, key)
		t.changed = true
	}
}

// Update lets change alter records. All of it is durable when Update returns
// nil; when change or the disk fails, nothing has changed. change must not call
// the File's methods that write.
func (f *File) Update(ctx context.Context, change func(*Tx) error) error {
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.unlock()
	f.mu.Lock()
	doc := f.doc
	f.mu.Unlock()
	tx := &Tx{records: maps.Clone(doc.Records)}
	if err := change(tx); err != nil {
		return err
	}
	if !tx.changed {
		return nil
	}
	return f.write(ctx, &document{Version: formatVersion, Generation: doc.Generation + 1, Records: tx.records})
}

// lock takes the writing slot.
func (f *File) lock(ctx context.Context) error {
	select {
	case f.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		<-f.writing
		return errors.New("vault: it is closed")
	}
	return nil
}

func (f *File) unlock() { <-f.writing }

// Close ends the use of the vault.
func (f *File) Close() error {
	f.writing <- struct{}{}
	defer f.unlock()
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	return f.dropReserve()
}
