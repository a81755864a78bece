package vault

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"keyporter/internal/atomicfile"
)

// A Tx is a change under way. It is valid until the function that got it returns.
type Tx struct {
	records map[string]json.RawMessage
	changed bool
}

// Get returns the record of a key as the change has left it so far. The caller
// does not modify it.
func (tx *Tx) Get(key string) (json.RawMessage, bool) {
	raw, ok := tx.records[key]
	return raw, ok
}

// Keys returns the keys that begin with prefix, sorted.
func (tx *Tx) Keys(prefix string) []string { return keys(tx.records, prefix) }

// Changed reports whether anything was put or deleted so far.
func (tx *Tx) Changed() bool { return tx.changed }

// Put stores v's JSON form.
func (tx *Tx) Put(key string, v any) error {
	if key == "" || !utf8.ValidString(key) {
		return fmt.Errorf("put record: the key is empty or not UTF-8")
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("put record %s: %w", key, err)
	}
	tx.records[key] = raw
	tx.changed = true
	return nil
}

// Delete removes a record, if there is one.
func (tx *Tx) Delete(key string) {
	if _, ok := tx.records[key]; ok {
		delete(tx.records, key)
		tx.changed = true
	}
}

// Update changes records: all of what change does, or nothing if it returns an
// error, which Update then returns as it is. Updates run one after the other;
// change may read the File and must not write to it.
//
// When Update returns nil the change is durable. When writing fails, the records
// in memory are as before, and so is vault.age unless the very last step, fsync
// of the folder, was what failed. Once writing has begun, ctx no longer stops it.
//
// A vault.age that another program has written since is not overwritten
// (ErrTouched); see keep.
func (f *File) Update(ctx context.Context, change func(*Tx) error) error {
	if err := f.take(ctx); err != nil {
		return err
	}
	defer f.release()
	f.mu.RLock()
	next := f.doc.next()
	restored := f.doc.Restored
	f.mu.RUnlock()
	tx := &Tx{records: next.Records}
	if err := change(tx); err != nil {
		return err
	}
	if !tx.changed && !restored {
		return nil
	}
	err := ctx.Err()
	if err == nil {
		err = f.untouched(next)
	}
	if err == nil {
		err = f.write(next)
	}
	if err != nil {
		return f.opt.words(fmt.Errorf("write vault: %w", err))
	}
	f.mu.Lock()
	f.doc = next
	f.mu.Unlock()
	return nil
}

// CheckWritable proves that the next Update can write: it reserves, beside the
// vault, twice the vault's size and some more, durably. The next Update writes
// into that space. (On a file system that never overwrites in place, as btrfs or
// ZFS, the space is proven to be there but can be taken by others meanwhile.)
func (f *File) CheckWritable(ctx context.Context) error {
	if err := f.take(ctx); err != nil {
		return err
	}
	defer f.release()
	f.mu.RLock()
	doc := f.doc
	f.mu.RUnlock()
	err := f.untouched(doc)
	if err == nil {
		err = f.reserve(doc)
	}
	if err != nil {
		return f.opt.words(fmt.Errorf("reserve space for vault: %w", err))
	}
	return nil
}

// untouched returns ErrTouched if vault.age is not what this File has read or
// written last, once d is kept. One that somebody removed is no reason to lose
// what is in memory.
func (f *File) untouched(d document) error {
	found, err := f.opt.look()
	if err != nil || !found.vault {
		return err
	}
	data, err := readFile(f.opt.File)
	switch {
	case err != nil && !errors.Is(err, errCorrupt):
		return err
	case err == nil && sha256.Sum256(data) == f.sum:
		return nil
	}
	if err := f.keep(d); err != nil {
		return fmt.Errorf("keep own copy of vault: %w", err)
	}
	return &touchedError{f.kept}
}

// keep writes d beside a vault.age that belongs to another program now, once.
func (f *File) keep(d document) error {
	if f.kept != "" {
		return nil
	}
	data, err := seal(&d, f.id.Recipient())
	if err != nil {
		return err
	}
	path := f.opt.unused("kept")
	if err := atomicfile.WriteFile(path, data); err != nil {
		return err
	}
	f.kept = path
	return nil
}

