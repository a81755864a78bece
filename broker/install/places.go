package install

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"keyporter/internal/hint"
)

// Files returns the client's configuration files on this system, if it has been
// started once. The files themselves may be missing.
func (c *Client) Files(getenv func(string) string) []string {
	return c.filesOn(runtime.GOOS, getenv)
}

func (c *Client) filesOn(system string, getenv func(string) string) []string {
	var files []string
	for _, p := range c.places[system] {
		file, sign := expand(p.file, system, getenv), ""
		if file == "" {
			continue
		}
		if sign = filepath.Dir(file); p.sign != "" {
			sign = expand(p.sign, system, getenv)
		}
		signs := []string{sign}
		if strings.Contains(sign, "*") {
			signs, _ = filepath.Glob(sign) // the pattern is ours and well formed
		}
		for _, dir := range signs {
			if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
				continue
			}
			if p.sign == "" {
				file = filepath.Join(dir, filepath.Base(file))
			}
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files
}

// Place says where the client's file would be, for a sentence.
func (c *Client) Place(getenv func(string) string) string {
	for _, p := range c.places[runtime.GOOS] {
		sign := p.sign
		if sign == "" {
			sign = p.file[:strings.LastIndexByte(p.file, '/')]
		}
		if dir := expand(sign, runtime.GOOS, getenv); dir != "" {
			return dir
		}
	}
	return "any known place"
}

// Project returns the client's file in a project's folder, with slashes, or "" if
// it reads none.
func (c *Client) Project() string { return c.project }

// ProjectFile returns the client's file in a project's folder.
func (c *Client) ProjectFile(folder string) (string, error) {
	if c.project == "" {
		return "", hint.New(hint.Usage, c.Name+" has no servers for one project only.", "Leave out --project to put them into its own configuration.")
	}
	fi, err := os.Stat(folder)
	if err != nil || !fi.IsDir() || !filepath.IsAbs(folder) {
		return "", hint.Wrap(err, hint.NotFound, "There is no folder "+folder+".", "Name the project's folder.")
	}
	return filepath.Join(folder, filepath.FromSlash(c.project)), nil
}

// expand fills in a path of the table: ~ is the home folder, ${NAME:-OTHER} an
// environment variable that holds an absolute path, or OTHER. Programs that a
// host started see little more than the home folder. It returns "" if that is
// not known either.
func expand(pattern, system string, getenv func(string) string) string {
	if rest, ok := strings.CutPrefix(pattern, "${"); ok {
		variable, tail, _ := strings.Cut(rest, "}")
		name, other, _ := strings.Cut(variable, ":-")
		if v := getenv(name); filepath.IsAbs(v) {
			return filepath.Join(v, filepath.FromSlash(tail))
		}
		pattern = other + tail
	}
	home := getenv("HOME")
	if system == "windows" {
		home = getenv("USERPROFILE")
	}
	rest, ok := strings.CutPrefix(pattern, "~")
	if !ok || !filepath.IsAbs(home) {
		return ""
	}
	return filepath.Join(home, filepath.FromSlash(rest))
}
