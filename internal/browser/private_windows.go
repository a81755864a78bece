package browser

import (
	"context"
	"os"

	"golang.org/x/sys/windows/registry"
)

// openPrivate starts a browser that takes the option, found where installers
// register programs.
func openPrivate(ctx context.Context, address string, getenv func(string) string) error {
	var commands [][]string
	for _, exe := range []string{"firefox.exe", "chrome.exe", "msedge.exe", "brave.exe", "vivaldi.exe", "opera.exe"} {
		if path := appPath(exe); path != "" {
			commands = append(commands, []string{path, optionOf(exe)})
		}
	}
	if len(commands) == 0 {
		return ErrNoPrivate
	}
	return first(ctx, address, getenv, nil, commands...)
}

// appPath returns where a program is, as App Paths in the registry has it.
func appPath(exe string) string {
	for _, root := range []registry.Key{registry.CURRENT_USER, registry.LOCAL_MACHINE} {
		key, err := registry.OpenKey(root, `SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths\`+exe, registry.QUERY_VALUE)
		if err != nil {
			continue
		}
		path, _, err := key.GetStringValue("")
		_ = key.Close()
		if _, missing := os.Stat(path); err == nil && missing == nil {
			return path
		}
	}
	return ""
}
