//go:build !linux && !darwin && !windows

package shield

import "errors"

func core() error { return errors.ErrUnsupported }

func memory() error { return errors.ErrUnsupported }
