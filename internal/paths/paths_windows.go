package paths

import (
	"path/filepath"

	"keyporter/internal/pipe"
)

// platform uses a folder in the profile and not AppData: programs that a
// Store-packaged Claude Desktop starts see a private copy of AppData.
func platform(home string, _ func(string) string) (Paths, error) {
	dir := filepath.Join(home, ".keyporter")
	return Paths{Config: dir, State: dir, Runtime: dir}, nil
}

// socket returns a pipe name that follows from the folder, so that
// KEYPORTER_HOME separates agents here too.
func socket(dir string) string { return pipe.Name(dir) }

// ownedByUser: the profile folder's access list is the check on Windows, and
// the pipe has one of its own.
func ownedByUser(string) error { return nil }

func writtenByUser(string) error { return nil }

// writable: pipes are not in the folder.
func writable(string) error { return nil }
