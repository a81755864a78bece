//go:build !linux && !darwin && !windows

package autostart

import "errors"

func (*Entry) enabled() (bool, error) { return false, nil }
func (*Entry) set(bool) error         { return errors.ErrUnsupported }

func (*Entry) starts() (string, error) { return "", errors.ErrUnsupported }
