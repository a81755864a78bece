package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"keyporter/broker/local"
	"keyporter/internal/atomicfile"
)

// Read calls show with the records, oldest first. With follow it goes on with
// new ones until ctx is done or show returns an error. A line that cannot be
// read is left out.
func (l *Log) Read(ctx context.Context, follow bool, show func(*local.AuditRecord) error) error {
	files, err := l.files()
	if err != nil {
		return err
	}
	f := files[len(files)-1]
	defer func() { f.Close() }()
	for i, old := range files[:len(files)-1] {
		_, err := readLines(ctx, old, show)
		old.Close()
		if err != nil {
			closeAll(files[i+1 : len(files)-1])
			return err
		}
	}
	for first := true; ; first = false {
		added := l.news()
		if _, err := readLines(ctx, f, show); err != nil {
			return err
		}
		if first {
			if err := l.readWaiting(show); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		// After a rotation the open file is an old one: its rest was just read.
		if next, err := l.reopened(f); err != nil {
			return err
		} else if next != nil {
			f.Close()
			f = next
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-added:
		}
	}
}

// readWaiting shows that records wait, if some do: which they are is shown once they
// are written.
func (l *Log) readWaiting(show func(*local.AuditRecord) error) error {
	s := l.Unwritten()
	if s.Records == 0 {
		return nil
	}
	return show(&local.AuditRecord{Time: l.opt.Now(), Event: "records_waiting", Name: s.String(), Outcome: "failed"})
}

// files opens all the files, oldest first, between two batches, so that no
// rotation comes in between.
func (l *Log) files() (files []*os.File, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) > 0 {
		l.lost = l.write()
	}
	return l.filesNow()
}

// filesNow is files with l.mu held.
func (l *Log) filesNow() (files []*os.File, err error) {
	for i := l.opt.Keep; i >= 0; i-- {
		f, err := atomicfile.Open(l.name(i))
		if i > 0 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("read audit log: %w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// news returns a channel that is closed when the next batch has been written.
func (l *Log) news() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.added
}

// reopened returns the file in use if it is another one than f.
func (l *Log) reopened(f *os.File) (*os.File, error) {
	was, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	is, err := os.Stat(l.opt.Path)
	if err != nil || os.SameFile(was, is) {
		return nil, nil // being rotated, or the same
	}
	return atomicfile.Open(l.opt.Path)
}

// readLines shows the whole lines from f's position on and leaves f after them.
func readLines(ctx context.Context, f *os.File, show func(*local.AuditRecord) error) (int64, error) {
	start, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, fmt.Errorf("read audit log: %w", err)
	}
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			_, err = f.Seek(start, io.SeekStart)
			return start, err
		}
		if err != nil {
			return start, fmt.Errorf("read audit log: %w", err)
		}
		start += int64(len(line))
		if ctx.Err() != nil {
			return start, ctx.Err()
		}
		var rec local.AuditRecord
		if json.Unmarshal(line, &rec) != nil {
			continue
		}
		if err := show(&rec); err != nil {
			return start, err
		}
	}
}
