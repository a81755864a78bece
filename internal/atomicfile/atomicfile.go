// Package atomicfile writes files so that after a crash or a power cut either
// the old content is there or the new one, whole. Files get mode 0600 under any
// umask, unless another is asked for.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile replaces the file at path with data: a new file beside it, fsync,
// rename, fsync of the folder. When it returns nil the content is durable; when
// it returns an error the old content is in place, unless the last step, fsync of
// the folder, was what failed. A symbolic link at path is
// followed, so that it stays one. Concurrent writers do not disturb each other;
// the last rename wins.
func WriteFile(path string, data []byte) error { return WriteFileMode(path, data, 0o600) }

// WriteFileMode is WriteFile for a file of another program, whose mode stays.
func WriteFileMode(path string, data []byte, mode fs.FileMode) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	tmp, err := Create(path)
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil && mode != 0o600 {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), cause(err)), remove(tmp.Name()))
	}
	return SyncDir(filepath.Dir(path))
}

// MakeFolder makes a folder, and those around it that are not there, durably: a
// file is not safe in a folder that a power cut takes away.
func MakeFolder(dir string, mode fs.FileMode) error {
	if fi, err := os.Stat(dir); err == nil && fi.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MakeFolder(parent, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, mode); errors.Is(err, fs.ErrExist) {
		if fi, statErr := os.Stat(dir); statErr != nil || !fi.IsDir() {
			return err
		}
	} else if err != nil {
		return err
	}
	return SyncDir(parent)
}

// Create makes a new file beside path for what will be renamed to it. Its name
// begins with a dot and path's own name, and ends in .tmp.
func Create(path string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", filepath.Base(path), cause(err))
	}
	if err := f.Chmod(0o600); err != nil { // an umask may have taken more away than CreateTemp did
		return nil, errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), cause(err)), f.Close(), remove(f.Name()))
	}
	return f, nil
}

// Leftovers removes what writers that were killed left beside path. The caller makes
// sure that no writer is at work.
func Leftovers(path string) error {
	return removeTemporary(filepath.Dir(path), escape(filepath.Base(path)))
}

// LeftoversIn is Leftovers for all files of a folder.
func LeftoversIn(dir string) error { return removeTemporary(dir, "*") }

func removeTemporary(dir, pattern string) error {
	names, err := filepath.Glob(filepath.Join(escape(dir), "."+pattern+".*.tmp"))
	for _, n := range names {
		err = errors.Join(err, remove(n))
	}
	return err
}

// escape makes a name safe for filepath.Glob.
func escape(name string) string {
	out := make([]rune, 0, len(name))
	for _, r := range name {
		switch r {
		case '*', '?', '[':
			out = append(out, '[', r, ']')
		default:
			out = append(out, r)
		}
	}
	return string(out)
}

func remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// cause takes the path of the temporary file, which means nothing to anybody,
// off an error.
func cause(err error) error {
	var p *os.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
