//go:build !linux

package app

import (
	"context"
	"log/slog"
)

// checkDesktop finds nothing to ask: the system always has a tray.
func checkDesktop(context.Context, func(string) string, *slog.Logger) (panel bool, err error) {
	return true, nil
}
