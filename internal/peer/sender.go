package peer

import (
	"errors"
	"net"
	"syscall"
)

// ErrOtherSender is why what came over a connection is not read.
var ErrOtherSender = errors.New("another process than the one that opened the connection has written to it")

// NameSenders makes the connections of a Unix socket tell who has written what comes
// over them, as far as the system can: Linux. It is the Control of a net.ListenConfig,
// since a connection from before it does not tell.
func NameSenders(_, _ string, c syscall.RawConn) error { return nameSenders(c) }

// Only returns c, which a listener with NameSenders has accepted, without what another
// process than pid has written: a child can have a copy of its parent's connection.
func Only(c net.Conn, pid int) net.Conn { return only(c, pid) }
