//go:build !race

package window

import "testing"

// undetected does nothing: there is no race detector.
func undetected(*testing.T) bool { return false }
