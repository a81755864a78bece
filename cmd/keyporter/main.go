// Command keyporter is the command line of Keyporter, the bridge that MCP
// clients launch, and the agent: bridge and agent are verbs. It has no logic of
// its own: it reads arguments, asks the agent and prints what comes back.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"keyporter/internal/hint"
)

// version is set by the build.
var version = "dev"

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPerson      = 4   // a sign-in, an approval, an unlock or a resume is missing
	exitInterrupted = 130 // Ctrl-C
)

func main() {
	ownRights()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program. The answer goes to stdout, everything else to
// stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{stdin: stdin, stdout: stdout, stderr: stderr, getenv: os.Getenv}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	return p.exit(ctx, err)
}

// exit says what went wrong and returns the exit code.
func (p *program) exit(ctx context.Context, err error) int {
	var said *exitError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &said):
		return said.code
	case ctx.Err() != nil: // whatever the end of ctx made fail
		fmt.Fprintln(p.stderr, "keyporter: interrupted")
		return exitInterrupted
	}
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(p.stderr, "keyporter: %s\n", printable(usage.Error()))
		return exitUsage
	}
	h := hint.Of(err)
	fmt.Fprintf(p.stderr, "keyporter: %s\n", oneLine(h.What))
	if h.Do != "" {
		fmt.Fprintf(p.stderr, "  %s\n", oneLine(h.Do))
	}
	if h.Cause != nil && p.details(h) {
		fmt.Fprintf(p.stderr, "  Details: %s\n", below("           ", h.Cause.Error()))
	}
	switch {
	case h.Code == hint.Usage:
		return exitUsage
	case hint.NeedsPerson(err):
		return exitPerson
	}
	return exitFailed
}

// details reports whether the cause is worth a line: when there are no better
// words, or somebody wants to see everything.
func (p *program) details(h *hint.Error) bool {
	return h.Code == hint.Failed || h.Code == hint.Unreachable || h.Code == hint.Refused || p.getenv("KEYPORTER_LOG") == "debug"
}

// An exitError ends the program with a code; everything has been said.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }
