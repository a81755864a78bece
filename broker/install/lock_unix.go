//go:build unix

package install

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock waits until nobody else edits files in dir. The lock is the folder's own
// (flock), so that it leaves no file behind and ends with the process.
func lock(dir string) (release func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(d.Fd()), unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { d.Close() }, nil
}
