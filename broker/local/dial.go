package local

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// Start says whether Dial may start an agent.
type Start int

const (
	// Never starts none.
	Never Start = iota
	// UnlessStopped starts one unless the user stopped Keyporter. Bridges.
	UnlessStopped
	// Always starts one, and ends a stop. The tray and interactive commands.
	Always
)

// DialOptions are the settings of Dial.
type DialOptions struct {
	Paths paths.Paths // Required.
	Start Start       // Optional; zero means Never.
	// Program is the path of the program keyporter, which is run with the
	// argument "agent". Optional; empty means this program, or for
	// keyporter-tray and keyporter-demo the keyporter beside it.
	Program string
	Log     *slog.Logger // Optional.
	// Environ is the environment, as os.Environ gives it. Optional; nil means
	// os.Environ().
	Environ []string

	within time.Duration // tests have less time than startLimit, which zero means
}

const (
	startLimit = 10 * time.Second // until an agent that was started answers
	pingLimit  = 5 * time.Second  // until an agent that listens answers
	tryLimit   = time.Second      // the same for one that is starting, which is asked again
	pollEvery  = 5 * time.Millisecond
)

// Dial returns a client of the agent that runs, or starts one in the background
// and waits until it answers, 10 seconds at most. However many programs do that
// at once, there is one agent.
//
// Without an agent the error holds ErrNotRunning (Never) or has the code Stopped
// (UnlessStopped). An agent of another version is no error here but in each
// call, except Stop.
func Dial(ctx context.Context, o DialOptions) (*Client, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.within == 0 {
		o.within = startLimit
	}
	c, err := reach(ctx, o.Paths, pingLimit)
	if errors.Is(err, errNobody) {
		if err := mayStart(o); err != nil {
			return nil, err
		}
		c, err = o.start(ctx)
	}
	if err == nil && o.Start == Always {
		o.unmark()
	}
	return c, err
}

// unmark removes the stop mark from beside an agent that runs, and not before: where
// bridges of another version wait, they would start theirs first.
func (o DialOptions) unmark() {
	if err := MarkStopped(o.Paths, false); err != nil {
		o.Log.Warn("stop mark not removed", "err", err) // on a read-only disk
	}
}

// mayStart returns why no agent is to be started, if that is so.
func mayStart(o DialOptions) error {
	switch o.Start {
	case Never:
		return hint.Wrap(ErrNotRunning, hint.Unreachable, "The Keyporter agent is not running.", "Start it with keyporter start.")
	case UnlessStopped:
		stopped, err := Stopped(o.Paths)
		if err != nil {
			return err
		}
		if stopped {
			return hint.New(hint.Stopped, "Keyporter is stopped.", "Start it with keyporter start.")
		}
	}
	return nil
}

// errNobody is why reach failed when no agent listens.
var errNobody = errors.New("nobody listens")

// reach connects to an agent that runs and makes sure that it answers in time.
func reach(ctx context.Context, p paths.Paths, within time.Duration) (*Client, error) {
	c := newClient(p)
	limit, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := c.ping(limit)
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		err = hint.Wrap(err, hint.Unreachable, "The Keyporter agent does not answer.", "Run keyporter stop, or end its process.")
	case errors.Is(err, ErrAgentGone):
		err = errNobody
	}
	c.Close()
	return nil, err
}

// getenv reads from o.Environ; the last of two equal names counts.
func (o DialOptions) getenv(name string) string {
	value := ""
	for _, kv := range o.Environ {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			value = v
		}
	}
	return value
}
