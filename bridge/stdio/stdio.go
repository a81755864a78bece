// Package stdio is the side of a bridge that its MCP client sees: JSON-RPC
// messages, one a line, on a reader and a writer (MCP basic/transports/stdio).
// It looks into no message and starts no goroutine.
package stdio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxLine is the length of a line that a Reader takes if nothing else is said, in bytes.
const MaxLine = 64 << 20

// kept is how much of the beginning and of the end of a line that is too long
// goes into a TooLongError.
const kept = 4 << 10

// A TooLongError stands for a line beyond the limit. The reader has moved past
// it and can go on.
type TooLongError struct {
	Limit int    // in bytes
	Head  []byte // how the line begins
	Tail  []byte // how it ends
}

func (e *TooLongError) Error() string { return fmt.Sprintf("line is longer than %d bytes", e.Limit) }

// A Reader reads messages. It is for one goroutine.
type Reader struct {
	r     *bufio.Reader
	limit int
	begun bool
}

// NewReader returns a Reader for lines of up to limit bytes; 0 means MaxLine.
func NewReader(r io.Reader, limit int) *Reader {
	if limit <= 0 {
		limit = MaxLine
	}
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), limit: limit}
}

// Read returns the next line that is not blank, without its line end and the
// white space around it. The slice is the caller's; one byte of room is left behind
// it. The error is io.EOF at the end, a *TooLongError for a line that was left
// out, or what the reader said.
func (r *Reader) Read() ([]byte, error) {
	for {
		line, err := r.line()
		if !r.begun && len(line) > 0 {
			r.begun = true
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if line = bytes.Trim(line, " \t\r\n"); len(line) > 0 && (err == nil || errors.Is(err, io.EOF)) {
			return line, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// line returns one line with its end, in memory of its own.
func (r *Reader) line() ([]byte, error) {
	part, err := r.r.ReadSlice('\n')
	if err == nil || !errors.Is(err, bufio.ErrBufferFull) {
		return own(part), err
	}
	line := append(make([]byte, 0, 4*len(part)), part...)
	for {
		part, err = r.r.ReadSlice('\n')
		if len(line)+len(part) > r.limit+2 {
			return nil, r.skip(line, part, err)
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func own(part []byte) []byte {
	if len(part) == 0 {
		return nil
	}
	return append(make([]byte, 0, len(part)+1), part...)
}

// skip moves to the end of a line that is too long.
func (r *Reader) skip(line, part []byte, err error) error {
	e := &TooLongError{Limit: r.limit, Head: bytes.Clone(line[:min(kept, len(line))])}
	e.Tail = last(bytes.Clone(line[max(0, len(line)-kept):]), part)
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = r.r.ReadSlice('\n')
		e.Tail = last(e.Tail, part)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return e
}

// last returns the end of tail and part together.
func last(tail, part []byte) []byte {
	tail = append(tail, part[max(0, len(part)-kept):]...)
	return append(tail[:0], tail[max(0, len(tail)-kept):]...)
}

// A Writer writes messages, each whole. It is safe for concurrent use, and the
// only one who writes to what it writes to.
type Writer struct {
	mu  sync.Mutex
	w   io.Writer
	err error // the first one; it stays
}

// NewWriter returns a Writer.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes one message, which has no line break in it. It uses the room
// behind msg, if there is some, for the line's end.
func (w *Writer) Write(msg []byte) error {
	line := append(msg, '\n')
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if _, err := w.w.Write(line); err != nil {
		w.err = fmt.Errorf("write to the client: %w", err)
	}
	return w.err
}
