package install

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"keyporter/internal/hint"
)

// A Client is an MCP client whose configuration can be edited.
type Client struct {
	ID   string // on the command line
	Name string // as people say it
	Next string // what to do after an edit, one sentence

	files  map[string][]string // by runtime.GOOS; see expand
	format format
	path   []string // of the object that holds the servers
}

// clients is the table. Each file of a row is edited if its folder is there:
// the client has then been started once, and which of several it reads is not
// for us to guess.
var clients = []*Client{
	{
		ID: "claude-desktop", Name: "Claude Desktop",
		Next: "Quit Claude Desktop (closing its window is not enough) and start it again.",
		files: map[string][]string{
			"linux":  {"${XDG_CONFIG_HOME:-~/.config}/Claude/claude_desktop_config.json"},
			"darwin": {"~/Library/Application Support/Claude/claude_desktop_config.json"},
			// The Store's package sees a private copy of AppData (MSIX), and never
			// the file in the usual place.
			"windows": {
				"${APPDATA:-~/AppData/Roaming}/Claude/claude_desktop_config.json",
				"${LOCALAPPDATA:-~/AppData/Local}/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json",
			},
		},
		format: jsonc{}, path: []string{"mcpServers"},
	},
}

// Clients returns the table's rows.
func Clients() []*Client { return clients }

// Find returns the client with that ID.
func Find(id string) (*Client, error) {
	var known []string
	for _, c := range clients {
		if c.ID == id {
			return c, nil
		}
		known = append(known, c.ID)
	}
	return nil, hint.New(hint.NotFound, "There is no MCP client of that name here.", "Known are: "+strings.Join(known, ", ")+".")
}

// Files returns the client's configuration files on this system: those whose
// folder is there. The files themselves may be missing.
func (c *Client) Files(getenv func(string) string) []string {
	return c.filesOn(runtime.GOOS, getenv)
}

func (c *Client) filesOn(system string, getenv func(string) string) []string {
	var files []string
	for _, pattern := range c.files[system] {
		file := expand(pattern, system, getenv)
		if file == "" {
			continue
		}
		dirs := []string{filepath.Dir(file)}
		if strings.Contains(file, "*") {
			dirs, _ = filepath.Glob(filepath.Dir(file)) // the pattern is ours and well formed
		}
		for _, dir := range dirs {
			if fi, err := os.Stat(dir); err == nil && fi.IsDir() {
				files = append(files, filepath.Join(dir, filepath.Base(file)))
			}
		}
	}
	return files
}

// Place says where the client's file would be, for a sentence.
func (c *Client) Place(getenv func(string) string) string {
	for _, pattern := range c.files[runtime.GOOS] {
		if file := expand(pattern, runtime.GOOS, getenv); file != "" {
			return filepath.Dir(file)
		}
	}
	return "any known place"
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
