package network

import (
	"context"
	"os/exec"
)

func readDesktop(ctx context.Context, _ func(string) string) Desktop {
	cmd := exec.CommandContext(ctx, "/usr/sbin/scutil", "--proxy")
	cmd.WaitDelay = readLimit
	out, err := cmd.Output()
	if err != nil {
		return Desktop{}
	}
	return macOS(string(out))
}
