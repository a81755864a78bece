//go:build unix

package stdio

import (
	"os"

	"golang.org/x/sys/unix"
)

// pollable makes reads of a pipe or a socket wait in the runtime's poller. The
// flag belongs to the open file, so it is left alone if one of beside is the same
// file, whose users do not expect it, and taken back in the end.
func pollable(f *os.File, beside []*os.File) (*os.File, func()) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return f, func() {}
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFIFO && kind != unix.S_IFSOCK {
		return f, func() {}
	}
	for _, other := range beside {
		var o unix.Stat_t
		if err := unix.Fstat(int(other.Fd()), &o); err == nil && o.Dev == st.Dev && o.Ino == st.Ino {
			return f, func() {}
		}
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return f, func() {}
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return f, func() {}
	}
	return os.NewFile(uintptr(fd), f.Name()), func() { _ = unix.SetNonblock(int(f.Fd()), false) } // as it was
}
