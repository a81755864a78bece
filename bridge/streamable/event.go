package streamable

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// ErrTooLarge means that a message of the server is beyond Options.MaxMessage.
var ErrTooLarge = errors.New("message of the server is too large")

// An EventReader reads an event stream (WHATWG HTML section 9.2, server-sent
// events): CR, LF and CRLF line ends, a byte order mark, comments, fields
// without a colon. It takes no more memory than the largest event. It is for
// one goroutine.
type EventReader struct {
	LastID string        // the last event id, also of events without data
	Retry  time.Duration // the last retry field; 0 if there was none

	r       io.Reader
	limit   int
	bufs    *buffers
	room    func(bytes int) error // waits until the reader may hold that much; nil: at once
	crowded func() bool           // whether others wait because of this reader; nil: never
	kind    string                // the type of events that Next returns
	buf     []byte
	pos     int // where unread bytes begin
	scanned int // up to where no line end was found
	err     error
	begun   bool
	skipLF  bool // the last line ended in CR

	id    []byte // of the event being read
	hasID bool
	name  []byte
	data  span   // the first data line
	more  []byte // all data lines, if there are several
	lines int
}

// slack is how much longer than the limit a line may be: for the field's name and
// white space.
const slack = 64

// A span is a part of the buffer.
type span struct{ start, end int }

// NewEventReader returns an EventReader for events of up to limit bytes of data.
func NewEventReader(r io.Reader, limit int) *EventReader {
	return &EventReader{r: r, limit: limit, bufs: &buffers{}, kind: "message"}
}

// release gives the buffer back. The reader is not used after it.
func (e *EventReader) release() {
	e.bufs.put(e.buf)
	e.buf, e.err = nil, io.EOF
}

// Next returns the data of the next event of the type message that has some.
// The slice is the reader's: it may be changed, the byte behind it too, and
// lives until the next call. An event that the stream's end cuts off is dropped,
// as the standard says. The error is io.EOF, ErrTooLarge or the reader's.
func (e *EventReader) Next() ([]byte, error) {
	e.reset()
	for {
		line, start, err := e.line()
		if err != nil {
			return nil, err
		}
		if len(line) > 0 {
			if err := e.field(line, start); err != nil {
				return nil, err
			}
			continue
		}
		if e.hasID {
			e.LastID = string(e.id)
		}
		if data := e.event(); len(data) > 0 {
			return data, nil
		}
		e.reset()
	}
}

func (e *EventReader) reset() {
	crowded := e.crowded != nil && e.crowded()
	if rest := e.buf[e.pos:]; (crowded || cap(e.buf) >= largeBuffer) && len(rest) <= 8<<10 {
		// A large event is over; what follows may be small, or not come, for hours.
		e.bufs.put(e.buf)
		e.buf = append(make([]byte, 0, 16<<10), rest...)
		e.scanned -= e.pos
		e.pos = 0
	}
	if crowded || cap(e.more) >= largeBuffer {
		e.more = nil
	}
	_ = e.hold(cap(e.buf) + cap(e.more)) // not more than before, so without waiting
	e.name, e.id, e.hasID, e.lines = e.name[:0], e.id[:0], false, 0
	e.data = span{}
}

// event returns the data of the event that a blank line has just ended.
func (e *EventReader) event() []byte {
	switch {
	case e.lines == 0 || string(e.name) != e.kind && (len(e.name) > 0 || e.kind != "message"):
		return nil
	case e.lines > 1:
		return e.more
	}
	return e.buf[e.data.start:e.data.end]
}

// field takes in one line that is not blank; start is where it stands in buf.
func (e *EventReader) field(line []byte, start int) error {
	colon := bytes.IndexByte(line, ':')
	name, value := line, line[len(line):]
	if colon >= 0 {
		name, value = line[:colon], line[colon+1:]
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
	}
	switch string(name) {
	case "data":
		return e.addData(value, start+len(line))
	case "event":
		e.name = append(e.name[:0], value...)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			e.id, e.hasID = append(e.id[:0], value...), true
		}
	case "retry":
		if ms, ok := digits(value); ok {
			e.Retry = time.Duration(ms) * time.Millisecond
		}
	}
	return nil
}

