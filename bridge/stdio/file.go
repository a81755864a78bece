package stdio

import (
	"io"
	"os"
	"sync"
)

// An Input is standard input, made ready for a bridge. Close breaks a Read off
// where the system can do that: in pipes and sockets, but not on Windows.
type Input struct {
	*os.File
	restore func()
	once    sync.Once
}

// Files prepares the two files of a bridge: reading does not hold a thread, and
// writing a large message takes few steps. beside are other files of the process
// that may be the same as in. Readers and writers that are no files stay as they are.
func Files(in io.Reader, out io.Writer, beside ...*os.File) (io.Reader, io.Writer) {
	if f, ok := out.(*os.File); ok {
		roomy(f)
		beside = append(beside, f)
	}
	if f, ok := in.(*os.File); ok {
		i := &Input{}
		i.File, i.restore = pollable(f, beside)
		in = i
	}
	return in, out
}

// Close ends the input.
func (i *Input) Close() error {
	err := i.File.Close()
	i.once.Do(i.restore)
	return err
}
