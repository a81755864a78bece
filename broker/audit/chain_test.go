package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/secret"
)

// A desk is a log in a folder, with what the vault holds of it.
type desk struct {
	*Log
	t    *testing.T
	opt  Options
	key  secret.Value
	last Point // as the vault knows it
	lost Loss  // as the vault knows it
}

// newDesk has a log that is sealed, in small files if size is not zero.
func newDesk(t *testing.T, size int64) *desk {
	t.Helper()
	d := &desk{t: t, opt: Options{Path: filepath.Join(t.TempDir(), "audit.jsonl"), Size: size, Keep: 3}, key: NewKey()}
	t.Cleanup(func() {
		if d.Log != nil {
			d.Close()
		}
	})
	d.start()
	d.last, _ = d.End()
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// open is the agent's start with the vault still locked.
func (d *desk) open() {
	d.t.Helper()
	l, err := Open(d.opt)
	d.must(err)
	d.Log = l
}

func (d *desk) unlock() { d.t.Helper(); d.must(d.Begin(d.key, d.last, d.lost)) }

func (d *desk) start() { d.t.Helper(); d.open(); d.unlock() }

// end is the agent's orderly end: the vault learns where the log ends.
func (d *desk) end() {
	d.t.Helper()
	d.must(d.Log.Sync())
	if p, ok := d.End(); ok {
		d.last = p
	}
	d.must(d.Log.Close())
	d.Log = nil
}

// die is the end of an agent that was killed: what it holds open is closed, nothing is said.
func (d *desk) die() {
	d.t.Helper()
	d.must(d.file.Close())
	d.Log = nil
}

func (d *desk) add(names ...string) {
	d.t.Helper()
	for _, n := range names {
		mustAppend(d.t, d.Log, n)
	}
}

func (d *desk) numbers(from, to int) {
	d.t.Helper()
	for i := from; i <= to; i++ {
		mustAppend(d.t, d.Log, fmt.Sprintf("name %d", i))
	}
}

func (d *desk) verify() *local.VerifiedLog {
	d.t.Helper()
	v, err := d.Verify(d.t.Context())
	d.must(err)
	return v
}

// whole fails unless the log is, with so many records.
func (d *desk) whole(records int) *local.VerifiedLog {
	d.t.Helper()
	v := d.verify()
	if len(v.Broken) > 0 || v.Records != records {
		d.t.Fatalf("%d records, want %d; broken: %+v", v.Records, records, v.Broken)
	}
	return v
}

// broken fails unless a place that is broken is told with want in it.
func (d *desk) broken(want string) {
	d.t.Helper()
	v := d.verify()
	for _, b := range v.Broken {
		if strings.Contains(fmt.Sprintf("%s, line %d: %s", b.File, b.Line, b.What), want) {
			return
		}
	}
	d.t.Fatalf("want %q, got %+v", want, v.Broken)
}

func (d *desk) path(i int) string {
	if i == 0 {
		return d.opt.Path
	}
	return fmt.Sprintf("%s.%d", d.opt.Path, i)
}

// edit changes the lines of a file, as somebody with the disk would.
func (d *desk) edit(i int, change func(lines [][]byte) [][]byte) {
	d.t.Helper()
	b, err := os.ReadFile(d.path(i))
	d.must(err)
	lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	b = bytes.Join(change(lines), []byte("\n"))
	if len(b) > 0 {
		b = append(b, '\n')
	}
	f, err := os.OpenFile(d.path(i), os.O_WRONLY|os.O_TRUNC, 0)
	d.must(err)
	_, err = f.Write(b)
	d.must(errors.Join(err, f.Close()))
}

func line(name string) []byte {
	b, _ := json.Marshal(local.AuditRecord{Event: "call", Name: name, Outcome: "ok"})
	return b
}

// Each attack is made on the files of an agent that runs, of one that has ended in
// order and of one that was killed after audit.head was written, and is noticed
// then, and also after the next start and more records.
func TestTamperingIsNoticed(t *testing.T) {
	attacks := []struct {
		name string
		want string // said about the first place
		do   func(d *desk)
	}{
		{"a record is changed", "audit.jsonl, line 4: record 4 was changed", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte { l[3] = bytes.Replace(l[3], []byte("name 4"), []byte("name 7"), 1); return l })
		}},
		{"the first record is changed", "missing or changed", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte { l[0] = bytes.Replace(l[0], []byte("name 1"), []byte("name 7"), 1); return l })
		}},
		{"the last record is changed", "audit.jsonl, line 9: record 9 was changed", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte { l[8] = bytes.Replace(l[8], []byte("name 9"), []byte("name 7"), 1); return l })
		}},
		{"a seal is changed", "record 5", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte {
				l[4][len(l[4])-5] ^= 1
				return l
			})
		}},
		{"a seal is taken off", "record 5 is missing before this line", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte { l[4] = line("name 5"); return l })
		}},
		{"a record is taken out", "audit.jsonl, line 4: record 4 is missing before this line", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte { return slices.Delete(l, 3, 4) })
		}},
		{"the first record is taken out", "missing or changed", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte { return l[1:] })
		}},
		{"two records change places", "record 4 is missing before this line", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte { l[3], l[4] = l[4], l[3]; return l })
		}},
		{"a record is put in twice", "audit.jsonl, line 5: record 4 stands behind record 4", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte { return slices.Insert(l, 4, l[3]) })
		}},
		{"a record without a seal is put in", "lines that do not belong there stand before record 5", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte { return slices.Insert(l, 4, line("forged")) })
		}},
		{"the end is cut off", "records 8 to 9 are missing", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte { return l[:7] })
		}},
		{"the end is cut off in the middle of a line", "record 9 is missing", func(d *desk) {
			fi, err := os.Stat(d.path(0))
			d.must(err)
			d.must(os.Truncate(d.path(0), fi.Size()-20))
		}},
		{"everything is taken out", "missing or changed", func(d *desk) {
			d.edit(0, func([][]byte) [][]byte { return nil })
		}},
		{"the file is removed", "missing or changed", func(d *desk) { d.must(os.Remove(d.path(0))) }},
		{"the seals of all are taken off, and audit.head is gone", "audit.head was gone", func(d *desk) {
			d.edit(0, func(l [][]byte) [][]byte {
				for i := range l {
					l[i] = line(fmt.Sprintf("name %d", i+1))
				}
				return l
			})
			d.must(os.RemoveAll(filepath.Join(filepath.Dir(d.path(0)), "audit.head")))
		}},
	}
	for _, a := range attacks {
		for _, when := range []string{"running", "ended", "killed"} {
			t.Run(a.name+", "+when, func(t *testing.T) {
				d := newDesk(t, 0)
				d.numbers(1, 9)
				d.whole(9)
				switch when {
				case "running":
					d.must(d.Log.Sync())
					a.do(d)
					if !strings.Contains(a.want, "head") { // which is read at the start
						d.broken(a.want)
					}
					d.die()
					d.start()
				case "ended":
					d.end()
					a.do(d)
					d.start()
				case "killed":
					d.must(d.Log.Sync())
					d.die()
					a.do(d)
					d.start()
				}
				said := strings.TrimSuffix(a.want, " at the end") // where it was, before more came
				d.broken(said)
				d.numbers(10, 12)
				d.broken(said)
			})
		}
	}
}

