package shield

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// core sets the limit of core files to one byte. Zero would let a program that
// core_pattern names have the memory; one is what the kernel takes for "neither a
// file nor a program" (fs/coredump.c).
func core() error {
	var l unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_CORE, &l)
	if err == nil {
		l.Cur = min(1, l.Max)
		err = unix.Setrlimit(unix.RLIMIT_CORE, &l)
	}
	if err != nil {
		return fmt.Errorf("limit core files: %w", err)
	}
	return nil
}

func memory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("hide memory from other programs: %w", err)
	}
	return nil
}
