package notify

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

type platform = scripts

// scripts shows notifications through osascript. The texts are arguments of a
// fixed script, so none of them is read as one.
type scripts struct{}

func newPlatform(func(string) string) platform { return scripts{} }

// script reads the arguments: text and title.
const script = `on run argv
	display notification (item 1 of argv) with title (item 2 of argv)
end run
`

const scriptLimit = 5 * time.Second

func (scripts) show(ctx context.Context, n Notification) error {
	limit, cancel := context.WithTimeout(ctx, scriptLimit)
	defer cancel()
	// "-" is the script on standard input; what follows are its arguments,
	// whatever they begin with.
	cmd := exec.CommandContext(limit, "/usr/bin/osascript", "-", n.Text, n.Title)
	cmd.Stdin = strings.NewReader(script)
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: osascript: %v", ErrUnavailable, err)
	}
	return nil
}

func (scripts) withdraw(context.Context, string) error { return nil }

func (scripts) close() {}
