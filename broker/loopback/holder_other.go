//go:build !linux

package loopback

import "errors"

func holder(int) (name string, pid int, err error) { return "", 0, errors.ErrUnsupported }
