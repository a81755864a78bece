package paths

import "path/filepath"

// platform uses the folder that macOS has for it; the runtime files lie there
// too, because macOS has no runtime folder that a host's children would know.
func platform(home string, _ func(string) string) (Paths, error) {
	dir := filepath.Join(home, "Library", "Application Support", "Keyporter")
	return Paths{Config: dir, State: dir, Runtime: runtimeIn(dir)}, nil
}
