package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// Stop ends the agent and returns when it is gone: when its lock is free, and
// a new agent could start. The agent answers once its bridges have left (two
// seconds at most) and an opening of its vault is over (a minute at most); from
// then on Stop waits 5 seconds at most.
func (c *Client) Stop(ctx context.Context) error {
	if _, err := stop.one(ctx, c, none{}); err != nil && !errors.Is(err, ErrAgentGone) {
		return err
	}
	c.Close()
	limit, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if free, err := lockFree(c.paths); err != nil || free {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.Done():
			return hint.New(hint.Failed, "The Keyporter agent was told to stop, but has not ended yet.",
				fmt.Sprintf("Wait a moment and try again; the number of its process is in %s.", c.paths.Lock()))
		case <-tick.C:
		}
	}
}

// lockFree reports whether no agent holds the lock. It takes it shared for an
// instant, which an agent that starts waits out.
func lockFree(p paths.Paths) (bool, error) {
	l := lockAt(p.Lock())
	ok, err := l.TryRLock()
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil // no runtime folder, no agent
	}
	if err != nil {
		return false, fmt.Errorf("look at the agent's lock: %w", err)
	}
	if ok {
		err = l.Unlock()
	}
	return ok, err
}

// stopMark is the file that says that the user stopped Keyporter: it is there
// or it is not. It is a file of its own, beside state.json, so that a bridge
// can look without an agent to ask.
func stopMark(p paths.Paths) string { return filepath.Join(p.State, "stopped") }

// Stopped reports whether the user stopped Keyporter. While that is so, no
// bridge starts an agent. It survives restarts of the machine.
func Stopped(p paths.Paths) (bool, error) { return atomicfile.Marked(stopMark(p)) }

// MarkStopped remembers that the user stopped Keyporter, or that it is no
// longer so, durably. The agent marks before it ends. One that starts removes the
// mark, and so does Dial with Always.
func MarkStopped(p paths.Paths, stopped bool) error { return atomicfile.SetMark(stopMark(p), stopped) }
