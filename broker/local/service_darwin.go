package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// launchdLabel names the agent's launchd job, where a user installed one.
const launchdLabel = "keyporter.agent"

// service returns the command that starts the agent through launchd, or nil
// where the job is not installed.
func service(ctx context.Context, getenv func(string) string) *exec.Cmd {
	plist := launchdLabel + ".plist"
	for _, dir := range []string{filepath.Join(getenv("HOME"), "Library/LaunchAgents"), "/Library/LaunchAgents"} {
		if _, err := os.Stat(filepath.Join(dir, plist)); err == nil {
			return exec.CommandContext(ctx, "/bin/launchctl", "kickstart", fmt.Sprintf("gui/%d/%s", os.Getuid(), launchdLabel))
		}
	}
	return nil
}
