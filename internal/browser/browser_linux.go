package browser

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// openDefault tries what a desktop has. Without a display only BROWSER is worth
// a try, and that may be a browser for terminals, which would fight for ours.
func openDefault(ctx context.Context, address string, getenv func(string) string) error {
	env, err := displayEnvironment(ctx, getenv)
	if err != nil {
		return err
	}
	return first(ctx, address, getenv, env, []string{"xdg-open"}, []string{"x-www-browser"}, strings.Fields(getenv("BROWSER")))
}

// displayEnvironment is the environment in which a program can open a window.
func displayEnvironment(ctx context.Context, getenv func(string) string) ([]string, error) {
	env := os.Environ()
	if getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != "" {
		return env, nil
	}
	desktop := desktopEnvironment(ctx, getenv)
	if desktop == nil {
		return nil, ErrNoDisplay
	}
	return append(env, desktop...), nil
}

// ofDesktop are the variables that a program needs to open a window, and to be
// found by the one that is open already.
var ofDesktop = []string{"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE",
	"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}

// systemdPatience is how long the user's systemd may take to answer.
const systemdPatience = 2 * time.Second

// desktopEnvironment asks the user's systemd for the variables of the desktop
// session, which desktops tell it at sign-in. Programs that an MCP client starts
// get little more than HOME and PATH, and the agent is often one of them. It is
// nil if there is no desktop or nobody to ask.
func desktopEnvironment(ctx context.Context, getenv func(string) string) []string {
	program, err := find("systemctl", getenv)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, systemdPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--user", "show-environment")
	cmd.Env = os.Environ()
	if getenv("XDG_RUNTIME_DIR") == "" {
		cmd.Env = append(cmd.Env, fmt.Sprintf("XDG_RUNTIME_DIR=/run/user/%d", os.Getuid()))
	}
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	return displayVariables(out)
}

// displayVariables picks the desktop's variables out of systemd's answer. It is
// nil without a display. Values that systemd quotes ($'…') are left out: none of
// these needs it.
func displayVariables(answer []byte) []string {
	var env []string
	display := false
	for line := range bytes.Lines(answer) {
		name, value, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), "=")
		if !ok || value == "" || strings.HasPrefix(value, "$'") {
			continue
		}
		for _, wanted := range ofDesktop {
			if name == wanted {
				env = append(env, name+"="+value)
				display = display || name == "DISPLAY" || name == "WAYLAND_DISPLAY"
			}
		}
	}
	if !display {
		return nil
	}
	return env
}
