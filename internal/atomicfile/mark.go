package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A mark is an empty file that says one thing by being there. No damage to another
// file touches it.

// Marked reports whether the mark at path is there.
func Marked(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the mark %s: %w", filepath.Base(path), err)
	}
	return true, nil
}

// SetMark makes the mark at path, or removes it, durably. Its errors have words.
func SetMark(path string, on bool) error {
	var err error
	if on {
		err = touch(path)
	} else {
		if is, err := Marked(path); err == nil && !is {
			return nil // a read-only disk refuses to remove even what is not there
		}
		err = os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil
		}
	}
	if err == nil {
		err = SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return Unwritable(path, err)
	}
	return nil
}

// touch makes an empty file, unless there is one.
func touch(path string) error {
	f, err := OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
