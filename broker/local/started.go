package local

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"keyporter/internal/paths"
)

const (
	// lookSeldom is how often the stop mark is looked for although the system
	// says when it goes: it may be on a disk of which the system says nothing.
	lookSeldom = 30 * time.Second
	// lookOften is how often where the system says nothing at all.
	lookOften = 2 * time.Second
)

// AwaitStart blocks while the stop mark is there, which is until the user starts
// Keyporter again. It returns nil then, or why ctx ended.
func AwaitStart(ctx context.Context, p paths.Paths) error {
	mark := stopMark(p)
	var events chan fsnotify.Event
	every := lookOften
	if w, err := fsnotify.NewWatcher(); err == nil {
		defer w.Close()
		if w.Add(filepath.Dir(mark)) == nil { // the folder: a file's watch ends with the file
			events, every = w.Events, lookSeldom
		}
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if stopped, err := Stopped(p); err == nil && !stopped {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, ok := <-events:
			if !ok {
				events = nil
				tick.Reset(lookOften)
			}
		case <-tick.C:
		}
	}
}
