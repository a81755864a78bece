package peer

import (
	"net"

	"golang.org/x/sys/unix"
)

func of(c net.Conn) (Process, error) {
	var p Process
	err := control(c, func(fd int) error {
		cred, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
		if err != nil {
			return err
		}
		p.UID = int(cred.Uid)
		// The process may have ended already; its user is what counts.
		if pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID); err == nil {
			p.PID = pid
		}
		return nil
	})
	return p, err
}
