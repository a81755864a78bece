//go:build !linux && !darwin && !windows

package local

import (
	"errors"
	"net"
)

func peerOf(net.Conn) (Peer, error) { return Peer{}, errors.ErrUnsupported }
