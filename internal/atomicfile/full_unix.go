//go:build unix

package atomicfile

import (
	"errors"
	"syscall"
)

// Full reports whether err says that there is no room for the file: the disk,
// the quota, or a limit on the size of files.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// ReadOnly reports whether err says that the file system takes no writes.
func ReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
