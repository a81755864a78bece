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
