package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// errNoFile is what stands in a file's place and is none: a folder, a device, or a
// pipe, whose opening would wait until somebody opens its other end.
var errNoFile = errors.New("it is not an ordinary file")

// Open is os.Open for a file at a name that others know too: it opens ordinary files
// only, also behind a link, and never waits.
func Open(path string) (*os.File, error) { return OpenFile(path, os.O_RDONLY, 0) }

// OpenFile is os.OpenFile, as Open is os.Open.
func OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag|Nonblock, mode)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errNoFile}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadFile is os.ReadFile, as Open is os.Open.
func ReadFile(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
