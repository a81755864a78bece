package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// tells fails unless keyporter log --verify says something of the log, and that it is
// not whole.
func (h *home) tells(want string) {
	h.t.Helper()
	if r := h.run("log", "--verify"); r.code != 1 || !strings.Contains(r.out, want) || strings.Contains(r.out, "are whole") {
		h.t.Errorf("keyporter log --verify: exit code %d, want %q\n%s%s", r.code, want, r.out, h.said(r.err))
	}
}

// whole fails unless keyporter log --verify finds nothing.
func (h *home) whole() {
	h.t.Helper()
	if r := h.run("log", "--verify"); r.code != 0 || !strings.Contains(r.out, " records are whole.") {
		h.t.Errorf("keyporter log --verify: exit code %d\n%s%s", r.code, r.out, h.said(r.err))
	}
}

// editLog changes the lines of the audit log, as somebody with the disk would, and
// returns what puts them back.
func (h *home) editLog(change func(lines []string) []string) (back func()) {
	h.t.Helper()
	path := h.paths().Audit()
	was := read(h.t, path)
	now := strings.Join(change(slices.Collect(strings.Lines(was))), "")
	if now == was {
		h.t.Fatal("nothing was changed")
	}
	check(h.t, os.WriteFile(path, []byte(now), 0o600))
	return func() { check(h.t, os.WriteFile(path, []byte(was), 0o600)) }
}

// inPlaceOf puts a folder that is not empty in a file's place, and returns what puts
// the file back.
func inPlaceOf(t *testing.T, path string) (back func()) {
	t.Helper()
	check(t, os.Rename(path, path+".x"))
	check(t, os.MkdirAll(filepath.Join(path, "x"), 0o700))
	return func() {
		check(t, os.RemoveAll(path))
		check(t, os.Rename(path+".x", path))
	}
}

// problem waits until the agent says that something is wrong.
func (h *home) problem(want string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	agent, err := local.Dial(ctx, local.DialOptions{Paths: h.paths()})
	check(h.t, err)
	defer agent.Close()
	seen := errors.New("seen")
	err = agent.Watch(ctx, local.Watch{}, func(st *local.State) error {
		if st.Problem != nil && strings.Contains(st.Problem.Text(), want) {
			return seen
		}
		return nil
	})
	if !errors.Is(err, seen) {
		h.t.Errorf("the agent does not say %q: %v", want, err)
	}
}

// A program that turned approvals off wants that to be in no log.
func TestALogThatSomebodyEditedIsNotSaidToBeWhole(t *testing.T) {
	t.Parallel()
	h := newHome(t).quick()
	for _, args := range [][]string{{"settings", "set", "approvals=first-use"}, {"settings", "set", "approvals=off"}, {"pause"}, {"resume"}, {"pause"}} {
		h.do(args...)
	}
	h.whole()
	lines := slices.Collect(strings.Lines(read(t, h.paths().Audit())))
	off, last := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, `"off"`) }), len(lines)-1
	if off < 1 || off > last-3 {
		t.Fatalf("the log is\n%s", strings.Join(lines, ""))
	}
	forged := `{"time":"2026-01-01T00:00:00Z","event":"approve","program":"claude","outcome":"ok"}` + "\n"
	at := func(line int, says string, n int) string {
		return fmt.Sprintf("audit.jsonl, line %d: "+says, line+1, n+1)
	}
	for _, attack := range []struct {
		name, want string
		do         func(l []string) []string
	}{
		{"a record is changed", at(off, "record %d was changed.", off), func(l []string) []string { l[off] = strings.Replace(l[off], `"off"`, `"on"`, 1); return l }},
		{"a seal is changed", at(off, "record %d was changed.", off), func(l []string) []string {
			seal := []byte(l[off])
			seal[len(seal)-6] ^= 1
			l[off] = string(seal)
			return l
		}},
		{"a record is taken out", at(off, "record %d is missing before this line.", off), func(l []string) []string { return slices.Delete(l, off, off+1) }},
		{"the first record is taken out", "missing or changed", func(l []string) []string { return l[1:] }},
		{"two records change places", at(off, "record %d is missing before this line.", off), func(l []string) []string { l[off], l[off+1] = l[off+1], l[off]; return l }},
		{"a record is put in twice", at(off+1, "record %d stands behind record ", off), func(l []string) []string { return slices.Insert(l, off+1, l[off]) }},
		{"a record is put in", at(off+1, "lines that do not belong there stand before record %d.", off), func(l []string) []string { return slices.Insert(l, off, forged) }},
		{"a record is added", "lines that do not belong there stand at the end", func(l []string) []string { return append(l, forged) }},
		{"the end is cut off", fmt.Sprintf("records %d to %d are missing at the end.", last, last+1), func(l []string) []string { return l[:last-1] }},
		{"all is taken out", "missing or changed", func([]string) []string { return nil }},
	} {
		t.Run(attack.name, func(t *testing.T) {
			h := h.in(t)
			back := h.editLog(attack.do)
			h.tells(attack.want)
			back()
			h.whole()
		})
	}
	t.Run("once the agent has ended", func(t *testing.T) {
		h := h.in(t)
		h.do("stop")
		h.editLog(func(l []string) []string { return append(l[:off], l[last]) })
		missing := fmt.Sprintf("records %d to %d are missing", off+1, last)
		h.tells(missing)
		h.do("resume")
		h.kill()
		h.do("pause")
		h.tells(missing)
	})
}

