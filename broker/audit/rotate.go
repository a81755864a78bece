package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"keyporter/internal/atomicfile"
)

// prepare opens the file if need be and rotates it if it is full. l.mu is held.
func (l *Log) prepare() error {
	if l.closed {
		return errClosed
	}
	if l.file != nil && l.gone() {
		if err := l.closeFile(); err != nil {
			return fmt.Errorf("write audit log: %w", err)
		}
	}
	if l.file != nil && l.size > l.full {
		if err := l.rotate(); err != nil {
			return fmt.Errorf("rotate audit log: %w", err)
		}
	}
	if l.file == nil {
		return l.open()
	}
	return nil
}

// gone reports whether somebody took the file away: what is written to it would be
// lost. l.mu is held.
func (l *Log) gone() bool {
	is, err := os.Stat(l.opt.Path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	was, err := l.file.Stat()
	return err == nil && !os.SameFile(was, is)
}

// rotate renames the file to .1 and the older ones to the number above, each
// durably before the next takes its place, as far as the first number that no file
// has. Where that fails (a folder that cannot be written to; on Windows a file that
// somebody reads), or the oldest one has to stay, the file grows on, and a later batch
// tries again: a record is worth more than the size. l.mu is held.
func (l *Log) rotate() error {
	l.unread = nil
	free := 1
	for ; free <= l.opt.Keep; free++ {
		if _, err := os.Lstat(l.name(free)); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if free > l.opt.Keep {
		more, err := l.letGo()
		if err != nil || more > 0 {
			l.growBy(more)
			return nil
		}
		free = l.opt.Keep
	}
	if err := l.closeFile(); err != nil {
		return err
	}
	l.growBy(0) // unless a new one is begun
	for i := free - 1; i >= 0; i-- {
		err := os.Rename(l.name(i), l.name(i+1))
		if err == nil {
			err = atomicfile.SyncDir(filepath.Dir(l.opt.Path))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return nil
}

// growBy has the next rotation tried when the file is that much longer, which is never
// soon: to try costs more than a record. l.mu is held.
func (l *Log) growBy(more int64) { l.full = l.size + max(more, l.opt.Size/8) }

// letGo makes room for the oldest file but one. The oldest is let go of once the
// others hold as many bytes of sealed records as a rotation leaves, in one row with
// it, whole and without a gap, up to the newest; more is how many bytes that still
// takes. Whatever stands there instead of the files that Keyporter put there, no
// record is pushed out by fewer newer ones. Where the row is not whole, the file is
// set aside, and its records stay ones that have to be there, so that Verify goes on
// saying that they are missing. l.mu is held.
func (l *Log) letGo() (more int64, err error) {
	if l.chain == nil {
		f, err := atomicfile.Open(l.name(l.opt.Keep))
		if l.unread = err; err != nil {
			return 0, fmt.Errorf("read audit log: %w", err)
		}
		defer f.Close()
		return 0, keepSealed(f)
	}
	row, err := l.lookThrough(context.Background())
	if l.unread = err; err != nil {
		return 0, err
	}
	if row.gaps > 0 {
		if err := l.putAside(l.name(l.opt.Keep)); err != nil {
			return 0, err
		}
		return 0, l.keepHead()
	}
	if more := int64(l.opt.Keep)*l.opt.Size - row.newer; more > 0 {
		return more, nil
	}
	if end := &l.chain.end; row.first <= end.First && row.oldest >= end.First {
		end.First, l.chain.dirty = row.oldest+1, true
	}
	return 0, l.keepHead()
}

// errSealed keeps a file whose records nobody can check while the vault is locked.
var errSealed = errors.New("rotate audit log: the oldest file has sealed records, and the vault is locked")

// keepSealed returns an error if a file has a sealed record: which of them are let go
// of can only be said with the key.
func keepSealed(f io.Reader) error {
	sealed := false
	err := eachLine(f, func(line []byte) { sealed = sealed || parse(line).body != nil })
	if err == nil && sealed {
		return errSealed
	}
	return err
}

// putAside renames a file to a name of its own, if there are not too many yet.
func (l *Log) putAside(path string) error {
	for i := 1; i <= maxAside; i++ {
		name := asideName(l.opt.Path, i)
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.Rename(path, name); err != nil {
			return fmt.Errorf("set file aside: %w", err)
		}
		return nil
	}
	return nil
}

// name returns the path of the i-th oldest file; 0 is the one in use.
func (l *Log) name(i int) string {
	if i == 0 {
		return l.opt.Path
	}
	return fmt.Sprintf("%s.%d", l.opt.Path, i)
}
