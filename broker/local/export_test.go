//go:build unix

package local

import (
	"context"
	"net"
	"net/http"

	"keyporter/internal/paths"
)

// Pipes are the local API's connections in memory, for tests that put the real
// programs' parts on both ends.
type Pipes = pipeListener

// NewPipes returns Pipes on which nobody listens yet.
func NewPipes() *Pipes { return newPipeListener() }

// Dial connects to whoever listens.
func (l *pipeListener) Dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// NewClient returns what Dial makes, for an agent that dial connects to.
func NewClient(dial func(context.Context) (net.Conn, error)) *Client {
	c := newClient(paths.Paths{})
	c.agent.API = APIVersion
	c.http.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
	return c
}

// ServePipes is Serve for connections that have no process at their other end.
func ServePipes(ctx context.Context, l net.Listener, b Broker, o ServeOptions) error {
	o.peerOf = func(net.Conn) (Peer, error) { return Peer{}, nil }
	return Serve(ctx, l, b, o)
}
