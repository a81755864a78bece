package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

func TestRecordsSurviveAReopen(t *testing.T) {
	for _, b := range []Backend{Keyring, Passphrase} {
		t.Run(string(b), func(t *testing.T) {
			o := newOptions(t)
			o.Backend = b
			f := mustOpen(t, o)
			mustPut(t, f, "grant/b", secret.Plain{Value: secret.New(word)})
			mustPut(t, f, "grant/a", map[string]int{"n": 1})
			mustPut(t, f, "key/a", "x")
			if err := f.Update(t.Context(), func(tx *Tx) error { tx.Delete("key/a"); return nil }); err != nil {
				t.Fatal(err)
			}
			o.Backend = "" // the vault says itself which back end it has
			g := mustOpen(t, o)
			if got, want := g.Keys("grant/"), []string{"grant/a", "grant/b"}; !slices.Equal(got, want) {
				t.Errorf("keys = %q, want %q", got, want)
			}
			wantString(t, g, "grant/b", word)
			if _, ok := g.Get("key/a"); ok {
				t.Error("a deleted record is there")
			}
			if _, ok := g.Get("grant/"); ok {
				t.Error("Get takes a prefix for a key")
			}
			if g.Backend() != b || g.Generation() != f.Generation() || g.Generation() != 5 {
				t.Errorf("back end %s, generation %d; want %s, 5", g.Backend(), g.Generation(), b)
			}
			for name, content := range snapshot(t, filepath.Dir(o.File)) {
				if strings.Contains(content, word) || strings.Contains(content, "grant") {
					t.Errorf("%s is readable", name)
				}
			}
		})
	}
}

func TestAFailedChangeChangesNothing(t *testing.T) {
	o := newOptions(t)
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	before := snapshot(t, filepath.Dir(o.File))
	mine := errors.New("mine")
	err := f.Update(t.Context(), func(tx *Tx) error {
		if err := tx.Put("a", "2"); err != nil {
			return err
		}
		if raw, _ := tx.Get("a"); string(raw) != `"2"` || len(tx.Keys("")) != 1 {
			t.Error("the change does not see itself")
		}
		tx.Delete("a")
		return mine
	})
	if err != mine {
		t.Errorf("error = %v, want the function's own", err)
	}
	wantString(t, f, "a", "1")
	sameFiles(t, o, before)
	for _, bad := range []string{"", "\xff"} {
		if err := f.Update(t.Context(), func(tx *Tx) error { return tx.Put(bad, 1) }); err == nil {
			t.Errorf("key %q was accepted", bad)
		}
	}
	if err := f.Update(t.Context(), func(tx *Tx) error { tx.Delete("none"); return nil }); err != nil {
		t.Error(err)
	}
	sameFiles(t, o, before)
}

