//go:build linux || darwin

package autostart

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"keyporter/internal/atomicfile"
)

// read returns the entry's text, or nil if there is none.
func read(path string) ([]byte, error) {
	b, err := atomicfile.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// write makes the entry, or removes it.
func write(path, text string, on bool) error {
	if !on {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := atomicfile.MakeFolder(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	return atomicfile.WriteFileMode(path, []byte(text), 0o644)
}

// home returns the user's folder, or an error.
func (e *Entry) home() (string, error) {
	h := e.Getenv("HOME")
	if !filepath.IsAbs(h) {
		return "", errors.New("HOME is not set")
	}
	return h, nil
}
