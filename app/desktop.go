package app

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// desktopLimit bounds each question to the desktop.
const desktopLimit = 5 * time.Second

// darkPanel reports whether the panel under the icon is dark. The panels of some
// desktops are, whatever the theme.
func darkPanel(getenv func(string) string, darkTheme bool) bool {
	for name := range strings.SplitSeq(strings.ToUpper(getenv("XDG_CURRENT_DESKTOP")), ":") {
		switch name {
		case "GNOME", "UNITY", "PANTHEON":
			return true
		}
	}
	return darkTheme
}

// bridgeCommand returns the absolute path of keyporter, which stands beside this
// program.
func bridgeCommand(getenv func(string) string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", hint.Wrap(err, hint.Failed, "The path of this program is not known.", "Start keyporter-tray by its full path.")
	}
	return paths.Program(beside(self, "keyporter"), getenv)
}

// beside returns the path of another of our programs, in the folder of the one at
// path.
func beside(path, name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(filepath.Dir(path), name)
}
