package bridge

import (
	"context"
	"slices"
	"sync"

	"keyporter/bridge/frame"
)

// A gate is where messages of the client wait before they are worked on: while an
// initialize is under way, and while too much is. It lets them through in the
// order they came. When too much waits, the client is not read any more.
type gate struct {
	most int // messages that are worked on at the same time

	mu      sync.Mutex
	shut    bool // an initialize is under way
	moving  bool // somebody lets through what waits
	backlog []frame.Frame
	bytes   int           // that the backlog takes
	busy    int           // messages that are worked on, but for those in the lane
	held    int           // bytes that all of these take
	room    chan struct{} // has a value after there has come to be more room
}

const (
	// maxBusy is how many messages of the client are worked on at the same time
	// where the system allows as many files: over HTTP/1 each is a connection.
	maxBusy = 2048
	// maxHeld is from how many bytes of them on no further one is.
	maxHeld = 32 << 20
	// workCost is what a message that is worked on takes beside its own bytes.
	workCost = 4 << 10
	// maxBacklog is how many bytes wait before the client is not read any more.
	maxBacklog = 16 << 20
	// frameCost is what a message in the backlog takes beside its own bytes.
	frameCost = 512
)

// enter reports whether f may go through now. If not, it is kept. It waits while
// there is no room for it.
func (g *gate) enter(ctx context.Context, f frame.Frame) bool {
	through := false
	g.wait(ctx, func() bool {
		switch {
		case !g.shut && !g.moving && len(g.backlog) == 0 && g.fits():
			g.admit(f)
			through = true
		case g.bytes <= maxBacklog:
			g.backlog = append(g.backlog, f)
			g.bytes += len(f.Raw) + frameCost
		default:
			return false
		}
		return true
	})
	return through
}

// overtake lets f through although others wait, which may be waiting for it. It
// waits only for twice the room.
func (g *gate) overtake(ctx context.Context, f frame.Frame) {
	g.wait(ctx, func() bool {
		if g.held >= 2*maxHeld {
			return false
		}
		g.admit(f)
		return true
	})
}

// wait calls try, with the lock held, until it is true or ctx ends.
func (g *gate) wait(ctx context.Context, try func() bool) {
	for {
		g.mu.Lock()
		done := try()
		if g.room == nil {
			g.room = make(chan struct{}, 1)
		}
		room := g.room
		g.mu.Unlock()
		if done {
			return
		}
		select {
		case <-room:
		case <-ctx.Done():
			return
		}
	}
}

// These have the lock held.

func (g *gate) fits() bool { return g.busy < g.most && g.held < maxHeld }

// lined reports whether f goes into the lane. Of what is there only one message at
// a time needs a connection.
func lined(f frame.Frame) bool { return f.Kind == frame.Notification || f.Kind == frame.Response }

// admit counts f among what is worked on. An initialize shuts the gate behind it.
func (g *gate) admit(f frame.Frame) {
	if !lined(f) {
		g.busy++
	}
	g.held += len(f.Raw) + workCost
	if f.Kind == frame.Request && f.Method == methodInitialize {
		g.shut = true
	}
}

// roomier wakes who waits for room.
func (g *gate) roomier() {
	select {
	case g.room <- struct{}{}:
	default: // nobody waits, or is told already
	}
}

// open takes note that an initialize is over.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = false
}

// leave takes note that the work on f is done. If it reports true, the caller has
// to let through what waits, with next.
func (g *gate) leave(f frame.Frame) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !lined(f) {
		g.busy--
	}
	g.held -= len(f.Raw) + workCost
	g.roomier()
	if g.moving || g.shut || len(g.backlog) == 0 || !g.fits() {
		return false
	}
	g.moving = true
	return true
}

// next returns the next message that was kept and may go through now. begin is
// called with it before anybody can look for it in vain; it must not wait.
func (g *gate) next(begin func(frame.Frame)) (f frame.Frame, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut || len(g.backlog) == 0 || !g.fits() {
		if g.moving = false; len(g.backlog) == 0 {
			g.backlog = nil
		}
		return f, false
	}
	f = g.backlog[0]
	g.backlog[0] = frame.Frame{} // its bytes are not the backlog's any more
	g.backlog = g.backlog[1:]
	g.bytes -= len(f.Raw) + frameCost
	g.admit(f)
	g.roomier()
	begin(f)
	return f, true
}

// unpack puts the parts of a message that has gone through in front of what waits.
func (g *gate) unpack(parts []frame.Frame) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.backlog = slices.Insert(g.backlog, 0, parts...)
	for _, f := range parts {
		g.bytes += len(f.Raw) + frameCost
	}
}

// remove takes a request out that has not gone through.
func (g *gate) remove(key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, f := range g.backlog {
		if f.Kind == frame.Request && frame.Key(f.ID) == key {
			g.backlog = slices.Delete(g.backlog, i, i+1)
			g.bytes -= len(f.Raw) + frameCost
			g.roomier()
			return true
		}
	}
	return false
}
