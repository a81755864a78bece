package peer

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

func of(c net.Conn) (Process, error) {
	var p Process
	err := control(c, func(fd int) error {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return err
		}
		p = Process{UID: int(cred.Uid), PID: int(cred.Pid)}
		if ended(fd) {
			p.PID = 0
		}
		return nil
	})
	return p, err
}

// ended reports whether the process that opened the connection is gone, so that its
// number may be another's by now, while a child of it still speaks. Linux before 6.5
// cannot tell.
func ended(fd int) bool {
	pidfd, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if err != nil {
		return !errors.Is(err, unix.ENOPROTOOPT)
	}
	defer unix.Close(pidfd)
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, 0)
		if !errors.Is(err, unix.EINTR) { // a signal counts even where nothing is waited for
			return err != nil || n > 0
		}
	}
}
