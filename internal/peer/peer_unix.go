//go:build unix

package peer

import (
	"errors"
	"net"
	"os"
)

// sameUser compares real user ids: a program that runs with the rights of
// another user through its file mode is still that of the user who started it,
// but none of Keyporter's is installed so.
func sameUser(p Process) error {
	if p.UID != os.Getuid() {
		return ErrOtherUser
	}
	return nil
}

// control runs f on c's descriptor.
func control(c net.Conn, f func(fd int) error) error {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return errors.New("not a unix socket")
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
