package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/gofrs/flock"

	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// ErrOwned means that another agent runs.
var ErrOwned = errors.New("another agent runs")

// A Listener is the agent's socket together with the lock that makes its holder
// the one agent. The lock is released by Close or by the end of the process,
// however it ends.
type Listener struct {
	net.Listener
	lock *flock.Flock
}

// Listen makes the folders, takes the lock and listens on the local API's
// address. It fails with ErrOwned if another agent answers there. It waits,
// 6 seconds at most, for one that is just ending. What an agent that was killed
// left behind is removed.
//
// The lock's file also holds the process number of its holder, for people, unless
// the disk is full.
func Listen(ctx context.Context, p paths.Paths) (*Listener, error) {
	if err := checkAddress(p.Socket()); err != nil {
		return nil, err
	}
	if err := p.Make(); err != nil {
		return nil, err
	}
	if err := p.CheckRuntime(); err != nil {
		return nil, err
	}
	lock := lockAt(p.Lock())
	if err := takeLock(ctx, p, lock); err != nil {
		return nil, err
	}
	l, err := listen(ctx, p.Socket())
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	signLock(p.Lock())
	return &Listener{Listener: l, lock: lock}, nil
}

// lockAt is a lock that does not wait for somebody at the other end of a pipe in its
// place.
func lockAt(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDONLY|atomicfile.Nonblock))
}

// takeLock tries until the lock is taken, or its holder answers on the socket.
// A holder that does not is starting or ending.
func takeLock(ctx context.Context, p paths.Paths, lock *flock.Flock) error {
	owned := func() error { return hint.Wrap(ErrOwned, hint.Failed, "Another Keyporter agent is running.", "") }
	limit := time.NewTimer(goodbye + time.Second)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := lock.TryLock(); err != nil {
			return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s cannot be locked.", p.Lock()),
				"Set KEYPORTER_HOME to a folder on a disk of this computer.")
		} else if ok {
			return nil
		}
		if c, err := dialSocket(ctx, p.Socket()); err == nil {
			c.Close()
			return owned()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return owned()
		case <-tick.C:
		}
	}
}

// Close removes the socket and releases the lock. Closing twice does nothing
// more.
func (l *Listener) Close() error {
	err := l.Listener.Close()
	if errors.Is(err, net.ErrClosed) { // Serve was first
		err = nil
	}
	return errors.Join(err, l.lock.Unlock())
}
