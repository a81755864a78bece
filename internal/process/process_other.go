//go:build !linux && !darwin && !windows

package process

import (
	"errors"
	"time"
)

func now() int64 { return time.Now().UnixNano() }

func fileAt(string) (File, error) { return File{}, errors.ErrUnsupported }

func bare(int) (Process, error) { return Process{}, errors.ErrUnsupported }

func find(int) (Process, error) { return Process{}, errors.ErrUnsupported }