func TestEachByteCounts(t *testing.T) {
	d := newDesk(t, 0)
	d.numbers(1, 2)
	whole, err := os.ReadFile(d.path(0))
	d.must(err)
	for i := range whole {
		for name, other := range map[string][]byte{
			"changed":   slices.Concat(whole[:i], []byte{whole[i] ^ 1}, whole[i+1:]),
			"taken out": slices.Concat(whole[:i], whole[i+1:]),
			"put in":    slices.Concat(whole[:i], []byte{'\r'}, whole[i:]),
		} {
			d.must(os.WriteFile(d.path(0), other, 0o600))
			if v := d.verify(); len(v.Broken) == 0 {
				t.Errorf("byte %d of %q %s: not noticed", i, whole[max(0, i-20):i+1], name)
			}
		}
	}
	d.must(os.WriteFile(d.path(0), whole, 0o600))
	d.whole(2)
}

func TestAnAddedEndIsNoticedWhileTheAgentRuns(t *testing.T) {
	d := newDesk(t, 0)
	d.numbers(1, 3)
	d.edit(0, func(l [][]byte) [][]byte { return append(l, line("forged")) })
	d.broken("lines that do not belong there stand at the end")
	d.numbers(4, 5)
	d.broken("lines that do not belong there stand before record 4")
}

