// Package audit is audit.jsonl: who used what, when, and how it ended. Records
// hold names and sizes, never arguments, results or tokens. The file is only
// appended to; when it is full it is rotated, and a few old ones are kept.
//
// From the moment the vault is open (Begin), each record is sealed: it ends in its
// number and in an HMAC over itself and all that stands before it, under a key from
// the vault. Whoever has the disk and not the vault can read the log, and cannot
// take out, change, move or add a record without Verify saying so; see chain.go for
// what a cut at the very end needs. Records from before that, and those of a time
// when the vault was locked, carry no seal of their own; the next sealed record
// covers them.
package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unicode"

	"keyporter/broker/local"
	"keyporter/internal/atomicfile"
)

// Defaults of Options.
const (
	defaultSize = 8 << 20
	defaultKeep = 4
)

// maxText is how many characters of a name are kept.
const maxText = 200

// Options are the settings of a Log.
type Options struct {
	Path string // Required. audit.jsonl.
	Size int64  // Optional. The file is rotated when it is longer than this, in bytes; zero is 8 MiB.
	Keep int    // Optional. How many rotated files are kept; zero is 4.

	Now func() time.Time // Optional. The wall clock; nil is time.Now.
}

// A Log appends to the audit log. Its methods are safe for concurrent use.
type Log struct {
	opt Options

	mu      sync.Mutex // guards the order of lines in the file; held while one batch is appended
	file    *os.File   // nil after a failure: the next batch opens it again
	size    int64
	full    int64 // the size from which on a rotation is tried
	unread  error // why the last one that was tried could not read the files
	closed  bool
	waiting []waiter      // records that are not in the file yet
	missed  Loss          // those that there was no room for
	lost    error         // why they are not in the file
	added   chan struct{} // closed and replaced after each batch
	chain   *chain        // nil until Begin: records have no seal
	next    *chain        // what Begin asked for, until the file can be written
	noHead  error         // why audit.head is behind
	aside   string        // where a damaged file was copied to last; empty if none was
}

// Open opens the log for appending. It fails with a NewerError, and changes nothing, if
// a newer version wrote it. With another error it returns a Log as well, unless the
// options are wrong: each Append tries again.
func Open(opt Options) (*Log, error) {
	if opt.Path == "" {
		return nil, errors.New("audit: Options.Path is required")
	}
	if opt.Size == 0 {
		opt.Size = defaultSize
	}
	if opt.Keep == 0 {
		opt.Keep = defaultKeep
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	l := &Log{opt: opt, full: opt.Size, added: make(chan struct{})}
	if h, err := l.loadHead(); err == nil && h.Version > headVersion {
		return nil, fmt.Errorf("open audit log: %w", &NewerError{l.Head()})
	}
	if newer, err := endsNewer(opt.Path); err == nil && newer {
		return nil, fmt.Errorf("open audit log: %w", &NewerError{opt.Path})
	}
	_ = atomicfile.Leftovers(l.Head()) // of an agent that was killed
	l.lost = l.open()
	return l, l.lost
}

// Problem returns why records cannot be written, or nil if they can.
func (l *Log) Problem() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// HeadProblem returns why audit.head cannot be written, or nil if it can.
func (l *Log) HeadProblem() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.noHead
}

// RotateProblem returns why the file grows on although it is full: an older one that
// cannot be read. It is nil if they can.
func (l *Log) RotateProblem() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unread
}

// SetAside returns where the file as it was is kept, if its end was found damaged, or "".
func (l *Log) SetAside() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.aside
}

func (l *Log) open() error {
	if err := l.mend(); err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	f, err := atomicfile.OpenFile(l.opt.Path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size == 0 { // it is new: audit.head must not know of records whose file a power cut takes
		err = atomicfile.SyncDir(filepath.Dir(l.opt.Path))
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("open audit log: %w", err)
	}
	l.file, l.size = f, size
	if size <= l.opt.Size { // else it is the one that could not be rotated, or a start
		l.full = l.opt.Size
	}
	if l.chain != nil && size == 0 {
		l.chain.fresh = true
	}
	return nil
}

// errClosed is what becomes of records after Close.
var errClosed = errors.New("write audit log: it is closed")

// Append writes the records, in order. Those that cannot be written now wait, which
// Problem tells of, and are written with the next that can be, or by Sync.
func (l *Log) Append(records ...local.AuditRecord) error {
	ws := make([]waiter, len(records))
	for i, r := range records {
		for _, s := range []*string{&r.Event, &r.Program, &r.Server, &r.Account, &r.Method, &r.Name, &r.Outcome} {
			*s = clean(*s)
		}
		var err error
		if ws[i], err = newWaiter(&r); err != nil {
			return fmt.Errorf("write audit log: %w", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	if len(ws) > 0 {
		l.wait(ws...)
		l.lost = l.write()
	}
	return nil
}

// Close closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	err := errors.Join(l.sync(), l.closeFile())
	l.closed = true
	return err
}

// closeFile closes the file, if it is open, with what was written made durable: then
// audit.head may know of it. l.mu is held.
func (l *Log) closeFile() error {
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.file.Sync(), l.file.Close())
	l.file = nil
	return err
}

// clean removes what could move a terminal's cursor and cuts a text that came
// from outside.
func clean(s string) string {
	out := make([]rune, 0, min(len(s), maxText))
	for _, r := range s {
		if len(out) == maxText {
			break
		}
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			r = '\uFFFD'
		}
		out = append(out, r)
	}
	return string(out)
}
