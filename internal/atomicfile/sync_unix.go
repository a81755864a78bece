//go:build unix

package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// SyncDir makes renames in a folder durable. File systems that know no fsync of
// a folder (some network mounts say EINVAL) count as having done it.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder %s: %w", filepath.Base(dir), cause(err))
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	if err := errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", filepath.Base(dir), cause(err))
	}
	return nil
}

// Rename puts the file from in the place of the file to.
func Rename(from, to string) error { return os.Rename(from, to) }