func TestARotatedFileThatIsGoneIsNoticed(t *testing.T) {
	for i := 1; i <= 3; i++ {
		d := newDesk(t, 1000)
		d.numbers(1, 40)
		if len(d.verify().Broken) > 0 {
			t.Fatalf("%+v", d.verify().Broken)
		}
		d.end()
		d.must(os.Remove(d.path(i)))
		d.start()
		d.broken("missing")
		d.numbers(41, 42)
		d.broken("missing")
	}
}

// What was removed stays missing, whatever stands where a rotation removes the oldest
// file: it lets go of what that file held, and of nothing else.
func TestARotationLetsGoOfWhatTheOldestFileHeld(t *testing.T) {
	forged := fmt.Sprintf(`{"time":"2026-01-01T00:00:00Z","event":"call","outcome":"ok","seq":1%s%s%s`+"\n", macOpen, strings.Repeat("0", macSize), macClose)
	for name, oldest := range map[string][]string{
		"an empty file":        {""},
		"two empty files":      {"", ""},
		"lines without a seal": {string(line("no seal")) + "\n", "x"},
		"a forged seal":        {forged, forged},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 0)
			d.numbers(1, 20)
			d.end()
			d.start()
			d.numbers(21, 23)
			d.edit(0, func(l [][]byte) [][]byte { return l[20:] })
			d.broken("records 1 to 20 are missing")
			for i, text := range oldest {
				d.must(os.WriteFile(d.path(d.Log.opt.Keep-i), []byte(text), 0o600))
			}
			d.Log.opt.Size = 1 // each further record rotates
			for i := range 2 * d.Log.opt.Keep {
				d.add(fmt.Sprint(i))
				d.broken("records 1 to ")
			}
			d.end()
			d.start()
			d.broken("records 1 to ")
		})
	}
}

// While the vault is locked, nobody can tell which records are let go of: the file
// grows on until it is opened.
func TestALockedVaultLetsGoOfNoSealedRecord(t *testing.T) {
	d := newDesk(t, 1000)
	d.numbers(1, 40)
	d.end()
	d.open()
	for i := range 40 {
		d.add(fmt.Sprint("locked ", i))
	}
	d.unlock()
	if v := d.verify(); len(v.Broken) > 0 || v.Late != 40 {
		t.Fatalf("%+v", v)
	}
	d.numbers(41, 80)
	if v := d.verify(); len(v.Broken) > 0 {
		t.Fatalf("%+v", v)
	}
}

func TestRotatedFilesThatChangedPlacesAreNoticed(t *testing.T) {
	d := newDesk(t, 1000)
	d.numbers(1, 40)
	d.must(os.Rename(d.path(1), d.path(9)))
	d.must(os.Rename(d.path(2), d.path(1)))
	d.must(os.Rename(d.path(9), d.path(2)))
	d.broken("missing")
}

func TestAnOlderHeadIsNoticed(t *testing.T) {
	d := newDesk(t, 0)
	d.numbers(1, 3)
	d.must(d.Log.Sync())
	headFile := filepath.Join(filepath.Dir(d.path(0)), "audit.head")
	oldHead, err := os.ReadFile(headFile)
	d.must(err)
	oldLog, err := os.ReadFile(d.path(0))
	d.must(err)
	d.numbers(4, 9)
	d.end()
	d.must(os.WriteFile(headFile, oldHead, 0o600))
	d.must(os.WriteFile(d.path(0), oldLog, 0o600))
	d.start()
	d.broken("records 4 to 9 are missing")
	if v := d.verify(); !strings.Contains(fmt.Sprint(v.Broken), "audit.head was older than the vault") {
		t.Errorf("the head is not spoken of: %+v", v.Broken)
	}
}

