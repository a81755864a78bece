package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/broker/local"
)

func read(t *testing.T, l *Log) []string {
	t.Helper()
	var names []string
	if err := l.Read(t.Context(), false, func(r *local.AuditRecord) error { names = append(names, r.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestRotationKeepsTheNewestRecordsInOrder(t *testing.T) {
	l, err := Open(Options{Path: filepath.Join(t.TempDir(), "audit.jsonl"), Size: 300, Keep: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 100 {
		if err := l.Append(local.AuditRecord{Event: "call", Name: fmt.Sprint(i), Outcome: "ok"}); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, l)
	if len(got) < 4 || len(got) > 40 {
		t.Fatalf("%d records are left of 100", len(got))
	}
	for i, n := range got {
		if want := fmt.Sprint(100 - len(got) + i); n != want {
			t.Fatalf("record %d is %s, want %s", i, n, want)
		}
	}
}

func TestFollowGoesOnThroughARotation(t *testing.T) {
	l, err := Open(Options{Path: filepath.Join(t.TempDir(), "audit.jsonl"), Size: 200, Keep: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const n = 60
	wrote := make(chan error, 1)
	go func() {
		for i := range n {
			if err := l.Append(local.AuditRecord{Name: fmt.Sprint(i)}); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	last := -1
	err = l.Read(ctx, true, func(r *local.AuditRecord) error {
		var i int
		fmt.Sscan(r.Name, &i)
		if i > last {
			last = i
		}
		if last == n-1 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %v", err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

func TestACutLineDoesNotSwallowTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte(`{"name":"a","outcome":"ok"}`+"\n"+`{"name":"cut`), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Append(local.AuditRecord{Name: "b"}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(read(t, l), " "); got != "a b" {
		t.Errorf("records = %q, want a and b", got)
	}
}

func TestNamesFromOutsideAreCleaned(t *testing.T) {
	l, err := Open(Options{Path: filepath.Join(t.TempDir(), "audit.jsonl")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Append(local.AuditRecord{Name: "\x1b[2Jx\u202e" + strings.Repeat("y", 500)}); err != nil {
		t.Fatal(err)
	}
	got := read(t, l)[0]
	if strings.ContainsAny(got, "\x1b\u202e") || len([]rune(got)) > maxText {
		t.Errorf("name = %q", got)
	}
}

func mustOpen(t *testing.T, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func mustAppend(t *testing.T, l *Log, name string) {
	t.Helper()
	if err := l.Append(local.AuditRecord{Event: "call", Name: name, Outcome: "ok"}); err != nil {
		t.Fatalf("record %s: %v", name, err)
	}
}

// A rotation that does not work loses no record, and is made up for later.
func TestARotationThatFailsLosesNoRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := mustOpen(t, Options{Path: path, Size: 100, Keep: 2})
	blocked := path + ".1" // a folder with something in it can be neither replaced nor, with .2 like it, moved
	for _, dir := range []string{blocked, path + ".2"} {
		if err := os.MkdirAll(filepath.Join(dir, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		mustAppend(t, l, fmt.Sprint(i))
	}
	for _, dir := range []string{blocked, path + ".2"} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	mustAppend(t, l, "10")
	if got := strings.Join(read(t, l), " "); got != "0 1 2 3 4 5 6 7 8 9 10" {
		t.Errorf("records = %s", got)
	}
	if _, err := os.Stat(blocked); err != nil {
		t.Errorf("the file was not rotated once that was possible: %v", err)
	}
}

// A write that failed half way spoils neither the log for good nor the next line.
func TestTheLogGoesOnAfterAWriteThatFailed(t *testing.T) {
	l := mustOpen(t, Options{Path: filepath.Join(t.TempDir(), "audit.jsonl")})
	mustAppend(t, l, "1")
	if _, err := l.file.WriteString(`{"event":"cut`); err != nil {
		t.Fatal(err)
	}
	l.file.Close() // the next write fails, as on a full disk
	if mustAppend(t, l, "waits"); l.Problem() == nil {
		t.Fatal("a write to a closed file worked")
	}
	mustAppend(t, l, "2")
	if got := strings.Join(read(t, l), " "); got != "1 waits 2" {
		t.Errorf("records = %s", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l.Append(local.AuditRecord{Name: "3"}) == nil {
		t.Error("a closed log took a record")
	}
}
