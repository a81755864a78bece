package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"keyporter/broker/local"
)

// Sizes of the agent's log: a file is rotated once it is longer than logSize, and the
// logKept-th oldest one is let go of.
const (
	logSize = 8 << 20
	logKept = 4
)

// A shelf is the audit log of an agent, whose files somebody moves around while a program
// makes calls, so that it is rotated.
type shelf struct {
	*home
	agent *local.Client
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	h := newHome(t).quick()
	h.do("add", "acme", "https://mcp.example.com/mcp", "--offline")
	h.do("settings", "set", "approvals=first-use")
	h.do("settings", "set", "approvals=off") // what is to be forgotten
	h.whole()
	agent, err := local.Dial(t.Context(), local.DialOptions{Paths: h.paths()})
	check(t, err)
	t.Cleanup(agent.Close)
	return &shelf{h, agent}
}

// path returns the i-th oldest file; 0 is the one in use.
func (s *shelf) path(i int) string {
	if i == 0 {
		return s.paths().Audit()
	}
	return fmt.Sprintf("%s.%d", s.paths().Audit(), i)
}

// fill makes records of calls, each as long as it can be, until the file in use is full and
// the next one, which is made too, has the agent rotate it.
func (s *shelf) fill() {
	s.t.Helper()
	name := strings.Repeat("\U0001F600", 200) // four bytes each
	call := local.AuditRecord{Event: "call", Server: "acme", Method: name, Name: name, Outcome: name}
	batch := slices.Repeat([]local.AuditRecord{call}, 500)
	for done := 0; done <= logSize; done += len(batch) * 3 * len(name) {
		check(s.t, s.agent.Record(s.t.Context(), batch))
	}
	check(s.t, s.agent.Record(s.t.Context(), batch[:1]))
}

// move renames one of the files to another's name.
func (s *shelf) move(from, to int) {
	s.t.Helper()
	check(s.t, os.Rename(s.path(from), s.path(to)))
}

// put writes a file of the user's own in the place of one of the log's.
func (s *shelf) put(i int, text string) {
	s.t.Helper()
	check(s.t, os.WriteFile(s.path(i), []byte(text), 0o600))
}

// Where the log's own file is put where a rotation removes it, a few megabytes of calls
// do not push it out.
func TestAFewCallsPushNothingOutOfTheLog(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.move(0, logKept)
	for i := 1; i < logKept; i++ {
		s.put(i, "")
	}
	s.fill()
	if log := s.do("log"); !strings.Contains(log, "set approvals off\n") {
		t.Error("that approvals were turned off is not in the log any more")
	}
	s.whole()
}

// A rotated file that is gone is missed, also once other files lie where a rotation
// removes the oldest one, to have its records count as let go of.
func TestWhatIsMissingFromTheLogStaysMissingOverRotations(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.fill()
	if fi, err := os.Stat(s.path(0)); err != nil || fi.Size() > logSize {
		t.Fatalf("the file was not rotated: %v, %v", fi, err)
	}
	s.whole()
	const away = 9
	s.move(1, away)
	s.tells("missing or changed")
	s.move(away, 1)
	s.whole()

	s.move(1, away)
	for i := 1; i <= logKept; i++ {
		s.put(i, `{"time":"2026-01-01T00:00:00Z","event":"call","outcome":"ok"}`+"\n")
	}
	s.fill()
	s.tells("missing or changed")
	s.do("stop")
	s.tells("missing or changed")
}
