//go:build unix

package paths

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"keyporter/internal/hint"
)

func socket(dir string) string { return filepath.Join(dir, "agent.sock") }

// ownedByUser refuses a runtime folder that another user made or can write to
// (a squatter in the temporary folder), or that is a symbolic link.
func ownedByUser(dir string) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("check runtime folder: %w", err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !fi.IsDir() || !ok || int(st.Uid) != os.Getuid() || fi.Mode().Perm()&0o022 != 0 {
		return hint.New(hint.Failed, fmt.Sprintf("The folder %s is not this user's own, so Keyporter does not use it.", dir),
			"Remove it, or set KEYPORTER_HOME to another folder.")
	}
	return nil
}

// writtenByUser refuses a folder in which another user than root can put files in
// the place of Keyporter's. It may be a link, as those who keep their settings in a
// repository have it.
func writtenByUser(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("check folder: %w", err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if ok && st.Uid != 0 && int(st.Uid) != os.Getuid() {
		return hint.New(hint.Failed, fmt.Sprintf("The folder %s belongs to another user (number %d), so Keyporter does not use it.", dir, st.Uid),
			"Choose another one with KEYPORTER_HOME, or have it given to you.")
	}
	if !ok || fi.Mode().Perm()&0o022 != 0 {
		return hint.New(hint.Failed, fmt.Sprintf("Other users can write to the folder %s, so Keyporter does not use it.", dir),
			"Look at what is in it, then make it yours alone: chmod 700 "+hint.Arg(dir))
	}
	return nil
}

func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}
