package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/broker/audit"
	"keyporter/broker/local"
	"keyporter/internal/fakemcp"
)

func (c *clinic) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// stopInTrouble is stop where the log cannot be kept, which the agent says at its end.
func (c *clinic) stopInTrouble() {
	c.t.Helper()
	c.must(c.Stop(c.t.Context()))
	if err := <-c.ended; err == nil {
		c.t.Error("the agent ended as if all were well")
	}
	c.ended = nil
}

// unwritten puts a folder in the log's place, which is beside it then, and makes two
// records.
func (c *clinic) unwritten() {
	log := c.paths.Audit()
	c.must(os.Rename(log, log+".x"))
	c.must(os.Mkdir(log, 0o700))
	c.must(c.Pause(c.t.Context()))
	c.must(c.Resume(c.t.Context()))
}

// told fails unless log --verify and doctor say something of the log.
func (c *clinic) told(want string) {
	c.t.Helper()
	v, err := c.VerifyLog(c.t.Context())
	c.must(err)
	said := ""
	for _, b := range v.Broken {
		said += b.What + "\n"
	}
	if !strings.Contains(said, want) {
		c.t.Errorf("log --verify says %q, want %q", said, want)
	}
	for _, k := range c.checks(local.DoctorRequest{}) {
		if k.ID == local.CheckLog && (k.Problem == nil || !strings.Contains(k.Problem.Text(), v.Broken[0].What)) {
			c.t.Errorf("doctor says %+v, want %q", k, v.Broken[0].What)
		}
	}
}

// The vault is told where the log ends also where audit.head cannot be: what stands
// in its place gives nobody an older log.
func TestAnOlderLogIsMissedAlsoWhereItsHeadCouldNotBeWritten(t *testing.T) {
	c := withStatic(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
	log, head := c.paths.Audit(), filepath.Join(filepath.Dir(c.paths.Audit()), "audit.head")
	c.stop()
	c.start()
	_, err := c.VerifyLog(t.Context()) // the vault is open
	c.must(err)
	oldLog, err := os.ReadFile(log)
	c.must(err)
	oldHead, err := os.ReadFile(head)
	c.must(err)
	c.must(os.Remove(head))
	c.must(os.MkdirAll(filepath.Join(head, "x"), 0o700))
	c.must(c.Pause(t.Context()))
	c.must(c.Resume(t.Context()))
	if c.audit.Sync() == nil {
		t.Fatal("a folder was written as audit.head")
	}
	c.told("where the log ends is not kept")
	c.stopInTrouble()
	c.must(os.RemoveAll(head))
	writeText(t, head, string(oldHead))
	writeText(t, log, string(oldLog))
	c.start()
	c.told("are missing")
}

// An agent that was killed has told the vault nothing; the next one makes up for it.
func TestTheVaultLearnsWhereTheLogEndsAtEachStart(t *testing.T) {
	c := withStatic(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
	var rec auditRecord
	c.must(c.keepLogEnd(t.Context(), c.vault))
	c.must(c.Pause(t.Context()))
	c.must(c.Resume(t.Context()))
	c.must(c.audit.Sync())
	end, _ := c.audit.End()
	if c.must(readRecord(c.vault, auditKey, &rec)); rec.End == end {
		t.Fatal("the vault knows the end of the log already")
	}
	l, err := audit.Open(audit.Options{Path: c.paths.Audit()}) // as the next agent does
	c.must(err)
	was := c.audit
	c.audit = l
	c.sealLog(t.Context(), c.vault)
	c.audit = was
	c.must(l.Close())
	if c.must(readRecord(c.vault, auditKey, &rec)); rec.End != end {
		t.Errorf("the vault knows of record %d, want %d", rec.End.Seq, end.Seq)
	}
}

// What could not be written until the agent ended is told by the next one.
func TestRecordsThatTheAgentCouldNotWriteAreToldByTheNext(t *testing.T) {
	c := withStatic(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
	log := c.paths.Audit()
	c.unwritten()
	c.noteUnsaved(nil)
	if p := c.snapshot().Problem; p == nil || !strings.Contains(p.Text(), "What programs do is not logged") {
		t.Errorf("the state's problem is %v", p)
	}
	c.stopInTrouble()
	c.must(os.Remove(log))
	c.must(os.Rename(log+".x", log))
	c.start()
	c.told("2 records of ")
	c.told("could not be written here")
}

// Records that waited when the vault was told, and that were written after it, are not
// said to be lost by the agent after one that was killed.
func TestRecordsThatWereWrittenAreNotToldAsLostAfterAKill(t *testing.T) {
	c := withStatic(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
	log := c.paths.Audit()
	c.unwritten()
	if c.keepLogEnd(t.Context(), c.vault) == nil { // the hour is over
		t.Fatal("a folder was written as the log")
	}
	lost := func() audit.Loss {
		var rec auditRecord
		c.must(readRecord(c.vault, auditKey, &rec))
		return rec.Lost
	}
	if n := lost().Records; n != 2 {
		t.Fatalf("the vault holds %d records as lost, want 2", n)
	}
	c.must(os.Remove(log))
	c.must(os.Rename(log+".x", log))
	c.must(c.syncLog(t.Context(), c.vault)) // five seconds later; then it is killed
	if n := lost().Records; n != 0 {
		t.Errorf("the vault holds %d records as lost that were written", n)
	}
	l, err := audit.Open(audit.Options{Path: log}) // as the next agent does
	c.must(err)
	next := &Broker{opt: c.opt, audit: l}
	next.sealLog(t.Context(), c.vault)
	v, err := l.Verify(t.Context())
	c.must(err)
	if len(v.Broken) > 0 {
		t.Errorf("log --verify says %+v", v.Broken)
	}
	c.must(l.Close())
}

// A log that grows since an older file cannot be read says so in the state, with its name.
func TestALogThatCannotBeRotatedIsAProblemOfTheState(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.Open(audit.Options{Path: log, Size: 100, Keep: 1})
	must(err)
	defer l.Close()
	b := &Broker{audit: l}
	must(l.Begin(audit.NewKey(), audit.Point{}, audit.Loss{}))
	must(os.Mkdir(log+".1", 0o700))
	for range 3 {
		must(l.Append(local.AuditRecord{Event: "pause", Outcome: "ok"}))
	}
	if p := b.logProblem(); p == nil || !strings.Contains(p.Text(), "grows without limit, because "+log+".1 cannot be read") {
		t.Errorf("the problem is %v", p)
	}
	must(os.Remove(log + ".1"))
	must(l.Sync())
	if p := b.logProblem(); p != nil {
		t.Errorf("the problem stays: %v", p)
	}
}
