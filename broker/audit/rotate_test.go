package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keyporter/broker/local"
)

// Whatever somebody puts in the places of the rotated files, a few new records push
// no old one out: it takes as many as where nobody does, or --verify says that some
// are missing.
func TestFewRecordsPushNoOldOneOut(t *testing.T) {
	last := func(d *desk) { d.must(os.Rename(d.path(0), d.path(3))) }
	copyTo := func(d *desk, i int) {
		b, err := os.ReadFile(d.path(3))
		d.must(err)
		d.must(os.WriteFile(d.path(i), b, 0o600))
	}
	for name, attack := range map[string]func(d *desk){
		"nothing is done":                    func(*desk) {},
		"the file is made the oldest one":    last,
		"and the place before it is taken":   func(d *desk) { last(d); d.must(os.WriteFile(d.path(2), nil, 0o600)) },
		"and all places before it are taken": func(d *desk) { last(d); writeAll(d, "") },
		"by lines without a seal":            func(d *desk) { last(d); writeAll(d, strings.Repeat(string(line("x"))+"\n", 99)) },
		"by what is no record":               func(d *desk) { last(d); writeAll(d, strings.Repeat("x\n", 9999)) },
		"by files of one record each": func(d *desk) {
			for i := 3; i > 0; i-- {
				d.add("history")
				d.must(os.Rename(d.path(0), d.path(i)))
			}
		},
		"by copies of it":                  func(d *desk) { last(d); copyTo(d, 1); copyTo(d, 2) },
		"by hard links to it":              func(d *desk) { last(d); links(d, os.Link, d.path(3)) },
		"by hard links to what is written": func(d *desk) { last(d); d.add("history"); links(d, os.Link, d.path(0)) },
		"by links to it":                   func(d *desk) { last(d); links(d, os.Symlink, d.path(3)) },
		"by links to what is written":      func(d *desk) { last(d); d.add("history"); links(d, os.Symlink, d.path(0)) },
		"by links to nothing":              func(d *desk) { last(d); links(d, os.Symlink, "nothing") },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 1000)
			for i := range 5 {
				d.add(fmt.Sprint("history ", i))
			}
			attack(d)
			for i := range 12 { // longer than a file, and shorter than those that are kept
				d.add(fmt.Sprint("mmmm ", i))
				d.keptOrMissed("history 0")
			}
			d.end()
			d.open()
			if d.Begin(d.key, d.last, Loss{}) == nil { // else doctor says that it is not sealed
				d.keptOrMissed("history 0")
			}
		})
	}
}

// links puts a link to a file into the two places before the oldest one.
func links(d *desk, link func(to, path string) error, to string) {
	d.must(link(to, d.path(2)))
	d.must(link(to, d.path(1)))
}

func writeAll(d *desk, text string) {
	d.must(os.WriteFile(d.path(1), []byte(text), 0o600))
	d.must(os.WriteFile(d.path(2), []byte(text), 0o600))
}

// keptOrMissed fails unless a record is in the log, or it is said that some are not.
func (d *desk) keptOrMissed(name string) {
	d.t.Helper()
	v, err := d.Verify(d.t.Context())
	if err != nil || len(v.Broken) > 0 {
		return
	}
	if !slices.Contains(read(d.t, d.Log), name) {
		d.t.Fatalf("%s is gone, and all %d records are said to be whole", name, v.Records)
	}
}

// What is wrong with a row of rotated files is said for good, also when the last of
// those files was let go of; nothing of it is removed before somebody could look.
func TestARowWithAGapStaysOneAndIsSetAside(t *testing.T) {
	swap := func(d *desk, i, j int) {
		d.must(os.Rename(d.path(i), d.path(9)))
		d.must(os.Rename(d.path(j), d.path(i)))
		d.must(os.Rename(d.path(9), d.path(j)))
	}
	for name, attack := range map[string]func(d *desk){
		"two files change places":       func(d *desk) { swap(d, 1, 3) },
		"the newest becomes the oldest": func(d *desk) { swap(d, 0, 3) },
		"files move up by one":          func(d *desk) { d.must(os.Rename(d.path(2), d.path(3))); d.must(os.Rename(d.path(1), d.path(2))) },
		"files move down by one":        func(d *desk) { d.must(os.Rename(d.path(2), d.path(1))); d.must(os.Rename(d.path(3), d.path(2))) },
		"an old copy in another's place": func(d *desk) {
			b, err := os.ReadFile(d.path(3))
			d.must(err)
			d.must(os.WriteFile(d.path(2), b, 0o600))
		},
		"a file is emptied":    func(d *desk) { d.must(os.Truncate(d.path(2), 0)) },
		"a record is changed":  func(d *desk) { d.edit(2, func(l [][]byte) [][]byte { l[1][40] ^= 1; return l }) },
		"a record is left out": func(d *desk) { d.edit(2, func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) }) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 1000)
			d.numbers(1, 40)
			d.whole(d.verify().Records)
			attack(d)
			for i := range 40 {
				if v := d.verify(); len(v.Broken) == 0 {
					t.Fatalf("after %d more records all are said to be whole", i)
				}
				d.add("more")
			}
			d.end()
			d.start()
			d.broken("missing")
			if aside, _ := filepath.Glob(d.path(0) + ".damaged-*"); len(aside) == 0 && !strings.Contains(name, "by one") {
				t.Error("nothing was set aside")
			}
		})
	}
}

// With nobody in between, no more is kept than was meant to be.
func TestTheLogDoesNotGrow(t *testing.T) {
	d := newDesk(t, 1000)
	for range 300 {
		d.must(d.Append(local.AuditRecord{Event: "call", Name: strings.Repeat("x", 60), Outcome: "ok"}))
	}
	for i := range 4 {
		if fi, err := os.Stat(d.path(i)); err != nil || fi.Size() > 1500 {
			t.Errorf("file %d: %v, %v", i, fi, err)
		}
	}
	if left, _ := filepath.Glob(d.path(0) + "*"); len(left) != 4 {
		t.Errorf("files: %q", left)
	}
	if v := d.verify(); len(v.Broken) > 0 || v.Records > 30 {
		t.Errorf("%+v", v)
	}
}

// What stands in an older file's place and cannot be read has the log grow on; that is
// said, until somebody takes it away.
func TestALogThatGrowsBecauseAnOlderFileCannotBeReadSaysSo(t *testing.T) {
	d := newDesk(t, 1000)
	d.numbers(1, 40)
	d.must(d.RotateProblem())
	d.must(os.Rename(d.path(2), d.path(9)))
	d.must(os.Mkdir(d.path(2), 0o700))
	d.numbers(41, 60)
	if err := d.RotateProblem(); err == nil || d.size <= 2000 {
		t.Errorf("the file has %d bytes, and the problem is %v", d.size, err)
	}
	d.must(d.Log.Sync())
	if d.RotateProblem() == nil {
		t.Error("it is forgotten after five seconds")
	}
	d.must(os.Remove(d.path(2)))
	d.must(os.Rename(d.path(9), d.path(2)))
	d.must(d.Log.Sync())
	d.must(d.RotateProblem())
	d.whole(d.verify().Records)
}