// addData adds a data line, which ends at end. One line, the usual case, stays where it is.
func (e *EventReader) addData(value []byte, end int) error {
	e.lines++
	switch e.lines {
	case 1:
		e.data = span{end - len(value), end}
		return nil
	case 2:
		e.more = append(e.more[:0], e.buf[e.data.start:e.data.end]...)
	}
	if len(e.more)+len(value) >= e.limit {
		return ErrTooLarge
	}
	if need := len(e.more) + 1 + len(value); need > cap(e.more) {
		if err := e.hold(cap(e.buf) + 2*need); err != nil {
			return err
		}
	}
	e.more = append(append(e.more, '\n'), value...)
	return nil
}

// hold waits until the reader may hold n bytes.
func (e *EventReader) hold(n int) error {
	if e.room == nil {
		return nil
	}
	return e.room(n)
}

// digits reads a field of ASCII digits, at most a day of milliseconds.
func digits(b []byte) (int, bool) {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int(c-'0'), 86_400_000)
	}
	return n, len(b) > 0
}

// line returns the next line without its end, and where it stands in buf.
func (e *EventReader) line() ([]byte, int, error) {
	for {
		if e.skipLF && e.pos < len(e.buf) {
			if e.skipLF = false; e.buf[e.pos] == '\n' {
				e.pos++
				e.scanned = max(e.scanned, e.pos)
			}
		}
		if end, ok := e.lineEnd(); ok {
			start := e.pos
			if end-start > e.limit+slack {
				return nil, 0, ErrTooLarge
			}
			e.skipLF = e.buf[end] == '\r'
			e.pos, e.scanned = end+1, end+1
			return e.buf[start:end], start, nil
		}
		if len(e.buf)-e.pos > e.limit+slack {
			return nil, 0, ErrTooLarge
		}
		if err := e.fill(); err != nil {
			return nil, 0, err
		}
	}
}

// lineEnd looks for a line end in what has not been looked at yet.
func (e *EventReader) lineEnd() (int, bool) {
	rest := e.buf[e.scanned:]
	if lf := bytes.IndexByte(rest, '\n'); lf >= 0 {
		rest = rest[:lf+1]
	}
	if cr := bytes.IndexByte(rest, '\r'); cr >= 0 {
		return e.scanned + cr, true
	}
	e.scanned += len(rest)
	if n := len(rest); n > 0 && rest[n-1] == '\n' {
		return e.scanned - 1, true
	}
	return 0, false
}

// fill reads more, after making room.
func (e *EventReader) fill() error {
	if e.err != nil {
		return e.err
	}
	if cap(e.buf)-len(e.buf) < 2<<10 {
		if err := e.makeRoom(); err != nil {
			return err
		}
	}
	n, err := e.r.Read(e.buf[len(e.buf):cap(e.buf)])
	e.buf = e.buf[:len(e.buf)+n]
	e.err = err
	if !e.begun && (len(e.buf) >= 3 || err != nil) {
		e.begun = true
		if bytes.HasPrefix(e.buf, []byte("\xef\xbb\xbf")) {
			e.pos, e.scanned = 3, 3
		}
	}
	if n == 0 && err != nil {
		return err
	}
	if !e.begun {
		return e.fill()
	}
	return nil
}

// makeRoom moves what is still needed to the front, into a larger buffer if it
// fills more than half of this one.
func (e *EventReader) makeRoom() error {
	from := e.pos
	if e.lines == 1 {
		from = e.data.start
	}
	keep := e.buf[from:]
	to := e.buf[:0]
	if len(keep) > cap(e.buf)/2 || cap(e.buf) == 0 {
		size := nextSize(cap(e.buf), e.limit+slack+(4<<10))
		if err := e.hold(size + cap(e.more)); err != nil {
			return err
		}
		to = e.bufs.get(size)
	}
	old := e.buf
	e.buf = append(to, keep...)
	if cap(old) != cap(e.buf) {
		e.bufs.outgrown(old, cap(e.buf))
	}
	e.pos -= from
	e.scanned -= from
	e.data.start -= from
	e.data.end -= from
	return nil
}
