package local

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// maxLog is how large agent.log may be when an agent starts, in bytes; a larger
// one becomes agent.log.1.
const maxLog = 1 << 20

// An agentLog is agent.log while an agent starts.
type agentLog struct {
	file *os.File
	from int64 // where the new agent's lines begin
}

func openLog(p paths.Paths) (*agentLog, error) {
	if fi, err := os.Stat(p.AgentLog()); err == nil && fi.Size() > maxLog {
		_ = os.Rename(p.AgentLog(), p.AgentLog()+".1") // else it grows on
	}
	f, err := atomicfile.OpenFile(p.AgentLog(), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil { // an agent without a log does its work, as where the disk is read-only
		f, err = os.OpenFile(os.DevNull, os.O_RDWR, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("open the agent's log: %w", err)
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open the agent's log: %w", err)
	}
	return &agentLog{file: f, from: fi.Size()}, nil
}

// failure says why the agent that wrote the log did not start, in its own words if it
// had some.
func (l *agentLog) failure() error {
	lines := l.tail()
	cause := errors.New("the end of its log: " + strings.Join(lines[max(0, len(lines)-5):], " | "))
	if said := lastWords(lines); said != nil {
		said.Cause = cause
		return said
	}
	return notStarted(cause)
}

// tail returns the last lines since the start, 2 KiB at most.
func (l *agentLog) tail() []string {
	fi, err := l.file.Stat()
	if err != nil {
		return nil
	}
	b := make([]byte, min(max(fi.Size()-l.from, 0), 2<<10))
	n, _ := l.file.ReadAt(b, fi.Size()-int64(len(b))) // less is better than nothing
	return strings.Split(strings.TrimRight(string(b[:n]), "\n"), "\n")
}

// lastWords returns what an agent that has failed said at the end of its log: what
// happened, what to do and details, each on a line. It returns nil if the log goes on
// behind that, or has no such end.
func lastWords(lines []string) *hint.Error {
	for i := len(lines) - 1; i >= 0; i-- {
		if what, ok := strings.CutPrefix(lines[i], "keyporter: "); ok {
			said := hint.New(hint.Failed, what, "")
			if i+1 < len(lines) && !strings.HasPrefix(lines[i+1], "  Details: ") {
				said.Do = strings.TrimSpace(lines[i+1])
			}
			return said
		}
		if !strings.HasPrefix(lines[i], "  ") {
			break
		}
	}
	return nil
}

// DidNotStart returns why the agent did not start that was started last, as far as its
// log tells: the next one may. Nobody is asked whether one runs.
func DidNotStart(p paths.Paths) error {
	f, err := atomicfile.Open(p.AgentLog())
	if err != nil {
		return nil // no agent has been started
	}
	defer f.Close()
	said, err := f.Stat()
	if err != nil {
		return nil
	}
	// One that started with nothing to say has signed the lock later than that.
	if lock, err := os.Stat(p.Lock()); err == nil && lock.Size() > 0 && lock.ModTime().After(said.ModTime()) {
		return nil
	}
	if failed := lastWords((&agentLog{file: f}).tail()); failed != nil {
		return hint.New(failed.Code, "The last one did not start: "+failed.What, failed.Do)
	}
	return nil
}