// What is done while something stands in the log's place is in the log afterwards.
func TestALogThatIsPutAsideForAWhileMissesNothing(t *testing.T) {
	t.Parallel()
	h := newHome(t).quick()
	do := func() {
		h.do("settings", "set", "approvals=first-use")
		h.do("settings", "set", "approvals=off")
	}
	self := filepath.Base(os.Args[0])
	h.do("pause")
	back := inPlaceOf(t, h.paths().Audit())
	do()
	h.problem("What programs do is not logged.")
	if r := h.run("log", "--verify"); r.code != 1 || strings.Contains(r.out, "are whole") {
		t.Errorf("keyporter log --verify: exit code %d\n%s%s", r.code, r.out, h.said(r.err))
	}
	back()
	h.whole()
	h.wantRecord(record{"pause", self, "", "ok"}, record{"set_approvals", self, "first-use", "ok"}, record{"set_approvals", self, "off", "ok"})

	// Until the agent ends, it is at least told that there was something.
	back = inPlaceOf(t, h.paths().Audit())
	do()
	h.run("stop")
	back()
	h.tells("2 records of ")
	h.tells("could not be written here")
}

// Any program of the user can give the agent such a limit (prlimit --fsize).
func TestALimitOnTheSizeOfFilesKeepsNothingOutOfTheLog(t *testing.T) {
	t.Parallel()
	h := plainHome(t).quick()
	h.do("add", "acme", "https://mcp.example.com/mcp", "--offline")
	h.whole()
	limit := func(bytes string) {
		if out, err := h.as("prlimit", "--pid", strconv.Itoa(h.pid()), "--fsize="+bytes+":").CombinedOutput(); err != nil {
			t.Fatalf("prlimit: %v\n%s", err, out)
		}
	}
	fi, err := os.Stat(h.paths().Audit())
	check(t, err)
	limit(strconv.FormatInt(fi.Size()+20, 10)) // in the middle of the next record
	h.do("set", "acme", "read-only=true")
	h.do("set", "acme", "read-only=false")
	h.tells("2 records of ")
	limit("unlimited")
	h.whole()
	if log := h.do("log"); strings.Count(log, "acme · set read_only\n") != 2 {
		t.Errorf("the log is\n%s", log)
	}
}

// What stands in the place of audit.head gives nobody an older log.
func TestAnOlderLogIsMissedAlsoWhereItsEndCouldNotBeKept(t *testing.T) {
	t.Parallel()
	h := newHome(t).quick()
	h.do("start") // until the vault is open
	log := h.paths().Audit()
	head := filepath.Join(filepath.Dir(log), "audit.head")
	oldLog, oldHead := read(t, log), read(t, head)
	inPlaceOf(t, head)
	h.do("settings", "set", "approvals=first-use")
	h.do("settings", "set", "approvals=off")
	h.problem("audit.head cannot be written")
	h.tells("where the log ends is not kept")
	if r := h.run("doctor"); r.code != 1 || !strings.Contains(r.out, "where the log ends is not kept") {
		t.Errorf("keyporter doctor: exit code %d\n%s", r.code, r.out)
	}
	h.run("stop")
	check(t, os.RemoveAll(head))
	check(t, os.WriteFile(head, []byte(oldHead), 0o600))
	check(t, os.WriteFile(log, []byte(oldLog), 0o600))
	n := strings.Count(oldLog, "\n")
	h.tells(fmt.Sprintf("records %d to %d are missing", n+1, n+2))
}

// What stands in the log is the agent's own finding, but for what a bridge says of its
// calls.
func TestAProgramHasNothingRecordedThatDidNotHappen(t *testing.T) {
	t.Parallel()
	h := newHome(t).quick()
	h.keyed()
	agent, err := local.Dial(t.Context(), local.DialOptions{Paths: h.paths()})
	check(t, err)
	defer agent.Close()
	for _, event := range []string{"approve", "revoke", "set_approvals", "sign_in", "token", "log_broken", ""} {
		err := agent.Record(t.Context(), []local.AuditRecord{{Event: "call", Server: "acme", Method: "ping"}, {Event: event, Program: "claude", Server: "acme", Name: "forged", Outcome: "ok"}})
		if hint.CodeOf(err) != hint.Usage {
			t.Errorf("to record %q: %v", event, err)
		}
	}
	before, old := time.Now(), time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	check(t, agent.Record(t.Context(), []local.AuditRecord{{Time: old, Event: "call", Program: "claude", Server: "acme", Account: "other", Method: "tools/call", Name: "add", Outcome: "ok"}}))
	evil, self := h.otherProgram("evil"), filepath.Base(os.Args[0])
	token := func(want int) {
		cmd := h.as(evil, "60", program, "token", "acme") // what it writes is the token
		if _, _ = cmd.Output(); cmd.ProcessState.ExitCode() != want {
			t.Errorf("keyporter token: exit code %d, want %d", cmd.ProcessState.ExitCode(), want)
		}
	}
	token(0)
	h.launch("acme").initialize()
	h.do("settings", "set", "approvals=first-use")
	token(4)
	h.wantRecord(record{"token", "evil", "", "ok"}, record{"token", self, "for a bridge", "ok"}, record{"token", "evil", "", "approval_needed"})
	calls := 0
	for line := range strings.Lines(h.do("log", "--json")) {
		var r local.AuditRecord
		check(t, json.Unmarshal([]byte(line), &r))
		if r.Name == "forged" || r.Program == "claude" || r.Method == "ping" || r.Time.Before(old.AddDate(1, 0, 0)) {
			t.Errorf("the log has %s", line)
		}
		if r.Event == "call" && r.Name == "add" {
			if calls++; r.Program != self || r.Account != "" || r.Time.Before(before.Round(0)) {
				t.Errorf("the call is recorded as %s", line)
			}
		}
	}
	if calls != 1 {
		t.Errorf("%d calls are recorded, want one", calls)
	}
	h.whole()
}
