// Command keyporter-tray is Keyporter's tray app: the servers with their state,
// sign-in and sign-out, pause. It starts the agent if none runs; quitting leaves
// agent and bridges running.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"keyporter/app"
	"keyporter/internal/browser"
	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const usage = `Usage: keyporter-tray [--window] [--at-login] [--version] [LINK]

Shows Keyporter in the tray. Quitting it leaves the agent and bridges running.
If it runs already, or there are no servers yet, its window opens.

A keyporter:// link opens the window at what it asks to join; nothing happens by itself.

  --window    open the window too
  --at-login  started by the login: open no window, also where no panel shows
              the icon or there are no servers

Example: keyporter-tray --window &
`

// run is the program; the result is its exit code. It has to be called on the
// main goroutine.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("keyporter-tray", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	window := flags.Bool("window", false, "open the window too")
	atLogin := flags.Bool("at-login", false, "started by the login")
	showVersion := flags.Bool("version", false, "print the version")
	switch err := flags.Parse(args); {
	case err == flag.ErrHelp:
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 1, flags.NArg() == 1 && !strings.HasPrefix(flags.Arg(0), "keyporter:"):
		fmt.Fprint(stderr, usage)
		return 2
	case *showVersion:
		fmt.Fprintln(stdout, "keyporter-tray", version)
		return 0
	}
	if err := show(ctx, app.Options{Getenv: getenv, Window: *window, AtLogin: *atLogin, Link: flags.Arg(0)}, stderr); err != nil {
		fmt.Fprintln(stderr, hint.Of(err).Text())
		return 1
	}
	return 0
}

// show completes the options and shows the app.
func show(ctx context.Context, o app.Options, stderr io.Writer) error {
	var err error
	if o.Paths, err = paths.Find(o.Getenv); err != nil {
		return err
	}
	o.Version = version
	o.OpenURL = func(ctx context.Context, url string, private bool) error {
		return browser.Show(ctx, url, private, o.Getenv)
	}
	o.Exit = os.Exit
	o.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level(o.Getenv("KEYPORTER_LOG"))}))
	return app.Run(ctx, o)
}

// level returns the log level that KEYPORTER_LOG asks for; warn if it is none.
func level(s string) slog.Level {
	l := slog.LevelWarn
	if s != "" && l.UnmarshalText([]byte(s)) != nil {
		return slog.LevelWarn
	}
	return l
}
