package browser

import (
	"context"
	"strings"
)

// openDefault tries what a desktop has. Without a display only BROWSER is worth
// a try, and that may be a browser for terminals, which would fight for ours.
func openDefault(ctx context.Context, address string, getenv func(string) string) error {
	if getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "" {
		return ErrNoDisplay
	}
	return first(ctx, address, getenv, []string{"xdg-open"}, []string{"x-www-browser"}, strings.Fields(getenv("BROWSER")))
}
