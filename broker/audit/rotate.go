package audit

import (
	"errors"
	"fmt"
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
