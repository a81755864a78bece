//go:build unix

// Package e2e drives the built program keyporter as separate processes: the
// command line, bridges as an MCP client launches them, and the agent that they
// start. At the other end are real HTTP servers and, where it matters, the
// programs of others (internal/peers).
//
// Each test has a home of its own (newHome), with an agent of its own. When a
// test ends, its agent is stopped, and everything that was printed and written, and
// what others can see of the processes, is searched for the secrets that the test
// knows.
package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// patience bounds each single wait. It is generous: a busy machine is not what
// the tests are about.
const patience = 90 * time.Second

// writeProgram writes a file that is to be started. A child of another test that
// inherited it, open for writing, would keep it from being started.
func writeProgram(t *testing.T, path string, content []byte, mode os.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, content, mode)
	syscall.ForkLock.RUnlock()
	check(t, err)
}

// word stands in every secret that these tests make up.
const word = "SECRETWORD"

// program is the path of the built keyporter.
var program string

// atEnd is what is to be done after the tests.
var atEnd []func()

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if len(os.Args) == 3 && os.Args[1] == intruderRole {
		return intrude(os.Args[2])
	}
	dir, err := os.MkdirTemp("", "kpe2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	defer func() {
		for _, f := range atEnd {
			f()
		}
	}()
	if err := os.Chmod(dir, 0o711); err != nil { // other users start it too
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if program = os.Getenv(programEnv); program == "" {
		program = filepath.Join(dir, "keyporter")
		// The flags of the program that people get, so that the figures are its.
		cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "keyporter/cmd/keyporter")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build keyporter: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// intruderRole is the argument with which a test starts a copy of this program,
// intruderProgram, as an attacker; see intrude.
const (
	intruderRole    = "intrude"
	intruderProgram = "intruder"
)

// programEnv hands the built program to a test process that a test starts.
const programEnv = "KEYPORTER_E2E_PROGRAM"

// until asks ok, every few milliseconds, until it is true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience) // also used by cleanups
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