// take waits for the turn to write; release gives it back.
func (f *File) take(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return f.opt.words(fmt.Errorf("wait for vault: %w", ctx.Err()))
	}
	f.mu.RLock()
	closed := f.closed
	f.mu.RUnlock()
	if closed {
		f.release()
		return f.opt.words(errClosed)
	}
	return nil
}

func (f *File) release() { <-f.turn }

// staged is where the next generation waits until it is whole. The name is
// always the same: there is one writer, and what a killed one left is overwritten.
func (o *Options) staged() string { return o.File + ".next" }

// write puts a document on disk. At each instant vault.age or vault.age.prev is
// there and whole:
//
//  1. the new generation is written to vault.age.next and fsynced;
//  2. vault.age.prev becomes a second name of vault.age (or a copy, where there
//     are no hard links), by a rename over the older one;
//  3. vault.age.next is renamed over vault.age;
//  4. the folder is fsynced. A power cut before that may leave either rename
//     undone; each combination is whole, because all the contents are durable.
func (f *File) write(d document) error {
	data, err := seal(&d, f.id.Recipient())
	if err != nil {
		return err
	}
	o := f.opt
	o.at("write: write the new file")
	file, err := f.takeSpare()
	if err != nil {
		return err
	}
	if err = errors.Join(fill(file, data), file.Close()); err == nil {
		o.at("write: keep the previous generation")
		err = o.keepPrevious()
	}
	if err == nil {
		o.at("write: put the new file in place")
		err = atomicfile.Rename(o.staged(), o.File)
	}
	if err != nil {
		return errors.Join(err, remove(o.staged()))
	}
	f.sum = d.sum
	o.at("write: sync the folder")
	return atomicfile.SyncDir(filepath.Dir(o.File))
}

// keepPrevious makes vault.age.prev the generation that vault.age has now. A
// vault.age that somebody removed meanwhile is no reason to lose what is in
// memory.
func (o *Options) keepPrevious() error {
	now, err := os.Stat(o.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if prev, err := os.Stat(o.Previous); err == nil && os.SameFile(now, prev) {
		return nil // a writer was killed after this step
	}
	next := o.Previous + ".next"
	if err := remove(next); err != nil {
		return err
	}
	if err := os.Link(o.File, next); err != nil {
		data, err := readFile(o.File)
		if err != nil {
			return err
		}
		return atomicfile.WriteFile(o.Previous, data)
	}
	o.at("write: replace the previous generation")
	return atomicfile.Rename(next, o.Previous)
}

// slack is what CheckWritable reserves beyond twice the size, for records that
// grow and for the folder's own blocks.
const slack = 64 << 10

// reserve makes f.spare a file of random bytes, which no file system compresses.
func (f *File) reserve(doc document) error {
	data, err := seal(&doc, f.id.Recipient())
	if err != nil {
		return err
	}
	file, err := f.takeSpare()
	if err != nil {
		return err
	}
	size := int64(2*len(data) + slack)
	_, err = io.CopyN(io.NewOffsetWriter(file, 0), rand.Reader, size)
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return errors.Join(err, file.Close(), remove(f.opt.staged()))
	}
	f.spare = file
	return nil
}

// takeSpare returns the reserved file, if it is still in its place, or a new one.
func (f *File) takeSpare() (*os.File, error) {
	file := f.spare
	f.spare = nil
	if file == nil {
		return newFile(f.opt.staged())
	}
	have, err := file.Stat()
	if err == nil {
		if there, err := os.Lstat(f.opt.staged()); err == nil && os.SameFile(have, there) {
			return file, nil
		}
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	return newFile(f.opt.staged())
}

func (f *File) dropSpare() error {
	if f.spare == nil {
		return nil
	}
	err := errors.Join(f.spare.Close(), remove(f.opt.staged()))
	f.spare = nil
	return err
}

// newFile makes a file in place of what a killed writer left, with mode 0600
// under any umask.
func newFile(path string) (*os.File, error) {
	if err := remove(path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := file.Chmod(0o600); err != nil {
		return nil, errors.Join(err, file.Close(), remove(path))
	}
	return file, nil
}

// fill makes data the content of file, durably, in the space that it has.
func fill(file *os.File, data []byte) error {
	if _, err := file.WriteAt(data, 0); err != nil {
		return err
	}
	if err := file.Truncate(int64(len(data))); err != nil {
		return err
	}
	return file.Sync()
}
