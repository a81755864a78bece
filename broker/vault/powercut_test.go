package vault_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"keyporter/broker/vault"
)

// A diskState is a folder as it was at one moment: what a process that is killed
// there leaves, or a disk whose power is cut.
type diskState struct {
	at  string
	dir string
}

// photograph copies dir, hard links as hard links.
func photograph(t *testing.T, dir, at string) diskState {
	t.Helper()
	to := t.TempDir()
	type seen struct {
		info os.FileInfo
		copy string
	}
	var files []seen
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		copy := filepath.Join(to, path[len(dir):])
		if info.IsDir() {
			return os.MkdirAll(copy, info.Mode().Perm())
		}
		for _, f := range files {
			if os.SameFile(f.info, info) {
				return os.Link(f.copy, copy)
			}
		}
		files = append(files, seen{info, copy})
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(copy, data, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
	return diskState{at, to}
}

// statesOfWrite makes a vault that holds write 2, with write 1 before it, lets it
// write the third, and returns the states before each step and after the last.
func statesOfWrite(t *testing.T, reserve bool) []diskState {
	t.Helper()
	dir := newHome(t)
	var states []diskState
	watch := false
	f, err := vault.Open(t.Context(), vault.WithSteps(options(dir), func(step string) {
		if watch {
			states = append(states, photograph(t, dir, step))
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := 1; n <= 3; n++ {
		if reserve {
			if err := f.CheckWritable(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		watch = n == 3
		if err := f.Update(t.Context(), putCount(n)); err != nil {
			t.Fatal(err)
		}
	}
	if len(states) < 4 {
		t.Fatalf("a write has %d steps, want the new file, the previous generation's two and the vault's", len(states))
	}
	return append(states, photograph(t, dir, "after the last step"))
}

// Before each step of a write the vault opens with a whole generation, and goes
// on from there. Only the steps of the vault's own rename decide which.
func TestEachStepOfAWriteLeavesAWholeVault(t *testing.T) {
	for _, reserve := range []bool{false, true} {
		t.Run(fmt.Sprintf("reserved %t", reserve), func(t *testing.T) {
			before := 2
			for _, s := range statesOfWrite(t, reserve) {
				n := checkVault(t, s.dir)
				if n < before || n > 3 {
					t.Errorf("%s: the vault holds write %d after %d", s.at, n, before)
				}
				before = n
				goesOn(t, s, n)
			}
			if before != 3 {
				t.Errorf("after the last step the vault holds write %d, want 3", before)
			}
		})
	}
}

// goesOn writes once more to a vault that holds write n.
func goesOn(t *testing.T, s diskState, n int) {
	t.Helper()
	f, err := vault.Open(t.Context(), options(s.dir))
	if err != nil {
		t.Fatalf("%s: %v", s.at, err)
	}
	defer f.Close()
	if err := f.Update(t.Context(), putCount(n+1)); err != nil {
		t.Fatalf("%s: next write: %v", s.at, err)
	}
	if prev, err := countIn(options(s.dir).Previous, s.dir); err != nil || prev != n {
		t.Errorf("%s: after the next write the previous generation is of write %d, %v; want %d", s.at, prev, err, n)
	}
	if now := checkVault(t, s.dir); now != n+1 {
		t.Errorf("%s: the vault holds write %d, want %d", s.at, now, n+1)
	}
}

// A power cut can leave the file that was being written in any condition, and of
// the renames that were not yet synced any set.
func TestEachPowerCutLeavesAWholeVault(t *testing.T) {
	states := statesOfWrite(t, false)
	first, last := states[0], states[len(states)-1]
	var cuts []diskState
	for _, s := range states {
		for how, damage := range damages {
			cut := photograph(t, s.dir, s.at+", files under way "+how)
			for _, name := range extraFiles(t, cut.dir) {
				damageFile(t, filepath.Join(cut.dir, "state", name), damage)
			}
			cuts = append(cuts, cut)
		}
		for _, file := range []diskState{first, last} {
			for _, prev := range []diskState{first, last} {
				cut := photograph(t, s.dir, fmt.Sprintf("%s, vault as %s, previous as %s", s.at, file.at, prev.at))
				replaceWith(t, options(cut.dir).File, options(file.dir).File)
				replaceWith(t, options(cut.dir).Previous, options(prev.dir).Previous)
				cuts = append(cuts, cut)
			}
		}
	}
	for _, cut := range cuts {
		f, err := vault.Open(t.Context(), options(cut.dir))
		if err != nil {
			t.Errorf("%s: %v", cut.at, err)
			continue
		}
		n, err := count(f)
		if err != nil || n < 2 || n > 3 {
			t.Errorf("%s: the vault holds write %d, %v", cut.at, n, err)
		}
		if extra := extraFiles(t, cut.dir); extra != nil {
			t.Errorf("%s: files are left: %q", cut.at, extra)
		}
		if prev, err := countIn(options(cut.dir).Previous, cut.dir); err != nil || prev < 1 || prev > n {
			t.Errorf("%s: previous generation: write %d, %v", cut.at, prev, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		goesOn(t, cut, n)
	}
}

// damages are what unsynced content may have become.
var damages = map[string]func([]byte) []byte{
	"as written": func(b []byte) []byte { return b },
	"empty":      func([]byte) []byte { return nil },
	"half":       func(b []byte) []byte { return b[:len(b)/2] },
	"zeros":      func(b []byte) []byte { return make([]byte, len(b)) },
	"garbage":    func(b []byte) []byte { return slices.Repeat([]byte{0xa5}, len(b)) },
}

// damageFile replaces a file by a new one with damaged content; its other names
// keep the old content.
func damageFile(t *testing.T, path string, damage func([]byte) []byte) {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, whole := range []string{"vault.age", "vault.age.prev"} {
		if other, err := os.Stat(filepath.Join(filepath.Dir(path), whole)); err == nil && os.SameFile(fi, other) {
			return // a second name of durable content
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, damage(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func replaceWith(t *testing.T, path, with string) {
	t.Helper()
	data, err := os.ReadFile(with)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A creation that was interrupted is finished by the next Open, with the identity
// that the first one stored.
func TestAnInterruptedCreationIsFinished(t *testing.T) {
	dir := newHome(t)
	var states []diskState
	f, err := vault.Open(t.Context(), vault.WithSteps(options(dir), func(step string) {
		states = append(states, photograph(t, dir, step))
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if len(states) < 3 {
		t.Fatalf("a creation has %d steps, want the identity's, the new file's and the vault's", len(states))
	}
	for _, s := range append(states, photograph(t, dir, "after the last step")) {
		stored, _ := os.ReadFile(filepath.Join(s.dir, "keyring")) // not there before the first step
		goesOn(t, s, 0)
		if now, err := os.ReadFile(filepath.Join(s.dir, "keyring")); err != nil || len(stored) > 0 && string(now) != string(stored) {
			t.Errorf("%s: the identity was replaced, %v", s.at, err)
		}
	}
}
