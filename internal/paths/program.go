package paths

import (
	"os"
	"path/filepath"
	"strings"

	"keyporter/internal/hint"
)

// Program returns the path under which other programs shall launch exe, so that it
// still leads there after an update: where exe is the file of one
// version (Homebrew's Cellar, a Nix store, WinGet's packages), the link that a
// package manager puts into a folder of programs and points anew.
func Program(exe string, getenv func(string) string) (string, error) {
	// Linux says so of a program that was replaced while it runs (proc(5)).
	exe = strings.TrimSuffix(exe, " (deleted)")
	if strings.Contains(exe, "/AppTranslocation/") {
		return "", hint.New(hint.Failed, "Keyporter runs from a temporary copy, because macOS has not accepted its place yet.",
			"Move Keyporter to the folder Applications and start it again.")
	}
	target, err := filepath.EvalSymlinks(exe)
	if err != nil {
		target = exe // during an update; the path is right again afterwards
	}
	for _, dir := range programDirs(getenv) {
		link := filepath.Join(dir, filepath.Base(exe))
		if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
			continue
		}
		if to, err := filepath.EvalSymlinks(link); err == nil && to == target {
			return link, nil
		}
	}
	return exe, nil
}

// programDirs returns the folders in which package managers put links. PATH alone
// would not do: hosts start their servers with a short one.
func programDirs(getenv func(string) string) []string {
	var dirs []string
	for _, d := range filepath.SplitList(getenv("PATH")) {
		if filepath.IsAbs(d) {
			dirs = append(dirs, d)
		}
	}
	if home := getenv("HOME"); home != "" {
		dirs = append(dirs, filepath.Join(home, ".local/bin"), filepath.Join(home, ".nix-profile/bin"))
	}
	if local := getenv("LOCALAPPDATA"); local != "" {
		dirs = append(dirs, filepath.Join(local, `Microsoft\WinGet\Links`))
	}
	return append(dirs, "/usr/local/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin",
		"/run/current-system/sw/bin", filepath.Join("/etc/profiles/per-user", getenv("USER"), "bin"))
}
