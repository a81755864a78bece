//go:build !linux && !darwin && !windows

package browser

import (
	"context"
	"errors"
)

func openDefault(context.Context, string, func(string) string) error { return errors.ErrUnsupported }

func openPrivate(context.Context, string, func(string) string) error { return ErrNoPrivate }
