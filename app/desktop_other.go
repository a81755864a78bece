//go:build !linux

package app

import (
	"context"
	"log/slog"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"keyporter/app/tray"
	"keyporter/app/view"
	"keyporter/internal/hint"
)

// checkDesktop finds nothing to ask: the system always has a tray.
func checkDesktop(context.Context, func(string) string, *slog.Logger) (panel bool, err error) {
	return true, nil
}

// newPanel returns the system's tray, which Fyne runs.
func newPanel(a fyne.App, do func(view.Action), _ *Options) (tray.Panel, func(context.Context), error) {
	desk, ok := a.(desktop.App)
	if !ok {
		return nil, nil, hint.New(hint.Failed, "This build of keyporter-tray has no tray.", "Use one that was built without the tag ci.")
	}
	return tray.OnDesk(desk, do), func(context.Context) {}, nil
}

// endLimit is how long Fyne may take to end its loop.
const endLimit = 2 * time.Second

// endTray takes the icon away, which Windows shows for longer than the process lives.
func endTray(a fyne.App, ended <-chan struct{}) {
	// Not a.Quit: it closes the window first, and Fyne 2.7.1 crashes where the
	// pointer moves over a window that is being closed.
	fyne.Do(a.Driver().Quit)
	select {
	case <-ended:
	case <-time.After(endLimit):
	}
}
