//go:build unix

package vault

import (
	"errors"
	"syscall"
)

// isFull reports whether err says that there is no room for the file: the disk,
// the quota, or a limit on the size of files.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// isReadOnly reports whether err says that the file system takes no writes.
func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
