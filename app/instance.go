package app

import (
	"context"
	"errors"
	"os"

	"keyporter/internal/autostart"
	"keyporter/internal/hint"
	"keyporter/internal/instance"
	"keyporter/internal/paths"
)

// An only is this process as the one that runs for this user.
type only struct {
	i      *instance.Instance
	raised chan struct{} // has room for one: the app was started again
	o      *Options
}

// alone makes this process the one that runs. If there is one already the error
// is instance.ErrRuns, and that one opens its window.
func (o *Options) alone(ctx context.Context) (*only, error) {
	if err := o.Paths.Make(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, desktopLimit)
	defer cancel()
	n := &only{raised: make(chan struct{}, 1), o: o}
	var err error
	n.i, err = instance.Acquire(ctx, o.Paths.Runtime, "tray", func() {
		select {
		case n.raised <- struct{}{}:
		default:
		}
	})
	if err != nil && !errors.Is(err, instance.ErrRuns) {
		err = hint.Wrap(err, hint.Failed, "Keyporter's tray app runs already and does not answer, or its folder cannot be written.",
			"End the program keyporter-tray, then start it again.")
	}
	return n, err
}

// follow calls show for each further start, until ctx is done.
func (n *only) follow(ctx context.Context, show func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.raised:
			show()
		}
	}
}

func (n *only) close() {
	if err := n.i.Close(); err != nil {
		n.o.Log.Warn("lock of the tray app not released", "err", err)
	}
}

// startAtLogin is the entry that starts this program at login.
func startAtLogin(getenv func(string) string) *autostart.Entry {
	e := &autostart.Entry{ID: ID, Name: "Keyporter", Args: []string{"--at-login"}, Getenv: getenv}
	if self, err := os.Executable(); err == nil {
		e.Program, _ = paths.Program(self, getenv) // an entry without a path says so itself
	}
	return e
}
