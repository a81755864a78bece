package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"keyporter/internal/atomicfile"
)

// maxTorn is longer than any record, in bytes.
const maxTorn = 64 << 10

// maxAside is how many damaged files are set aside.
const maxAside = 9

// recordVersion is the newest form of records that this program reads. They have
// no field "version": one that has it and a higher number is of a newer program.
const recordVersion = 1

// mend makes the file end with a whole line. The beginning of a record, which a
// crash in the middle of a write has left, is cut off: nothing has been sealed on
// it. Where anything else stands at the end, or audit.head knows of records that
// are not there, the file as it is is copied first, and nobody's copy is replaced.
// With too many of them, what stands there stays, as a line that is no record.
// l.mu is held, or nobody else has l.
func (l *Log) mend() error {
	f, err := atomicfile.OpenFile(l.opt.Path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	tail, size, err := lastLine(f, false)
	if err != nil || size == 0 || tail == size {
		return err
	}
	torn, err := l.torn(f, tail, size)
	if err != nil {
		return err
	}
	if !torn {
		aside, err := setAside(f, l.opt.Path)
		if err != nil {
			return fmt.Errorf("set damaged file aside: %w", err)
		}
		if aside == "" {
			_, err = f.WriteAt([]byte("\n"), size)
			return err
		}
		l.aside = aside
	}
	return f.Truncate(tail)
}

// lastLine returns where the last line of a file begins, and the file's size. An
// end of line that nothing follows begins another line, unless ended is true.
func lastLine(f *os.File, ended bool) (at, size int64, err error) {
	if size, err = f.Seek(0, io.SeekEnd); err != nil {
		return 0, 0, err
	}
	buf := make([]byte, 4096)
	for at = size; at > 0; {
		n := min(at, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], at-n); err != nil {
			return 0, 0, err
		}
		part := buf[:n]
		if ended && at == size {
			part = bytes.TrimSuffix(part, []byte("\n"))
		}
		if i := bytes.LastIndexByte(part, '\n') + 1; i > 0 {
			return at - n + int64(i), size, nil
		}
		at -= n
	}
	return 0, size, nil
}

// torn reports whether what stands after the last whole line is no more than what
// a crash leaves of a write: the beginning of a record, after all those that
// audit.head knows of.
func (l *Log) torn(f *os.File, tail, size int64) (bool, error) {
	if size-tail > maxTorn {
		return false, nil
	}
	text := make([]byte, size-tail)
	if _, err := f.ReadAt(text, tail); err != nil {
		return false, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	var whole json.RawMessage
	err := d.Decode(&whole)
	if text[0] != '{' || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || err == nil && d.InputOffset() != int64(len(text)) {
		return false, nil
	}
	h, err := l.loadHead()
	if err != nil {
		return true, nil // nothing is known; Begin tells of an audit.head that is missing
	}
	last, err := lastNumber(io.NewSectionReader(f, 0, tail))
	if err != nil || last > 0 {
		return last >= h.Seq, err
	}
	older, err := atomicfile.Open(l.name(1)) // the file in use was begun by a rotation
	if errors.Is(err, fs.ErrNotExist) {
		return h.Seq == 0, nil
	} else if err != nil {
		return false, err
	}
	defer older.Close()
	last, err = lastNumber(older)
	return last >= h.Seq, err
}

// lastNumber returns the number of the last sealed record of a file, or 0.
func lastNumber(f io.Reader) (seq uint64, err error) {
	err = eachLine(f, func(line []byte) {
		if k := parse(line); k.body != nil {
			seq = k.Seq
		}
	})
	return seq, err
}

// setAside copies the file, durably, to a name beside it that is free. It returns
// "" if there are too many copies.
func setAside(f *os.File, path string) (name string, err error) {
	var to *os.File
	for i := 1; to == nil; i++ {
		if i > maxAside {
			return "", nil
		}
		name = asideName(path, i)
		to, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	if _, err = f.Seek(0, io.SeekStart); err == nil {
		_, err = io.Copy(to, f)
	}
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = atomicfile.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(name))
	}
	return name, nil
}

// asideName is what the i-th file that is set aside is called.
func asideName(path string, i int) string { return fmt.Sprintf("%s.damaged-%d", path, i) }

// endsNewer reports whether a newer version wrote the last line of a file.
func endsNewer(path string) (bool, error) {
	f, err := atomicfile.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	at, size, err := lastLine(f, true)
	if err != nil || size-at > maxTorn {
		return false, err
	}
	text := make([]byte, size-at)
	if _, err := f.ReadAt(text, at); err != nil {
		return false, err
	}
	var k link
	return json.Unmarshal(text, &k) == nil && k.Version > recordVersion, nil
}
