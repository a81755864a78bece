// Command release makes what people install: archives, Debian and RPM packages,
// lists of what is in them, and checksums. The same commit gives the same bytes,
// in any folder and on any day, with the tools that BUILD.txt names.
//
//	go run ./scripts/release build [-o FOLDER] [-key FILE] [SYSTEM/PROCESSOR...]
//	go run ./scripts/release check [-home FOLDER] [SYSTEM/PROCESSOR...]
//	go run ./scripts/release licences PROGRAM...
//	go run ./scripts/release version
//
// It runs in the module's root, on Linux; scripts/macos makes the app for macOS.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if _, err := os.Stat("FyneApp.toml"); err != nil {
		return errors.New("run this in the root of the source tree")
	}
	if len(args) == 0 {
		return errors.New("say build, check, licences or version")
	}
	switch verb, args := args[0], args[1:]; verb {
	case "build":
		return runBuild(ctx, args, stdout)
	case "check":
		return runCheck(ctx, args, stdout)
	case "licences":
		return thirdParty(ctx, stdout, args)
	case "version":
		r, err := newRelease(ctx, "", stdout)
		if err == nil {
			_, err = fmt.Fprintln(stdout, r.version)
		}
		return err
	default:
		return fmt.Errorf("there is no %q; there are build, check, licences and version", verb)
	}
}

func runBuild(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	out := flags.String("o", filepath.Join("dist", "release"), "the folder for what is made")
	key := flags.String("key", os.Getenv("KEYPORTER_RELEASE_KEY"), "a file with the minisign key that signs; KEYPORTER_RELEASE_KEY names it too")
	chosen, err := parse(flags, args)
	if err != nil {
		return err
	}
	r, err := newRelease(ctx, *out, stdout)
	if err != nil {
		return err
	}
	return r.build(ctx, chosen, *key)
}

func runCheck(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	home := flags.String("home", "", "a folder for the second build's caches, which stays for the next check; without it they are new")
	chosen, err := parse(flags, args)
	if err != nil {
		return err
	}
	return check(ctx, *home, chosen, stdout)
}

// parse reads a verb's flags and the targets behind them.
func parse(flags *flag.FlagSet, args []string) ([]target, error) {
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	return chooseTargets(flags.Args())
}
