package vault

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"keyporter/internal/hint"
)

// touches are what other programs do to vault.age while it is open.
var touches = map[string]func(t *testing.T, o Options, older []byte){
	"an older generation is put in place": func(t *testing.T, o Options, older []byte) {
		beside := o.File + ".new"
		mustWrite(t, beside, older)
		if err := os.Rename(beside, o.File); err != nil {
			t.Fatal(err)
		}
	},
	"it is written over": func(t *testing.T, o Options, older []byte) { mustWrite(t, o.File, older) },
	"it becomes garbage": func(t *testing.T, o Options, _ []byte) { mustWrite(t, o.File, []byte("garbage")) },
	"it becomes empty":   func(t *testing.T, o Options, _ []byte) { mustWrite(t, o.File, nil) },
}

func mustWrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What another program wrote is not overwritten, what was in memory is kept
// beside it, and either can be gone on with.
func TestAnotherProgramsVaultIsNotOverwritten(t *testing.T) {
	for name, touch := range touches {
		for _, check := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				o := newOptions(t)
				f := mustOpen(t, o)
				mustPut(t, f, "a", "old")
				older := mustRead(t, o.File)
				mustPut(t, f, "a", "new")
				touch(t, o, older)
				theirs, prev := mustRead(t, o.File), mustRead(t, o.Previous)

				want := "new"
				if check {
					wantError(t, f.CheckWritable(t.Context()), ErrTouched, hint.Failed, o.File, "vault.age.kept-1", "keyporter stop")
				} else {
					want = "newest" // the change that could not be written is kept too
				}
				for range 2 {
					err := f.Update(t.Context(), func(tx *Tx) error { return tx.Put("a", "newest") })
					wantError(t, err, ErrTouched, hint.Failed, "vault.age.kept-1")
				}
				wantString(t, f, "a", "new")
				if !slices.Equal(mustRead(t, o.File), theirs) || !slices.Equal(mustRead(t, o.Previous), prev) {
					t.Error("the files on disk were changed")
				}
				mustClose(t, f)
				if got := names(snapshot(t, filepath.Dir(o.File))); len(got) != 3 {
					t.Errorf("the folder holds %q, want the two generations and one kept copy", got)
				}
				if err := os.Rename(o.File+".kept-1", o.File); err != nil {
					t.Fatal(err)
				}
				f = mustOpen(t, o)
				wantString(t, f, "a", want)
				mustPut(t, f, "a", "goes on")
			})
		}
	}
}

// A program that copies the folder, or puts the same content back, is none that
// changed the vault.
func TestTheSameContentIsNoChange(t *testing.T) {
	o := newOptions(t)
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	touches["an older generation is put in place"](t, o, mustRead(t, o.File))
	if err := f.CheckWritable(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	mustPut(t, f, "a", "2")
	mustClose(t, f)
	wantString(t, mustOpen(t, o), "a", "2")
}
