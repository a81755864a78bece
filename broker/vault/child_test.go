package vault_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyporter/broker/secret"
	"keyporter/broker/vault"
)

// childEnv names the job that the test binary does as another process.
const childEnv = "KEYPORTER_VAULT_TEST_JOB"

// A job is what a child does. What it writes to standard output is for its parent.
type job func(arg string) error

// jobs are those of every system; full_linux_test.go adds some.
var jobs = map[string]job{"writer": writerChild}

// init turns a process that was started as a child into its job, before the
// testing package looks at the command line.
func init() {
	name, arg, child := strings.Cut(os.Getenv(childEnv), ":")
	if !child {
		return
	}
	if err := jobs[name](arg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// childLimit ends a child that hangs. A test never takes so long.
const childLimit = time.Minute

// child prepares to run one of jobs, with env in place of this process' environment.
func child(t *testing.T, name, arg string, env ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0])
	// Under the race detector a process sleeps for a second before it ends.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", childEnv + "=" + name + ":" + arg}, env...)
	return cmd
}

// noSecret fails the test if a text shows a fake secret or an identity.
func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, word := range []string{"SECRETWORD", "AGE-SECRET-KEY"} {
		if strings.Contains(text, word) {
			t.Errorf("%s shows in: %s", word, text)
		}
	}
}

// A plainStore is a keyring in a plain file, which outlives the process that
// writes to it.
type plainStore string

func (s plainStore) Get(context.Context, string) (secret.Value, error) {
	b, err := os.ReadFile(string(s))
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Value{}, vault.ErrIdentityMissing
	}
	return secret.New(string(b)), err
}

func (s plainStore) Set(_ context.Context, _ string, v secret.Value) error {
	return os.WriteFile(string(s), []byte(v.Reveal()), 0o600)
}

func (s plainStore) Delete(context.Context, string) error {
	if err := os.Remove(string(s)); errors.Is(err, fs.ErrNotExist) {
		return vault.ErrIdentityMissing
	} else if err != nil {
		return err
	}
	return nil
}

// options are those of a vault in dir/state with a plainStore in dir.
func options(dir string) vault.Options {
	state := filepath.Join(dir, "state")
	return vault.Options{
		File:     filepath.Join(state, "vault.age"),
		Previous: filepath.Join(state, "vault.age.prev"),
		Identity: filepath.Join(state, "identity.age"),
		Keyring:  plainStore(filepath.Join(dir, "keyring")),
	}
}

// newHome makes a folder with the state folder in it.
func newHome(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
