package network

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"keyporter/internal/atomicfile"
)

// readDesktop asks KDE's file where the desktop is KDE, and GNOME's settings
// otherwise. A host that starts Keyporter may not say which desktop there is: then
// KDE's file counts if it says anything.
func readDesktop(ctx context.Context, getenv func(string) string) Desktop {
	config := getenv("XDG_CONFIG_HOME")
	if config == "" {
		config = filepath.Join(getenv("HOME"), ".config")
	}
	desktop := strings.ToUpper(getenv("XDG_CURRENT_DESKTOP"))
	if desktop == "" || strings.Contains(desktop, "KDE") {
		text, err := atomicfile.ReadFile(filepath.Join(config, "kioslaverc"))
		if d := kde(string(text)); err == nil && d != (Desktop{}) || strings.Contains(desktop, "KDE") {
			return d
		}
	}
	// dconf notes its readers in the runtime folder, and in the cache of the home
	// where there is none: reading is to leave nothing behind.
	runtime, err := os.MkdirTemp("", "keyporter-dconf")
	if err != nil {
		return Desktop{}
	}
	defer os.RemoveAll(runtime)
	cmd := exec.CommandContext(ctx, "gsettings", "list-recursively", "org.gnome.system.proxy")
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+runtime)
	cmd.WaitDelay = readLimit
	out, err := cmd.Output()
	if err != nil {
		return Desktop{} // no GNOME
	}
	return gnome(string(out))
}
