package sshsig

import (
	"context"
	"net"

	"github.com/Microsoft/go-winio"
)

// systemAgent is the pipe of the OpenSSH agent that comes with Windows.
const systemAgent = `\\.\pipe\openssh-ssh-agent`

func dialAgent(ctx context.Context, name string) (net.Conn, error) {
	if name == "" {
		name = systemAgent
	}
	return winio.DialPipeContext(ctx, name)
}
