//go:build !linux && !darwin && !windows

package peer

import (
	"errors"
	"net"
)

func of(net.Conn) (Process, error) { return Process{}, errors.ErrUnsupported }
