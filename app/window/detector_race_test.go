//go:build race

package window

import (
	"os"
	"os/exec"
	"testing"
)

// undetected runs t in a test binary without the race detector and reports that
// it has done so. Painting a page is one goroutine that touches each pixel some
// ten times; the detector finds nothing there and makes it a minute and a half.
func undetected(t *testing.T) bool {
	t.Helper()
	cmd := exec.Command("go", "test", "-run", "^"+t.Name()+"$", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // the detector is what needs cgo
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("without the race detector: %v\n%s", err, out)
	}
	return true
}
