// Package peer tells which process is at the other end of a Unix socket or a named
// pipe, and whether it is this user's. The operating system says so, not the process.
package peer

import (
	"errors"
	"fmt"
	"net"
)

// A Process is the one at the other end of a connection.
type Process struct {
	UID int // -1 on Windows, which has none
	PID int // 0 if the system does not tell, or where the process has ended
}

// ErrOtherUser is why a connection of another user is refused.
var ErrOtherUser = errors.New("the process at the other end of the socket belongs to another user")

// Verify returns who is at the other end of c, a connection that either side
// opened, or an error unless it is a process of this user.
func Verify(c net.Conn) (Process, error) {
	p, err := of(c)
	if err != nil {
		return Process{}, fmt.Errorf("find the process at the other end of the socket: %w", err)
	}
	return p, sameUser(p)
}
