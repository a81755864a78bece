package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"

	"keyporter/internal/atomicfile"
)

const (
	// maxSize is how large a vault may be, in bytes.
	maxSize = 64 << 20
	// slack is by how much the next generation may be larger than this one, in
	// bytes, for CheckWritable.
	slack = 64 << 10
)

// write makes doc the vault's content: first a new file beside, whole and on
// disk; then the generation in use becomes the previous one, by a second name
// for the same file; then the new one takes its place. At each instant vault.age
// is a whole generation. The writing slot is held.
func (f *File) write(ctx context.Context, doc *document) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.untouched(); err != nil {
		return err
	}
	b, err := seal(doc, f.identity.Recipient())
	if err != nil {
		return err
	}
	name, err := f.writeNew(b)
	if err != nil {
		return unwritable(f.opt.File, err)
	}
	if err := f.replace(name); err != nil {
		return unwritable(f.opt.File, errors.Join(err, removeFile(name)))
	}
	f.onDisk, err = os.Stat(f.opt.File)
	if err != nil {
		return unwritable(f.opt.File, err)
	}
	f.mu.Lock()
	f.doc = doc
	f.mu.Unlock()
	return nil
}

// untouched returns an error if another program has changed vault.age since it
// was last written: what it put there must not be lost.
func (f *File) untouched() error {
	now, err := os.Stat(f.opt.File)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.onDisk == nil:
		return nil
	case err != nil:
		return f.opt.touched(err)
	case f.onDisk == nil || !os.SameFile(now, f.onDisk) || now.Size() != f.onDisk.Size() || !now.ModTime().Equal(f.onDisk.ModTime()):
		return f.opt.touched(errors.New("it is another file than the one that was written"))
	}
	return nil
}

// writeNew writes b to a new file beside the vault, durably, in the reserved
// space if there is some. It returns the new file's name.
func (f *File) writeNew(b []byte) (string, error) {
	file := f.reserve
	f.reserve = nil
	if file == nil {
		var err error
		if file, err = atomicfile.Create(f.opt.File); err != nil {
			return "", err
		}
	}
	_, err := file.WriteAt(b, 0)
	if err == nil {
		err = file.Truncate(int64(len(b)))
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, removeFile(file.Name()))
	}
	return file.Name(), nil
}

// replace gives the generation in use its second name and puts the new file in
// its place.
func (f *File) replace(name string) error {
	if f.onDisk != nil {
		if err := copyTo(f.opt.File, f.opt.Previous); err != nil {
			return fmt.Errorf("keep the previous generation: %w", err)
		}
	}
	if err := os.Rename(name, f.opt.File); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(f.opt.File))
}

// copyTo makes to another name of the file at from, replacing what was there in
// one step; where the file system has no links, a copy.
func copyTo(from, to string) error {
	tmp := to + ".link.tmp"
	if err := removeFile(tmp); err != nil {
		return err
	}
	if err := os.Link(from, tmp); err == nil {
		return os.Rename(tmp, to)
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(to, b)
}

// CheckWritable makes sure that the next Update will find room on the disk, even
// if it makes the vault larger by 64 KiB: it writes that many bytes beside the
// vault, which the next Update uses. It is for the moment before something is
// done that cannot be done twice, such as redeeming a refresh token.
func (f *File) CheckWritable(ctx context.Context) error {
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.unlock()
	if err := f.untouched(); err != nil {
		return err
	}
	want := f.onDisk.Size() + slack
	if f.reserve != nil {
		if fi, err := f.reserve.Stat(); err == nil && fi.Size() >= want && exists(f.reserve.Name()) {
			return nil
		}
	}
	if err := f.dropReserve(); err != nil {
		return unwritable(f.opt.File, err)
	}
	file, err := atomicfile.Create(f.opt.File)
	if err != nil {
		return unwritable(f.opt.File, err)
	}
	if _, err = io.CopyN(file, zeros{}, want); err == nil {
		err = file.Sync()
	}
	if err != nil {
		return unwritable(f.opt.File, errors.Join(err, file.Close(), removeFile(file.Name())))
	}
	f.reserve = file
	return nil
}

// zeros is an endless reader of zero bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// dropReserve gives the reserved space back. The writing slot is held.
func (f *File) dropReserve() error {
	if f.reserve == nil {
		return nil
	}
	err := errors.Join(f.reserve.Close(), removeFile(f.reserve.Name()))
	f.reserve = nil
	return err
}

// seal encrypts a document to the vault's recipient.
func seal(doc *document, to age.Recipient) ([]byte, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, errors.New("encrypt vault: a record is not JSON")
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, fmt.Errorf("encrypt vault: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("encrypt vault: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encrypt vault: %w", err)
	}
	if out.Len() > maxSize {
		return nil, fmt.Errorf("encrypt vault: it is larger than %d bytes", maxSize)
	}
	return out.Bytes(), nil
}

// read decrypts the vault's file at path.
func (o *Options) read(path string, id age.Identity) (*document, os.FileInfo, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, nil, unreadable(path, err)
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxSize {
		return nil, nil, o.damaged(errors.New("it is not a file of a vault's size"))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, unreadable(path, err)
	}
	doc, err := unseal(b, id)
	if err == nil {
		return doc, fi, nil
	}
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) && !o.opensPrevious(id) {
		return nil, nil, o.wrongIdentity(err)
	}
	if errors.Is(err, ErrNewer) {
		return nil, nil, o.newer()
	}
	return nil, nil, o.damaged(err)
}

// opensPrevious reports whether id fits the previous generation, or what is left
// of it: then it is the vault's file that is damaged, and not id that is wrong.
func (o *Options) opensPrevious(id age.Identity) bool {
	b, err := os.ReadFile(o.Previous)
	if err != nil {
		return false
	}
	_, err = unseal(b, id)
	var none *age.NoIdentityMatchError
	return !errors.As(err, &none)
}

// unseal decrypts and checks a document. Its errors hold nothing of it.
func unseal(b []byte, id age.Identity) (*document, error) {
	r, err := age.Decrypt(bytes.NewReader(b), id)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, errors.New("its content is not a vault's")
	}
	switch {
	case doc.Version > formatVersion:
		return nil, ErrNewer
	case doc.Version < 1 || doc.Records == nil:
		return nil, errors.New("its content is not a vault's")
	}
	return &doc, nil
}

func removeFile(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func exists(name string) bool { _, err := os.Lstat(name); return err == nil }
