//go:build !windows

package sshsig

import (
	"context"
	"errors"
	"net"
)

func dialAgent(ctx context.Context, socket string) (net.Conn, error) {
	if socket == "" {
		return nil, errors.New("SSH_AUTH_SOCK is not set")
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", socket)
}