func TestAHeadThatIsGoneIsNoticed(t *testing.T) {
	d := newDesk(t, 0)
	d.numbers(1, 3)
	d.end()
	d.must(os.Remove(filepath.Join(filepath.Dir(d.path(0)), "audit.head")))
	d.start()
	d.broken("audit.head was gone")
	d.end()
	d.start()
	d.broken("audit.head was gone")
}

// A log that nobody touches is whole, however its agents ended.
func TestNoFalseAlarm(t *testing.T) {
	t.Run("rotation", func(t *testing.T) {
		d := newDesk(t, 900)
		for i := range 120 {
			d.add(fmt.Sprint(i))
			if v := d.verify(); len(v.Broken) > 0 || v.Before > 0 {
				t.Fatalf("after record %d: %+v", i+1, v)
			}
			switch i % 7 {
			case 3:
				d.end()
				d.start()
			case 5:
				d.die()
				d.start()
			}
		}
	})
	t.Run("killed at each byte of a write", func(t *testing.T) {
		d := newDesk(t, 0)
		d.numbers(1, 2)
		d.must(d.Log.Sync())
		before, err := os.ReadFile(d.path(0))
		d.must(err)
		d.must(d.Append(local.AuditRecord{Name: "3"}, local.AuditRecord{Name: "4"}))
		after, err := os.ReadFile(d.path(0))
		d.must(err)
		d.die()
		for n := len(before); n <= len(after); n++ {
			d.must(os.WriteFile(d.path(0), after[:n], 0o600))
			d.start()
			d.whole(2 + bytes.Count(after[len(before):n], []byte("\n")))
			d.add("more")
			d.whole(3 + bytes.Count(after[len(before):n], []byte("\n")))
			d.die()
			// audit.head did not learn of "more": what follows is the same crash again.
		}
	})
	t.Run("killed in the middle of a rotation", func(t *testing.T) {
		d := newDesk(t, 1000)
		d.numbers(1, 40)
		for d.size <= d.full { // the next record rotates
			d.add("more")
		}
		letGo := func() {
			t.Helper()
			was := d.chain.end.First
			if more, err := d.letGo(); err != nil || more > 0 || d.chain.end.First == was {
				t.Fatalf("nothing was let go of: %d more bytes are wanted, %v", more, err)
			}
		}
		letGo()
		d.die()
		d.start()
		if v := d.verify(); len(v.Broken) > 0 {
			t.Fatalf("%+v", v)
		}
		d.must(d.rotate())
		d.Log = nil
		d.start()
		d.add("more")
		if v := d.verify(); len(v.Broken) > 0 {
			t.Fatalf("%+v", v)
		}
	})
	t.Run("a write that failed", func(t *testing.T) {
		d := newDesk(t, 0)
		d.numbers(1, 2)
		d.file.Close()
		d.add("waits")
		if d.Problem() == nil {
			t.Fatal("a write to a closed file worked")
		}
		d.numbers(3, 4)
		d.whole(5)
	})
}

// Records of a time when the vault was locked have no seal of their own; they
// cannot be changed once a sealed record follows.
func TestRecordsWhileTheVaultIsLocked(t *testing.T) {
	d := newDesk(t, 0)
	d.numbers(1, 3)
	d.end()
	d.open()
	d.add("locked 1", "locked 2")
	if _, err := d.Verify(t.Context()); !errors.Is(err, ErrNotBegun) {
		t.Errorf("Verify = %v, want ErrNotBegun", err)
	}
	d.unlock()
	if v := d.whole(5); v.Late != 2 {
		t.Errorf("%d late records, want 2", v.Late)
	}
	d.numbers(4, 5)
	if v := d.whole(7); v.Late != 2 {
		t.Errorf("%d late records, want 2", v.Late)
	}
	d.end()
	d.start()
	d.whole(7)
	d.edit(0, func(l [][]byte) [][]byte { l[4] = line("changed"); return l })
	d.broken("before record 4")
	d.edit(0, func(l [][]byte) [][]byte { return slices.Delete(l, 3, 5) })
	d.broken("before record 4")
}

// The log of a version without seals opens, and goes on with seals.
func TestAnOlderLogOpens(t *testing.T) {
	d := &desk{t: t, opt: Options{Path: filepath.Join(t.TempDir(), "audit.jsonl")}, key: NewKey()}
	old := string(line("old 1")) + "\n" + `{"name":"cut` + "\n" + string(line("old 2")) + "\n"
	d.must(os.WriteFile(d.opt.Path, []byte(old), 0o600))
	d.start()
	defer d.Close()
	if v := d.whole(3); v.Before != 3 {
		t.Errorf("%d older records, want 3", v.Before)
	}
	d.add("new 1", "new 2")
	if v := d.whole(5); v.Before != 3 {
		t.Errorf("%d older records, want 3", v.Before)
	}
	if got := strings.Join(read(t, d.Log), ", "); got != "old 1, old 2, new 1, new 2" {
		t.Errorf("records are %s", got)
	}
	d.edit(0, func(l [][]byte) [][]byte { return slices.Delete(l, 3, 4) })
	d.broken("record 1 is missing or changed")
}

// A new vault has a new key: the log goes on, and says that it knows nothing of
// what stands there.
func TestANewKeyBeginsANewChain(t *testing.T) {
	d := newDesk(t, 0)
	d.numbers(1, 5)
	d.end()
	d.key, d.last = NewKey(), Point{}
	d.start()
	d.numbers(6, 7)
	if v := d.whole(7); v.Before != 5 {
		t.Errorf("%d older records, want 5", v.Before)
	}
}

func TestVerifyWhileRecordsCome(t *testing.T) {
	d := newDesk(t, 2000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := d.Append(local.AuditRecord{Name: fmt.Sprint(i)}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 50 {
		if v := d.verify(); len(v.Broken) > 0 {
			t.Errorf("%+v", v.Broken)
			break
		}
	}
	cancel()
	d.must(<-done)
}

// The key is in neither file.
func TestTheKeyStaysInTheVault(t *testing.T) {
	d := newDesk(t, 0)
	d.numbers(1, 3)
	d.end()
	for _, name := range []string{"audit.jsonl", "audit.head"} {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(d.path(0)), name))
		d.must(err)
		if bytes.Contains(b, []byte(d.key.Reveal())) {
			t.Errorf("%s holds the key", name)
		}
	}
}

