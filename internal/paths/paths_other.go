//go:build !linux && !darwin && !windows

package paths

import "path/filepath"

// platform uses one folder in the home folder.
func platform(home string, _ func(string) string) (Paths, error) {
	dir := filepath.Join(home, ".keyporter")
	return Paths{Config: dir, State: dir, Runtime: runtimeIn(dir)}, nil
}
