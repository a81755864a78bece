package audit

import (
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
		return errors.New("write audit log: it is closed")
	}
	if l.file != nil && l.gone() {
		err := l.file.Close()
		l.file = nil
		if err != nil {
			return fmt.Errorf("write audit log: %w", err)
		}
	}
	if l.file != nil && l.size > l.opt.Size {
		if err := l.letGo(); err == nil { // else the file grows on, as where rotate fails
			err := l.file.Close()
			l.file = nil
			if err != nil {
				return fmt.Errorf("rotate audit log: %w", err)
			}
			l.rotate()
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

// letGo takes note, before a rotation, of the records that it will remove. What it
// finds there is let go of, and no more: a record that is missing or changed stays
// one that has to be there, so that Verify goes on saying so. l.mu is held.
func (l *Log) letGo() error {
	if _, err := os.Stat(l.name(l.opt.Keep - 1)); errors.Is(err, fs.ErrNotExist) {
		return l.sync() // nothing takes the place of the oldest file
	}
	f, err := os.Open(l.name(l.opt.Keep))
	if errors.Is(err, fs.ErrNotExist) {
		return l.sync()
	} else if err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	defer f.Close()
	c := l.chain
	if c == nil {
		return keepSealed(f)
	}
	first, state := c.end.First, []byte(nil)
	err = eachLine(f, func(line []byte) {
		k := parse(line)
		if k.body == nil {
			state = covered(state, k.line)
			return
		}
		if k.Seq == first && (k.whole(c.key, state) || k.Prev != nil && k.whole(c.key, k.Prev)) {
			first++
		}
		state = []byte(k.mac)
	})
	if err != nil {
		return err
	}
	if first > c.end.First {
		c.end.First, c.dirty = first, true
	}
	return l.sync()
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

// rotate renames the file to .1 and the older ones to the number above, each
// durably before the next takes its place. Where that fails (a folder that cannot be written to; on Windows a file that somebody
// reads) the file grows on, and the next batch tries again: a record is worth
// more than the size.
func (l *Log) rotate() {
	for i := l.opt.Keep - 1; i >= 0; i-- {
		err := os.Rename(l.name(i), l.name(i+1))
		if err == nil {
			err = atomicfile.SyncDir(filepath.Dir(l.opt.Path))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
}

// name returns the path of the i-th oldest file; 0 is the one in use.
func (l *Log) name(i int) string {
	if i == 0 {
		return l.opt.Path
	}
	return fmt.Sprintf("%s.%d", l.opt.Path, i)
}
