//go:build !linux

package peer

import (
	"net"
	"syscall"
)

func nameSenders(syscall.RawConn) error { return nil }

func only(c net.Conn, _ int) net.Conn { return c }
