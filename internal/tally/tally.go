// Package tally counts what tests of reliability do to the programs and what
// becomes of the calls, prints it in one form, and keeps the figures of the last
// long run in docs/reliability.md.
package tally

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"keyporter/internal/atomicfile"
)

// A Tally is what a run counts. The zero value is ready; its counters may be
// used by several goroutines.
type Tally struct {
	Faults   atomic.Int64 // injected
	Sent     atomic.Int64 // calls of clients, each counted once
	Answered atomic.Int64 // with what they had to be answered with
	Wrong    atomic.Int64 // answered with something else
	Lost     atomic.Int64 // not answered, or with an error that was not due
}

// Good reports whether every call was answered, and rightly.
func (t *Tally) Good() bool {
	return t.Wrong.Load() == 0 && t.Lost.Load() == 0 && t.Answered.Load() == t.Sent.Load()
}

// String is the one form.
func (t *Tally) String() string {
	return fmt.Sprintf("%d faults injected, %d calls sent, %d answered, %d wrongly answered, %d lost",
		t.Faults.Load(), t.Sent.Load(), t.Answered.Load(), t.Wrong.Load(), t.Lost.Load())
}

// pageEnv names the page that figures are written to; only the targets that make
// long runs set it.
const pageEnv = "KEYPORTER_RELIABILITY"

// TB is what Report needs of a *testing.T.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Report logs the figures of a run and, in a long one, puts them in their place
// in the page: between the comments <!-- NAME --> and <!-- end of NAME -->. what
// says what was done, and each of more is a sentence beside the figures.
func (t *Tally) Report(tb TB, name, what string, more ...string) {
	tb.Helper()
	lines := append([]string{what + ": " + t.String() + "."}, more...)
	tb.Logf("%s: %s", name, strings.Join(lines, " "))
	page := os.Getenv(pageEnv)
	if page == "" {
		return
	}
	text := "Run of " + time.Now().UTC().Format(time.DateOnly) + ".\n\n- " + strings.Join(lines, "\n- ") + "\n"
	if err := write(page, name, text); err != nil {
		tb.Errorf("figures of %s: %v", name, err)
	}
}

// write replaces what stands between a run's two comments.
func write(page, name, text string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	before, rest, ok := bytes.Cut(old, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return fmt.Errorf("%s has no place for them: %s%s", page, begin, end)
	}
	return atomicfile.WriteFileMode(page, bytes.Join([][]byte{before, []byte(begin + text + end), after}, nil), 0o644)
}
