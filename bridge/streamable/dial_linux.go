package streamable

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unacked is tcp(7)'s TCP_USER_TIMEOUT; without it, a quarter of an hour passes.
func unacked(network, address string, c syscall.RawConn) error {
	var err error
	if failed := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(gone.Milliseconds()))
	}); failed != nil {
		return failed
	}
	return err
}
