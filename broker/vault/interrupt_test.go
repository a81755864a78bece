//go:build unix

package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A changing is a change on disk that a test interrupts before each of its steps.
type changing struct {
	prepare func(t *testing.T, o Options)       // Optional.
	do      func(*testing.T, Options)           // in the child
	check   func(*testing.T, Options, []string) // after the kill; the steps that were reached
}

var changings = map[string]changing{
	"create keyring":    {do: create(Keyring), check: checkCreated(Keyring)},
	"create passphrase": {do: create(Passphrase), check: checkCreated(Passphrase)},
	"update": {
		prepare: func(t *testing.T, o Options) { twoGenerations(t, o) },
		do:      func(t *testing.T, o Options) { mustPut(t, mustOpen(t, o), "a", "3") },
		check:   checkUpdated,
	},
	"move to passphrase": {
		prepare: func(t *testing.T, o Options) { twoGenerations(t, o) },
		do:      func(t *testing.T, o Options) { mustMove(t, mustOpen(t, o), Passphrase) },
		check:   checkMoved(Passphrase),
	},
	"move to keyring": {
		prepare: func(t *testing.T, o Options) { o.Backend = Passphrase; twoGenerations(t, o) },
		do:      func(t *testing.T, o Options) { mustMove(t, mustOpen(t, o), Keyring) },
		check:   checkMoved(Keyring),
	},
	"restore": {
		prepare: func(t *testing.T, o Options) { twoGenerations(t, o); rewrite(t, o.File, damages["payload"]) },
		do: func(t *testing.T, o Options) {
			if _, err := Restore(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		},
		check: checkRestored,
	},
}

func TestAnInterruptedChangeLeavesAVaultThatOpens(t *testing.T) {
	if name := os.Getenv(childEnv); name != "" {
		interrupt(t, name)
		return
	}
	for name, c := range changings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := 0
			for n := 1; ; n++ {
				o := newOptions(t)
				if c.prepare != nil {
					c.prepare(t, o)
				}
				reached, done := interrupted(t, name, filepath.Dir(o.File), n)
				if t.Failed() {
					return
				}
				if c.check(t, o, reached); t.Failed() {
					t.Fatalf("killed before the last of %q", reached)
				}
				if done {
					break
				}
				steps++
			}
			if steps < 2 {
				t.Errorf("%d steps were found", steps)
			}
		})
	}
}

// interrupt is the child: it makes the change and dies just before step n.
func interrupt(t *testing.T, name string) {
	n, err := strconv.Atoi(os.Getenv(childEnv + "_STEP"))
	if err != nil {
		t.Fatal(err)
	}
	o := options(os.Getenv(childEnv + "_DIR"))
	o.at = func(step string) {
		fmt.Println("step", step)
		if n--; n == 0 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
				panic(err)
			}
			select {} // the signal is on its way
		}
	}
	changings[name].do(t, o)
}

func interrupted(t *testing.T, name, dir string, n int) (reached []string, done bool) {
	t.Helper()
	cmd := child(t, name, fmt.Sprintf("%s_STEP=%d", childEnv, n), childEnv+"_DIR="+dir)
	out, err := cmd.Output()
	for line := range strings.Lines(string(out)) {
		if s, ok := strings.CutPrefix(line, "step "); ok {
			reached = append(reached, strings.TrimSpace(s))
		}
	}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
		t.Errorf("child: %v\n%s", err, out)
	}
	return reached, err == nil
}

func create(b Backend) func(*testing.T, Options) {
	return func(t *testing.T, o Options) {
		o.Backend = b
		mustOpen(t, o)
	}
}

func checkCreated(b Backend) func(*testing.T, Options, []string) {
	return func(t *testing.T, o Options, _ []string) {
		o.Backend = b
		f := mustOpen(t, o)
		if f.Backend() != b || len(f.Keys("")) != 0 {
			t.Errorf("back end %s, records %q", f.Backend(), f.Keys(""))
		}
		mustPut(t, f, "a", "1")
		wantString(t, mustOpen(t, o), "a", "1")
		tidied(t, o)
	}
}

func checkUpdated(t *testing.T, o Options, reached []string) {
	want := "2"
	if last := reached[len(reached)-1]; last == "write: sync the folder" { // a killed process needs no fsync
		want = "3"
	}
	f := mustOpen(t, o)
	wantString(t, f, "a", want)
	prev, err := readVault(o.Previous, f.id)
	if err != nil || prev.Generation+1 < f.Generation() {
		t.Errorf("previous generation %d: %v", prev.Generation, err)
	}
	tidied(t, o)
	mustPut(t, f, "a", "4")
	wantString(t, mustOpen(t, o), "a", "4")
}

func mustMove(t *testing.T, f *File, to Backend) {
	t.Helper()
	if err := f.Move(context.WithoutCancel(t.Context()), to, says(word+" pass")); err != nil {
		t.Fatal(err)
	}
}

func checkMoved(to Backend) func(*testing.T, Options, []string) {
	return func(t *testing.T, o Options, _ []string) {
		f := mustOpen(t, o)
		wantString(t, f, "a", "2")
		mustMove(t, f, to)
		g := mustOpen(t, o)
		wantString(t, g, "a", "2")
		atOnePlace(t, o, to)
		tidied(t, o)
	}
}

func checkRestored(t *testing.T, o Options, _ []string) {
	f, err := Open(t.Context(), o)
	if err != nil {
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("open: %v", err)
		}
		if f, err = Restore(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	defer mustClose(t, f)
	wantString(t, f, "a", "1")
	if !f.Restored() {
		t.Error("the restore is forgotten")
	}
	if _, err := os.Stat(o.File + ".damaged-1"); err != nil {
		t.Error(err)
	}
}

// tidied checks that an Open has removed what a killed writer left.
func tidied(t *testing.T, o Options) {
	t.Helper()
	known := []string{o.File, o.Previous, o.Identity}
	for _, n := range names(snapshot(t, filepath.Dir(o.File))) {
		if !slices.Contains(known, filepath.Join(filepath.Dir(o.File), n)) {
			t.Errorf("%s is left", n)
		}
	}
}

func TestUmaskDoesNotMatter(t *testing.T) {
	if mask := os.Getenv(childEnv); mask != "" {
		m, err := strconv.ParseInt(mask, 8, 32)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Umask(int(m))
		o := options(os.Getenv(childEnv + "_DIR"))
		o.Backend = Passphrase
		f := mustOpen(t, o)
		mustPut(t, f, "a", "1")
		mustPut(t, f, "a", "2")
		return
	}
	for _, mask := range []string{"000", "777"} {
		dir := filepath.Join(t.TempDir(), "state")
		runChild(t, child(t, mask, childEnv+"_DIR="+dir))
		o := options(dir)
		for path, want := range map[string]os.FileMode{dir: 0o700, o.File: 0o600, o.Previous: 0o600, o.Identity: 0o600} {
			if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != want {
				t.Errorf("umask %s, %s: %v, want %v", mask, path, fi, want)
			}
		}
	}
}
