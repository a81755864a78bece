package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"keyporter/broker/local"
)

// maxWaiting is how many records wait in memory while the file cannot be written.
const maxWaiting = 1000

// eventLost is the event of a record which says how many could not be written, and
// of which time. Verify tells of it until the record is rotated away.
const eventLost = "records_lost"

// A Loss is what became of records that could not be written and had no room in
// memory any more. The zero Loss is none.
type Loss struct {
	Records int   `json:"records"`
	From    int64 `json:"from"` // when the first of them was made, in seconds of Unix time
	To      int64 `json:"to"`   // and the last
}

func (s Loss) String() string {
	at := func(sec int64) string { return time.Unix(sec, 0).UTC().Format(time.RFC3339) }
	what := "1 record"
	if s.Records != 1 {
		what = fmt.Sprintf("%d records", s.Records)
	}
	if s.From == s.To {
		return what + " of " + at(s.From)
	}
	return what + " of " + at(s.From) + " to " + at(s.To)
}

func (s *Loss) add(other Loss) {
	switch {
	case other.Records == 0:
	case s.Records == 0:
		*s = other
	default:
		*s = Loss{Records: s.Records + other.Records, From: min(s.From, other.From), To: max(s.To, other.To)}
	}
}

// A waiter is a record that is not in the file yet.
type waiter struct {
	line []byte
	at   int64 // its time
	call bool  // there may be many of these: they make room for the others
}

func newWaiter(r *local.AuditRecord) (waiter, error) {
	line, err := json.Marshal(r)
	return waiter{line: line, at: r.Time.Unix(), call: r.Event == "call"}, err
}

// wait has records wait for the next write, the oldest calls going first where there
// are too many. l.mu is held.
func (l *Log) wait(ws ...waiter) {
	l.waiting = append(l.waiting, ws...)
	for len(l.waiting) > maxWaiting {
		i := max(slices.IndexFunc(l.waiting, func(w waiter) bool { return w.call }), 0)
		l.missed.add(Loss{Records: 1, From: l.waiting[i].at, To: l.waiting[i].at})
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
}

// write writes what waits, in order, after what says how much is lost. It is one
// write, so that a crash leaves whole records and at most one cut line. l.mu is held.
func (l *Log) write() error {
	if err := l.prepare(); err != nil {
		return err
	}
	if l.next != nil {
		if err := l.begin(); err != nil {
			return err
		}
	}
	if len(l.waiting) == 0 && l.missed.Records == 0 {
		return nil
	}
	lines, first := make([][]byte, 0, len(l.waiting)+1), 0
	if l.missed.Records > 0 {
		w, err := newWaiter(&local.AuditRecord{Time: l.opt.Now(), Event: eventLost, Name: l.missed.String(), Outcome: "failed"})
		if err != nil {
			return fmt.Errorf("write audit log: %w", err)
		}
		lines, first = append(lines, w.line), 1
	}
	for _, w := range l.waiting {
		lines = append(lines, w.line)
	}
	b, after := l.chain.seal(lines)
	n, err := l.file.Write(b)
	l.size += int64(n)
	l.chain.advance(b[:n], after)
	if whole := bytes.Count(b[:n], []byte("\n")); whole > 0 {
		if first > 0 {
			l.missed = Loss{}
		}
		l.waiting = slices.Delete(l.waiting, 0, whole-first)
	}
	if err != nil {
		// Part of a line may be there: open mends that.
		return fmt.Errorf("write audit log: %w", errors.Join(err, l.closeFile()))
	}
	close(l.added)
	l.added = make(chan struct{})
	return nil
}

// Unwritten says which records are not in the file: those that are lost, and those
// that wait.
func (l *Log) Unwritten() Loss {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unwritten()
}

func (l *Log) unwritten() Loss {
	s := l.missed
	for _, w := range l.waiting {
		s.add(Loss{Records: 1, From: w.at, To: w.at})
	}
	return s
}
