package peer

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// nameSenders sets SO_PASSCRED (unix(7)), which connections inherit.
func nameSenders(c syscall.RawConn) error {
	var inner error
	err := c.Control(func(fd uintptr) { inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
	return errors.Join(err, inner)
}

func only(c net.Conn, pid int) net.Conn {
	if uc, ok := c.(*net.UnixConn); ok && namesSenders(uc) {
		return &senderConn{UnixConn: uc, pid: int32(pid)}
	}
	return c
}

// namesSenders reports whether a connection has inherited SO_PASSCRED. Not every kernel
// that speaks Linux's calls passes it on (gVisor does not).
func namesSenders(uc *net.UnixConn) bool {
	c, err := uc.SyscallConn()
	if err != nil {
		return false
	}
	on := 0
	var inner error
	err = c.Control(func(fd uintptr) { on, inner = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED) })
	return err == nil && inner == nil && on == 1
}

// A senderConn reads what one process has written. The kernel never joins what comes
// from two.
type senderConn struct {
	*net.UnixConn
	pid int32
}

func (c *senderConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil // ReadMsgUnix would take a byte
	}
	var oob [32]byte // CmsgSpace(SizeofUcred), and no room for files that somebody sends
	n, oobn, _, _, err := c.ReadMsgUnix(b, oob[:])
	if errors.Is(err, io.EOF) {
		err = io.EOF // as from any net.Conn
	}
	if n > 0 && senderIn(oob[:oobn]) != c.pid {
		return 0, ErrOtherSender
	}
	return max(n, 0), err // -1 where recvmsg failed
}

// senderIn returns the process that a control message names, or -1.
func senderIn(oob []byte) int32 {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(all) != 1 {
		return -1
	}
	cred, err := unix.ParseUnixCredentials(&all[0])
	if err != nil {
		return -1
	}
	return cred.Pid
}
