// Package browser opens a web address in the user's browser.
//
// The address may have been made by a stranger: an authorization server's
// metadata names it. So only https, and http on this computer, are opened; no
// shell sees the address; and it is one argument that cannot be taken for an
// option. The package does not decide whether a browser may open at all.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"keyporter/internal/hint"
)

// The reasons for which Open opens nothing and the caller should show the
// address instead. They come inside a hint.Error.
var (
	ErrNone      = errors.New("KEYPORTER_BROWSER is none")
	ErrNoDisplay = errors.New("no display")
	ErrRefused   = errors.New("address refused")
)

// patience is how long a program may take to fail.
const patience = 2 * time.Second

// Open opens url with the command in KEYPORTER_BROWSER (words, without a shell;
// the address comes last; "none" opens nothing) or with the system's default
// browser. getenv reads the environment (os.Getenv).
//
// It does not wait for the browser, but up to 2 seconds for a program that
// fails at once. A program that goes on running is left alone, also when ctx
// ends; a goroutine waits for it, so that no dead process is left, and lives as
// long as it does. Its output goes nowhere.
//
// Errors have words but not the address: the caller shows that.
func Open(ctx context.Context, url string, getenv func(string) string) error {
	address, err := check(url)
	if err != nil {
		return hint.Wrap(fmt.Errorf("%w: %w", ErrRefused, err), hint.Refused, "The address is not one that a browser should be given.", "")
	}
	words := strings.Fields(getenv("KEYPORTER_BROWSER"))
	switch {
	case len(words) == 0:
		err = openDefault(ctx, address, getenv)
	case None(getenv):
		return hint.Wrap(ErrNone, hint.Failed, "No browser is opened, because KEYPORTER_BROWSER says so.", "Open the address yourself.")
	default:
		err = run(ctx, append(words, address), getenv, nil, patience)
	}
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrNoDisplay):
		return hint.Wrap(err, hint.Failed, "There is no screen to open a browser on.", "Open the address in a browser on any computer.")
	}
	return hint.Wrap(err, hint.Failed, "The browser could not be opened.", "Open the address yourself.")
}

// None reports whether KEYPORTER_BROWSER says that no browser is to be opened.
func None(getenv func(string) string) bool {
	return strings.EqualFold(strings.TrimSpace(getenv("KEYPORTER_BROWSER")), "none")
}

// run starts a program with arguments and reports a failure that comes within
// limit. A nil env is this program's own environment.
func run(ctx context.Context, argv []string, getenv func(string) string, env []string, limit time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name := filepath.Base(argv[0])
	program, err := find(argv[0], getenv)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	cmd := exec.Command(program, argv[1:]...)
	cmd.Env = env
	detach(cmd)
	if err := cmd.Start(); err != nil {
		// err names the program, not its arguments.
		return fmt.Errorf("start %s: %w", name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// first runs the commands until one does not fail.
func first(ctx context.Context, address string, getenv func(string) string, env []string, commands ...[]string) error {
	var all error
	for _, c := range commands {
		if len(c) == 0 {
			continue
		}
		err := run(ctx, append(c, address), getenv, env, patience)
		if err == nil || ctx.Err() != nil {
			return err
		}
		all = errors.Join(all, err)
	}
	return all
}
