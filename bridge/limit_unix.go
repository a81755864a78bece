//go:build unix

package bridge

import "golang.org/x/sys/unix"

// files returns how many files the process may have open.
func files() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur > 1<<30 {
		return 1 << 30
	}
	return int(l.Cur)
}
