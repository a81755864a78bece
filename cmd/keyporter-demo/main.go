// Command keyporter-demo shows Keyporter at work in a world of its own on this
// machine: an identity provider, a stand-in for Google's token endpoint, an MCP
// server that takes both kinds of token, and a throw-away home for Keyporter. It
// drives the program keyporter by its command line, as a person would, and
// checks each result. It is apart from keyporter so that servers made for tests
// stay out of the program that holds credentials.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // the server tells the time everywhere, also where the system has no zones

	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

const usage = `Usage: keyporter-demo [--keep] [--browser] [--port N] [--json] | --servers

Starts an identity provider and an MCP server on this machine, signs in, and calls
tools through keyporter bridge, showing each step. Nothing of it stays behind.

  --keep      stay up when done, so that Claude Desktop can be pointed at it;
              Ctrl-C ends it
  --browser   sign in yourself in your browser; without it the demo fills in the page
  --port N    ports N, N+1 and N+2; without it free ones, and the same ones each
              time with --keep
  --json      one JSON object a line
  --servers   only start the servers and write their addresses, one JSON object;
              they end with the standard input

Example:
  keyporter-demo --keep --browser
`

// options are the command line.
type options struct {
	keep, browser, json, servers bool
	port                         int
}

// run is the whole program. The steps go to stdout, complaints to stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 2 && args[0] == "browse" {
		return browse(ctx, args[1], stderr)
	}
	var o options
	flags := flag.NewFlagSet("keyporter-demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.keep, "keep", false, "")
	flags.BoolVar(&o.browser, "browser", false, "")
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVar(&o.servers, "servers", false, "")
	flags.IntVar(&o.port, "port", 0, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(stdout, usage)
		return exitDone
	case err != nil:
		fmt.Fprintf(stderr, "keyporter-demo: %v\n\n%s", err, usage)
		return exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "keyporter-demo: %q is not understood\n\n%s", flags.Arg(0), usage)
		return exitUsage
	case o.port < 0 || o.port > 65533:
		fmt.Fprintf(stderr, "keyporter-demo: --port has to be between 1 and 65533\n\n%s", usage)
		return exitUsage
	}
	if o.servers {
		return serve(ctx, o, stdin, stdout, stderr)
	}
	d := &demo{o: o, show: newShow(stdout, o.json)}
	err, endErr := d.run(ctx)
	switch {
	case err == nil && endErr == nil:
		return exitDone
	case ctx.Err() != nil && endErr == nil:
		fmt.Fprintln(stderr, "keyporter-demo: interrupted; everything is ended and removed")
		return exitInterrupted
	case ctx.Err() != nil:
		err = endErr
	}
	h := hint.Of(errors.Join(err, endErr))
	d.show.failed(h)
	fmt.Fprintf(stderr, "keyporter-demo: %s\n", h.What)
	if h.Do != "" {
		fmt.Fprintf(stderr, "  %s\n", h.Do)
	}
	if h.Cause != nil {
		fmt.Fprintf(stderr, "  Details: %v\n", h.Cause)
	}
	return exitFailed
}

// browse is the hidden verb that stands for a person's browser
// (KEYPORTER_BROWSER): it opens the sign-in page, fills in the name and presses
// the button.
func browse(ctx context.Context, address string, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := fakeas.Browse(ctx, address, person); err != nil {
		// The error may quote the address, which holds the request's state.
		fmt.Fprintln(stderr, "keyporter-demo: the sign-in page could not be filled in")
		return exitFailed
	}
	return exitDone
}
