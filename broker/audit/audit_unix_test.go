//go:build unix

package audit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe in place of a file of the log holds nobody up, and once it is gone the log
// is what it was.
func TestAPipeInPlaceOfTheLogHangsNobody(t *testing.T) {
	for _, name := range []string{"audit.jsonl", "audit.jsonl.1", "audit.head"} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 0)
			d.numbers(1, 3)
			pipe := filepath.Join(filepath.Dir(d.path(0)), name)
			if err := os.Rename(pipe, pipe+".x"); err != nil && name != "audit.jsonl.1" {
				t.Fatal(err)
			}
			d.must(syscall.Mkfifo(pipe, 0o600))
			if _, err := d.Verify(t.Context()); name != "audit.head" && (err == nil || !strings.Contains(err.Error(), "not an ordinary file")) {
				t.Errorf("Verify = %v, want what stands there instead of a file", err)
			}
			d.add("while it was there")
			_ = d.Log.Sync()
			if l, err := Open(d.opt); err == nil {
				l.Close()
			}
			d.must(os.Remove(pipe))
			if name != "audit.jsonl.1" {
				d.must(os.Rename(pipe+".x", pipe))
			}
			d.add("after that")
			d.whole(5)
		})
	}
}

// So may a program of the same user do to the agent (prlimit --fsize). The limit is a
// process's of its own, since the go command has tests write files too.
func TestALimitOnTheSizeOfFilesSuspendsNoLog(t *testing.T) {
	const inside = "KEYPORTER_TEST_LIMITED"
	if os.Getenv(inside) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), inside+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
			t.Errorf("in a process of its own: %v\n%s", err, out)
		}
		return
	}
	d := newDesk(t, 0)
	d.numbers(1, 3)
	var was syscall.Rlimit
	d.must(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	limit := was
	limit.Cur = uint64(d.size) + 20 // in the middle of a record
	d.must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	lift := func() { d.must(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)) }
	defer lift()
	d.add("off", "on")
	d.broken("2 records of ")
	if got := read(t, d.Log); len(got) != 4 || !strings.HasPrefix(got[3], "2 records of ") {
		t.Errorf("the log shows %q, want that two more wait", got)
	}
	lift()
	d.add("after")
	d.whole(6)
	if got := strings.Join(read(t, d.Log), ", "); got != "name 1, name 2, name 3, off, on, after" {
		t.Errorf("the log is %s", got)
	}
}

// A file that stays in its place (on Windows one that somebody reads) is not closed, made
// durable and opened again for each record; once it can be renamed it is.
func TestAFileThatCannotBeRotatedCostsNoReopeningForEachRecord(t *testing.T) {
	l, err := Open(Options{Path: filepath.Join(t.TempDir(), "audit.jsonl"), Size: 8000, Keep: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Link(l.opt.Path, l.name(1)); err != nil { // to rename it to itself changes nothing
		t.Fatal(err)
	}
	const records = 300
	opened, was := 0, l.file
	for range records {
		mustAppend(t, l, "x")
		if l.file != was {
			opened, was = opened+1, l.file
		}
	}
	size := l.size
	if most := int(size / 1000); size <= 9000 || opened == 0 || opened > most {
		t.Errorf("opened %d times while it grew to %d bytes, want 1 to %d", opened, size, most)
	}
	if err := os.Remove(l.name(1)); err != nil {
		t.Fatal(err)
	}
	for range records {
		mustAppend(t, l, "x")
	}
	if _, err := os.Stat(l.name(1)); err != nil || l.full != l.opt.Size {
		t.Errorf("%v; the next rotation is at %d bytes, want %d", err, l.full, l.opt.Size)
	}
}