// Who takes the file away, so that nothing can be written, and puts it back, hides
// nothing: what was done meanwhile is in the log, in order and with its own time.
func TestTheLogCannotBeSuspended(t *testing.T) {
	suspend := func(d *desk) (resume func()) {
		d.must(os.Rename(d.path(0), d.path(9)))
		d.must(os.Mkdir(d.path(0), 0o700))
		return func() {
			d.must(os.Remove(d.path(0)))
			d.must(os.Rename(d.path(9), d.path(0)))
		}
	}
	for name, next := range map[string]func(d *desk){
		"and another record": func(d *desk) { d.add("after") },
		"and five seconds":   func(d *desk) { d.must(d.Log.Sync()); d.add("after") },
		"and log --verify":   func(d *desk) { d.verify(); d.add("after") },
		"and a restart":      func(d *desk) { d.end(); d.start(); d.add("after") },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 0)
			d.numbers(1, 3)
			resume := suspend(d)
			at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
			d.must(d.Append(local.AuditRecord{Time: at, Event: "set_approvals", Name: "off", Outcome: "ok"}))
			d.add("token")
			if d.Problem() == nil || d.Log.Sync() == nil {
				t.Error("nothing is said about a log that cannot be written")
			}
			if _, err := d.Verify(t.Context()); err == nil {
				t.Error("a log that cannot be read was verified")
			}
			resume()
			next(d)
			d.whole(6)
			if got := strings.Join(read(t, d.Log), ", "); got != "name 1, name 2, name 3, off, token, after" {
				t.Errorf("the log is %s", got)
			}
			d.must(d.Read(t.Context(), false, func(r *local.AuditRecord) error {
				if r.Name == "off" && !r.Time.Equal(at) {
					t.Errorf("its time is %v, want when it was made", r.Time)
				}
				return nil
			}))
			if err := d.Problem(); err != nil {
				t.Errorf("the problem stays: %v", err)
			}
		})
	}
	t.Run("from before the vault is open", func(t *testing.T) {
		d := newDesk(t, 0)
		d.numbers(1, 3)
		d.end()
		resume := suspend(d)
		l, err := Open(d.opt)
		if err == nil {
			t.Fatal("a folder was opened as the log")
		}
		d.Log = l
		if d.Begin(d.key, d.last, Loss{}) == nil {
			t.Fatal("a folder was sealed as the log")
		}
		d.add("off")
		resume()
		d.add("after")
		if v := d.whole(5); v.Late > 0 {
			t.Errorf("%d records have no seal", v.Late)
		}
	})
	t.Run("with more than fits into memory", func(t *testing.T) {
		d := newDesk(t, 0)
		d.numbers(1, 3)
		resume := suspend(d)
		d.must(d.Append(local.AuditRecord{Event: "set_approvals", Name: "off", Outcome: "ok"}))
		at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
		for i := range maxWaiting + 9 {
			d.must(d.Append(local.AuditRecord{Time: at.Add(time.Duration(i) * time.Second), Event: "call", Outcome: "ok"}))
		}
		resume()
		d.add("after")
		const lost = "11 records of 2026-03-04T05:06:07Z to 2026-03-04T05:06:17Z"
		d.broken(lost + " could not be written here")
		names := read(t, d.Log)
		if !slices.Contains(names, lost) || !slices.Contains(names, "off") {
			t.Errorf("want what was lost, and that approvals were turned off, in %q", names[:6])
		}
		d.end()
		d.start()
		d.broken(lost)
	})
	t.Run("until the agent ends", func(t *testing.T) {
		d := newDesk(t, 0)
		d.numbers(1, 3)
		resume := suspend(d)
		d.add("off")
		if d.Log.Sync() == nil {
			t.Fatal("a folder was written as the log")
		}
		d.last, _ = d.End()
		d.lost = d.Unwritten()
		_ = d.Log.Close() // says so too
		resume()
		d.start()
		d.lost = d.Unwritten()
		d.broken("1 record of ")
		d.end()
		d.start()
		d.broken("could not be written here")
	})
}

// audit.head is not the only one that knows where the log ends.
func TestAHeadThatCannotBeWrittenIsNamed(t *testing.T) {
	d := newDesk(t, 0)
	d.numbers(1, 3)
	d.must(d.Log.Sync())
	headFile := filepath.Join(filepath.Dir(d.path(0)), "audit.head")
	old, err := os.ReadFile(d.path(0))
	d.must(err)
	d.must(os.Rename(headFile, headFile+".x"))
	d.must(os.MkdirAll(filepath.Join(headFile, "x"), 0o700))
	d.numbers(4, 9)
	if d.Log.Sync() == nil || d.HeadProblem() == nil {
		t.Error("nothing is said about a head that cannot be written")
	}
	d.broken("where the log ends is not kept")
	d.last, _ = d.End()
	_ = d.Log.Close() // says so too
	d.must(os.RemoveAll(headFile))
	d.must(os.Rename(headFile+".x", headFile))
	d.must(os.WriteFile(d.path(0), old, 0o600))
	d.start()
	d.broken("records 4 to 9 are missing")
	if err := d.HeadProblem(); err != nil {
		t.Errorf("the problem stays: %v", err)
	}
}
