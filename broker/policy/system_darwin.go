package policy

import (
	"context"
	"os"
	"os/exec"
	"time"
)

// preferences are what a management profile puts there for all users; only root
// can.
const preferences = "/Library/Managed Preferences/dev.keyporter.Keyporter.plist"

// system reads the JSON text in the key Policy of the managed preferences. Their
// file may be a binary property list, which the system's own tool reads.
func system() (text []byte, source string, err error) {
	if _, err := os.Stat(preferences); err != nil {
		return nil, preferences, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	text, err = exec.CommandContext(ctx, "/usr/bin/plutil", "-extract", "Policy", "raw", "-o", "-", preferences).Output()
	return text, preferences, err
}
