package shield

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func core() error {
	var l unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_CORE, &l)
	if err == nil {
		l.Cur = 0
		err = unix.Setrlimit(unix.RLIMIT_CORE, &l)
	}
	if err != nil {
		return fmt.Errorf("limit core files: %w", err)
	}
	return nil
}

// memory asks for what ptrace(2) calls PT_DENY_ATTACH. Whoever may have this task's
// port can still read; without an entitlement that is an administrator.
func memory() error {
	if err := unix.PtraceDenyAttach(); err != nil {
		return fmt.Errorf("hide memory from other programs: %w", err)
	}
	return nil
}
