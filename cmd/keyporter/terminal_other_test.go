//go:build !linux

package main

import "errors"

// onTerminal is tested on Linux.
func (c *conversation) onTerminal() error { return errors.ErrUnsupported }
