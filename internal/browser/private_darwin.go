package browser

import (
	"context"
	"os"
)

// openPrivate starts a browser that takes the option. Safari has none.
func openPrivate(ctx context.Context, address string, getenv func(string) string) error {
	var commands [][]string
	for _, app := range []string{"Firefox", "Google Chrome", "Microsoft Edge", "Brave Browser", "Chromium", "Vivaldi", "Opera"} {
		if _, err := os.Stat("/Applications/" + app + ".app"); err == nil {
			// -n: a new instance hands the arguments to the one that is open
			commands = append(commands, []string{"/usr/bin/open", "-n", "-a", app, "--args", optionOf(app)})
		}
	}
	if len(commands) == 0 {
		return ErrNoPrivate
	}
	return first(ctx, address, getenv, nil, commands...)
}
