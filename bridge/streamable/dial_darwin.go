package streamable

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unacked is TCP_RXT_CONNDROPTIME of tcp(4), in seconds.
func unacked(network, address string, c syscall.RawConn) error {
	var err error
	if failed := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_RXT_CONNDROPTIME, int(gone.Seconds()))
	}); failed != nil {
		return failed
	}
	return err
}
