// Package instance keeps a program from running twice for one user: the first
// one holds a lock and listens on a socket beside it, a second one asks it to
// show itself and ends. Lock and socket end with the process, also when it
// crashes.
//
// The socket is in a folder that only its user can enter, on Windows a named pipe
// that only its user can open; all that can be said on it is "show". Whoever is at
// the other end of it, either way, has to be this user.
package instance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"keyporter/internal/atomicfile"
	"keyporter/internal/peer"
)

// ErrRuns is what Acquire returns when another one runs. It has been asked to
// show itself, and has said that it will.
var ErrRuns = errors.New("another instance runs")

const (
	message = "show\n"
	reply   = "ok\n"
	// limit bounds one conversation.
	limit = 2 * time.Second
	// again is how often a second start looks for the socket of a first one that
	// has just taken the lock.
	again = 20 * time.Millisecond
)

// An Instance is the one that runs.
type Instance struct {
	lock *flock.Flock
	l    net.Listener
	wg   sync.WaitGroup
}

// Acquire makes this process the one that runs; Close ends that. dir is the
// folder for lock and socket, and name their name. show is called for each
// further start, on a goroutine of its own, and must return at once. If another
// one runs, the error is ErrRuns.
func Acquire(ctx context.Context, dir, name string, show func()) (*Instance, error) {
	lock := flock.New(filepath.Join(dir, name+".lock"), flock.SetPermissions(0o600),
		flock.SetFlag(os.O_CREATE|os.O_RDONLY|atomicfile.Nonblock)) // waits at no pipe that lies there
	socket := filepath.Join(dir, name+".sock")
	for {
		mine, err := lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if mine {
			break
		}
		if err = ask(ctx, socket); err == nil {
			return nil, ErrRuns
		}
		select { // it is starting or ending
		case <-ctx.Done():
			return nil, fmt.Errorf("reach the one that runs: %w", err)
		case <-time.After(again):
		}
	}
	l, err := listen(socket)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for further starts: %w", err), lock.Close())
	}
	i := &Instance{lock: lock, l: l}
	i.wg.Go(func() { i.serve(show) })
	return i, nil
}

// serve answers until the listener is closed.
func (i *Instance) serve(show func()) {
	for {
		c, err := i.l.Accept()
		if err != nil {
			return
		}
		i.wg.Go(func() { answer(c, show) })
	}
}

func answer(c net.Conn, show func()) {
	defer c.Close()
	if _, err := peer.Verify(c); err != nil {
		return
	}
	_ = c.SetDeadline(time.Now().Add(limit)) // of a socket that is open
	line, err := bufio.NewReaderSize(c, 64).ReadSlice('\n')
	if err != nil || string(line) != message {
		return
	}
	show()
	_, _ = c.Write([]byte(reply)) // who asked may have gone
}

// ask tells the one that runs to show itself.
func ask(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := connect(ctx, socket)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := peer.Verify(c); err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := c.Write([]byte(message)); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(c, 64).ReadString('\n')
	if err == nil && line != reply {
		err = errors.New("it answered something else")
	}
	return err
}

// Close lets another one run.
func (i *Instance) Close() error {
	err := i.l.Close() // removes the socket
	i.wg.Wait()
	return errors.Join(err, i.lock.Close())
}
