package local

import (
	"context"
	"errors"
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

	// process is the peer's as it was when the connection was accepted; the zero value
	// if it could not be found.
	process process.Process
}

// ErrOther is what Process returns for a process that runs another program than when
// it connected: whoever has a copy of its end of the connection would speak as that.
var ErrOther = errors.New("the process at the other end runs another program than when it connected")

var errUnknown = errors.New("the process at the other end could not be found when it connected")

// Process finds the peer's process, which is the one that connected or none. One whose
// program cannot be found any more, as after an update that took its folder away, has
// no name, and is not another one for that.
func (p Peer) Process() (process.Process, error) {
	now, err := process.Find(p.PID)
	switch {
	case err != nil:
		return process.Process{}, err
	case p.process.PID == 0:
		return process.Process{}, errUnknown
	case !now.Same(p.process):
		return process.Process{}, ErrOther
	}
	return now, nil
}

// verifiedPeer returns who is at the other end of c, a connection that either
// side opened, or an error unless it is a process of this user.
func verifiedPeer(c net.Conn) (Peer, error) {
	seen := process.Now()
	p, err := peer.Verify(c)
	if err != nil {
		return Peer{UID: p.UID, PID: p.PID}, err
	}
	is, err := process.Find(p.PID)
	if err != nil || is.Started > seen { // it has ended, and its number may be another's
		is = process.Process{}
	}
	return Peer{UID: p.UID, PID: p.PID, process: is}, nil
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
	peerOf  func(net.Conn) (Peer, error)
	senders bool // connections name who has written what comes over them
	log     *slog.Logger
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
			if l.senders {
				c = peer.Only(c, p.PID)
			}
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
