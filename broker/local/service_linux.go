package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// systemdUnit is the agent's user unit, where a package or a user installed one.
const systemdUnit = "keyporter-agent.service"

// service returns the command that starts the agent through systemd, or nil
// where the unit is not installed.
func service(ctx context.Context, getenv func(string) string) *exec.Cmd {
	home := getenv("HOME")
	config := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(home, ".config")
	}
	for _, dir := range []string{
		filepath.Join(config, "systemd/user"), filepath.Join(home, ".local/share/systemd/user"),
		"/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user",
	} {
		if _, err := os.Stat(filepath.Join(dir, systemdUnit)); err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, "systemctl", "--user", "start", systemdUnit)
		run := getenv("XDG_RUNTIME_DIR")
		if run == "" { // hosts pass little
			run = fmt.Sprintf("/run/user/%d", os.Getuid())
		}
		cmd.Env = []string{"HOME=" + home, "PATH=" + getenv("PATH"), "XDG_RUNTIME_DIR=" + run}
		return cmd
	}
	return nil
}
