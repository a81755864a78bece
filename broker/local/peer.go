package local

import (
	"context"
	"log/slog"
	"net"

	"keyporter/internal/peer"
	"keyporter/internal/process"
)

// A Peer is the process at the other end of a connection. The operating system
// says so, not the process.
type Peer struct {
	UID int // always this user's; -1 on Windows, which has none
	PID int // 0 if the system does not tell, or where the process has ended

	// Seen is when the connection was accepted, on process.Now's clock. A process
	// that started later only has the same number.
	Seen int64
}

// verifiedPeer returns who is at the other end of c, a connection that either
// side opened, or an error unless it is a process of this user.
func verifiedPeer(c net.Conn) (Peer, error) {
	seen := process.Now()
	p, err := peer.Verify(c)
	return Peer{UID: p.UID, PID: p.PID, Seen: seen}, err
}

type peerKey struct{}

// PeerFrom returns the client's process, from the context of a call to a Broker
// that Serve serves.
func PeerFrom(ctx context.Context) (Peer, bool) {
	p, ok := ctx.Value(peerKey{}).(Peer)
	return p, ok
}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	if pc, ok := c.(*peerConn); ok {
		return context.WithValue(ctx, peerKey{}, pc.peer)
	}
	return ctx
}

// A peerListener accepts connections of this user and closes all others.
type peerListener struct {
	net.Listener
	peerOf func(net.Conn) (Peer, error)
	log    *slog.Logger
}

type peerConn struct {
	net.Conn
	peer Peer
}

func (l *peerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		p, err := l.peerOf(c)
		if err == nil {
			return &peerConn{Conn: c, peer: p}, nil
		}
		c.Close()
		l.log.Warn("connection refused", "uid", p.UID, "pid", p.PID, "err", err)
	}
}

// Close closes the socket, and leaves the lock of a *Listener alone.
func (l *peerListener) Close() error { return closeSocket(l.Listener) }

func closeSocket(l net.Listener) error {
	if own, ok := l.(*Listener); ok {
		l = own.Listener
	}
	return l.Close()
}
