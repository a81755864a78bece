package browser

import (
	"context"
	"os/exec"
	"strings"
	"time"
)

// openPrivate asks the desktop for its browser's name and tries that first.
func openPrivate(ctx context.Context, address string, getenv func(string) string) error {
	env, err := displayEnvironment(ctx, getenv)
	if err != nil {
		return err
	}
	var commands [][]string
	for _, name := range append(defaultBrowser(ctx, getenv, env), "firefox", "google-chrome", "google-chrome-stable", "chromium", "chromium-browser", "microsoft-edge", "brave-browser", "vivaldi", "opera") {
		if option := optionOf(name); option != "" {
			if _, err := find(name, getenv); err == nil {
				commands = append(commands, []string{name, option})
			}
		}
	}
	if len(commands) == 0 {
		return ErrNoPrivate
	}
	return first(ctx, address, getenv, env, commands...)
}

// defaultBrowser returns the name of the desktop's browser: firefox for
// firefox.desktop or org.mozilla.firefox.desktop.
func defaultBrowser(ctx context.Context, getenv func(string) string, env []string) []string {
	program, err := find("xdg-settings", getenv)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "get", "default-web-browser")
	cmd.Env, cmd.WaitDelay = env, time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	name := strings.TrimSuffix(strings.TrimSpace(string(out)), ".desktop")
	if strings.ContainsAny(name, "/ \n") || name == "" {
		return nil
	}
	return []string{name, name[strings.LastIndexByte(name, '.')+1:]}
}