func sameFiles(t *testing.T, o Options, before map[string]string) {
	t.Helper()
	after := snapshot(t, filepath.Dir(o.File))
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s is new", name)
		}
	}
	for name, b := range before {
		if after[name] != b {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestReadersCannotChangeRecords(t *testing.T) {
	f := mustOpen(t, newOptions(t))
	mustPut(t, f, "a", "1")
	raw, _ := f.Get("a")
	raw[1] = 'X'
	wantString(t, f, "a", "1")
}

func TestConcurrentUpdatesAllArrive(t *testing.T) {
	o := newOptions(t)
	f := mustOpen(t, o)
	done := make(chan error)
	const n = 20
	for range n {
		go func() {
			done <- f.Update(t.Context(), func(tx *Tx) error {
				var c int
				if raw, ok := tx.Get("count"); ok {
					if err := json.Unmarshal(raw, &c); err != nil {
						return err
					}
				}
				return tx.Put("count", c+1)
			})
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if raw, _ := mustOpen(t, o).Get("count"); string(raw) != fmt.Sprint(n) {
		t.Errorf("count = %s, want %d", raw, n)
	}
}

func TestUpdateThatWaitsLeavesWithItsContext(t *testing.T) {
	f := mustOpen(t, newOptions(t))
	ctx, cancel := context.WithCancel(t.Context())
	err := f.Update(t.Context(), func(*Tx) error {
		cancel()
		err := f.Update(ctx, func(*Tx) error { t.Error("two changes at once"); return nil })
		wantError(t, err, context.Canceled, hint.Failed)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	// The turn was given back, and a context that ends in time stops the write.
	ctx, cancel = context.WithCancel(t.Context())
	err = f.Update(ctx, func(tx *Tx) error { cancel(); return tx.Put("a", "1") })
	wantError(t, err, context.Canceled, hint.Failed)
	if _, ok := f.Get("a"); ok {
		t.Error("the change was made")
	}
}

func TestAClosedVaultTakesNoWrites(t *testing.T) {
	o := newOptions(t)
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	if err := f.CheckWritable(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustClose(t, f)
	if got := names(snapshot(t, filepath.Dir(o.File))); len(got) != 2 {
		t.Errorf("files = %q, want the vault and its previous generation", got)
	}
	wantError(t, f.Update(t.Context(), func(tx *Tx) error { return tx.Put("a", "2") }), errClosed, hint.Stopped)
	wantError(t, f.CheckWritable(t.Context()), errClosed, hint.Stopped)
	wantString(t, f, "a", "1")
}

func TestTheNextUpdateUsesTheReservedSpace(t *testing.T) {
	o := newOptions(t)
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	for range 2 { // the second finds the space of the first
		if err := f.CheckWritable(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	spare, err := os.Stat(o.File + ".next")
	if err != nil {
		t.Fatal(err)
	}
	size, err := os.Stat(o.File)
	if err != nil {
		t.Fatal(err)
	}
	if spare.Size() < 2*size.Size()+slack {
		t.Errorf("%d bytes are reserved for a vault of %d", spare.Size(), size.Size())
	}
	mustPut(t, f, "a", "2")
	now, err := os.Stat(o.File)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(spare, now) {
		t.Error("the update did not use the reserved space")
	}
	wantString(t, mustOpen(t, o), "a", "2")
	// Somebody tidied up between the two.
	if err := f.CheckWritable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(o.File + ".next"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, f, "a", "3")
	wantString(t, mustOpen(t, o), "a", "3")
}

func TestFilesAreForThisUserOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // the profile folder's access list does this
	}
	o := newOptions(t)
	o.Backend = Passphrase
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	for path, want := range map[string]os.FileMode{filepath.Dir(o.File): 0o700, o.File: 0o600, o.Previous: 0o600, o.Identity: 0o600} {
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, fi.Mode().Perm(), err, want)
		}
	}
}

func TestAVaultBehindALinkIsRefused(t *testing.T) {
	o := newOptions(t)
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	mustPut(t, f, "a", "2")
	for _, path := range []string{o.File, o.Previous} {
		if err := os.Rename(path, path+".real"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path+".real", path); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), o)
		wantError(t, err, errNotRegular, hint.Failed, path, "KEYPORTER_HOME")
		if err := os.Rename(path+".real", path); err != nil {
			t.Fatal(err)
		}
	}
	wantString(t, mustOpen(t, o), "a", "2")
}

func TestAFolderThatIsGoneIsNoticedBeforeAWrite(t *testing.T) {
	o := newOptions(t)
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	dir := filepath.Dir(o.File)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	wantError(t, f.CheckWritable(t.Context()), os.ErrNotExist, hint.Failed, dir)
	wantError(t, f.Update(t.Context(), func(tx *Tx) error { return tx.Put("a", "2") }), os.ErrNotExist, hint.Failed, dir)
	wantString(t, f, "a", "1")
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	mustPut(t, f, "a", "2")
	wantString(t, mustOpen(t, o), "a", "2")
}

func TestOptionsAreChecked(t *testing.T) {
	if _, err := Open(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "required") {
		t.Errorf("error = %v", err)
	}
	o := newOptions(t)
	o.Backend = "cloud"
	_, err := Open(t.Context(), o)
	if hint.CodeOf(err) != hint.Usage {
		t.Errorf("error = %v", err)
	}
	if a, b := KeyringUser("/home/a/x"), KeyringUser("/home/a/y"); a == b || KeyringUser("/home/a/x/") != a {
		t.Errorf("keyring users %s and %s", a, b)
	}
}

func TestAnEntryWithoutFilesIsUsedForTheNewVault(t *testing.T) {
	o := newOptions(t)
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	dir := filepath.Dir(o.File)
	if err := os.Rename(dir, dir+".backup"); err != nil { // the user removes the folder
		t.Fatal(err)
	}
	if got := mustOpen(t, o).Keys(""); len(got) != 0 {
		t.Errorf("records in a new vault: %q", got)
	}
	if err := os.Rename(dir, dir+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+".backup", dir); err != nil { // and brings a backup of it back
		t.Fatal(err)
	}
	wantString(t, mustOpen(t, o), "a", "1")
}

func TestKeyringCallsEndAtTheirLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		call := func(context.Context) (string, error) { <-hang; return "late", nil }
		start := time.Now()
		if v, err := limited(t.Context(), 10*time.Second, call); !errors.Is(err, ErrTimeout) || v != "" {
			t.Errorf("got %q, %v", v, err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("waited %v", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := limited(ctx, 10*time.Second, call); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
			t.Errorf("error = %v, want the caller's own", err)
		}
		close(hang)
	})
}

func TestAPanicInTheKeyringIsAnError(t *testing.T) {
	_, err := limited(t.Context(), time.Minute, func(context.Context) (int, error) {
		var p *Options
		return len(p.File), nil
	})
	if err == nil || !strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("error = %v", err)
	}
	_, err = limited(t.Context(), time.Minute, func(context.Context) (int, error) { panic(word) })
	if err == nil || strings.Contains(err.Error(), word) {
		t.Errorf("error = %v", err)
	}
}
