package browser

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"keyporter/internal/hint"
)

// ErrNoPrivate is in the chain of OpenPrivate's error where no browser is known
// to have a private window.
var ErrNoPrivate = errors.New("no browser with a private window is known")

// private are the options with which browsers open an address in a private
// window, by a part of the program's name.
var private = []struct{ name, option string }{
	{"firefox", "--private-window"}, {"librewolf", "--private-window"}, {"waterfox", "--private-window"},
	{"msedge", "--inprivate"}, {"microsoft-edge", "--inprivate"}, {"microsoft edge", "--inprivate"},
	{"chromium", "--incognito"}, {"chrome", "--incognito"}, {"brave", "--incognito"}, {"vivaldi", "--incognito"},
	{"opera", "--private"},
}

// optionOf returns the option for a program's name, or "".
func optionOf(program string) string {
	name := strings.ToLower(filepath.Base(program))
	for _, p := range private {
		if strings.Contains(name, p.name) {
			return p.option
		}
	}
	return ""
}

// Show is Open or, with private, OpenPrivate where there is such a window: without
// one the provider's own choice of accounts has to do.
func Show(ctx context.Context, url string, private bool, getenv func(string) string) error {
	if private {
		if err := OpenPrivate(ctx, url, getenv); !errors.Is(err, ErrNoPrivate) {
			return err
		}
	}
	return Open(ctx, url, getenv)
}

// OpenPrivate is Open in a private window, so that another person can sign in
// than the one who is signed in at the provider. It takes the default browser if
// that has such a window, else any installed one that has. A command in
// KEYPORTER_BROWSER gets the address as ever: it is the user's own choice. Without
// a known browser the error has ErrNoPrivate, and Open is the way left.
func OpenPrivate(ctx context.Context, url string, getenv func(string) string) error {
	if strings.TrimSpace(getenv("KEYPORTER_BROWSER")) != "" {
		return Open(ctx, url, getenv)
	}
	address, err := check(url)
	if err != nil {
		return hint.Wrap(fmt.Errorf("%w: %w", ErrRefused, err), hint.Refused, "The address is not one that a browser should be given.", "")
	}
	err = openPrivate(ctx, address, getenv)
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrNoDisplay):
		return hint.Wrap(err, hint.Failed, "There is no screen to open a browser on.", "Open the address in a browser on any computer.")
	}
	return hint.Wrap(err, hint.Failed, "No private window could be opened.", "Open the address in a private window yourself.")
}
