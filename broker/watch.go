package broker

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long config.json must have been left alone before it is read:
	// editors write in several steps.
	settle = 100 * time.Millisecond
	// lookAgain is how often config.json is looked at where the system cannot say
	// that it changed.
	lookAgain = 800 * time.Millisecond
)

// watchConfig reads config.json again when a person has changed it. It watches
// the folder, because editors replace the file.
func (b *Broker) watchConfig(ctx context.Context) {
	var events chan fsnotify.Event
	every := lookAgain
	if !b.opt.Poll {
		w, err := fsnotify.NewWatcher()
		if err == nil {
			defer w.Close()
			if err = w.Add(b.opt.Paths.Config); err == nil {
				events, every = w.Events, time.Minute
			}
		}
		if err != nil {
			b.opt.Log.Warn("config.json is looked at now and then", "err", err)
		}
	}
	due := time.NewTimer(settle) // it may have changed since New read it and before the watch
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case ev, ok := <-events:
			if !ok {
				events, every = nil, lookAgain
			} else if filepath.Base(ev.Name) != filepath.Base(b.opt.Paths.ConfigFile()) {
				continue
			}
			due.Reset(settle)
		case <-due.C:
			b.rereadConfig(ctx)
			due.Reset(every)
		}
	}
}

// rereadConfig reads config.json if it differs from what was last read, and finishes
// an edit that waits for it.
func (b *Broker) rereadConfig(ctx context.Context) {
	select {
	case b.edits <- struct{}{}:
		defer func() { <-b.edits }()
	case <-ctx.Done():
		return
	}
	b.mu.Lock()
	broken, v := b.cfgProblem != nil, b.vault
	b.mu.Unlock()
	if v != nil && b.file.Waits() {
		b.catchUp(v)
	}
	if !broken && !b.file.Changed() {
		return
	}
	b.loadConfig()
	b.update(nil)
}
