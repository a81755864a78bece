package install

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"keyporter/internal/hint"
)

func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func readString(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFileIsReplacedWithACopyBesideIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	const before = `{"mcpServers": {"a": {"env": {"KEY": "SECRETWORD"}}}}`
	writeFile(t, path, before, 0o640)
	e, err := claude(t).Install(path, Trace{}, []string{"notes"}, command)
	if err != nil || !slices.Equal(e.Changed, []string{"notes"}) {
		t.Fatalf("edit = %+v, %v", e, err)
	}
	if e.Backup != path+BackupSuffix || readString(t, e.Backup) != before {
		t.Errorf("the copy %s holds %q", e.Backup, readString(t, e.Backup))
	}
	for _, f := range []string{path, e.Backup} {
		if fi, err := os.Stat(f); err != nil || runtime.GOOS != "windows" && fi.Mode().Perm() != 0o640 {
			t.Errorf("%s has mode %v, %v; want that of the file before", f, fi.Mode(), err)
		}
	}
	if got, err := claude(t).Servers(path); err != nil || !slices.Equal(got, []string{"notes"}) {
		t.Errorf("servers = %q, %v", got, err)
	}
	if e, err = claude(t).Uninstall(path, e.Trace, nil); err != nil || readString(t, path) != before {
		t.Errorf("after uninstall (%v): %s", err, readString(t, path))
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("files were left: %q", left)
	}
}

func TestFileThatWeMadeGoesAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	e, err := claude(t).Install(path, Trace{}, []string{"notes"}, command)
	if err != nil || e.Backup != "" || !e.Trace.NoFile {
		t.Fatalf("edit = %+v, %v", e, err)
	}
	first := readString(t, path)
	if e, err = claude(t).Uninstall(path, e.Trace, []string{"notes"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	// One that the client has written to since stays, without our entries.
	e, err = claude(t).Install(path, Trace{}, []string{"notes"}, command)
	if err != nil || readString(t, path) != first {
		t.Fatal(err)
	}
	writeFile(t, path, strings.Replace(first, "{\n", "{\n  \"theme\": 1,\n", 1), 0o600)
	if _, err = claude(t).Uninstall(path, e.Trace, nil); err != nil || readString(t, path) != "{\n  \"theme\": 1\n}\n" {
		t.Errorf("after uninstall (%v): %q", err, readString(t, path))
	}
}

// formats are one client for each format, with a text that it can have.
var formats = []struct{ client, text, broken string }{
	{"claude-desktop", "{}", "{\n  oops\n}"}, {"codex", "# mine\n", "a = 1\n  = 2"}, {"goose", "# mine\n", "a: 1\n  : b: c"},
}

func TestLinkStaysALink(t *testing.T) {
	for _, f := range formats {
		t.Run(f.client, func(t *testing.T) { linkStaysALink(t, clientOf(t, f.client), f.text) })
	}
}

func linkStaysALink(t *testing.T, c *Client, text string) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "link.json"), filepath.Join(dir, "dotfiles", "real.json")
	writeFile(t, target, text, 0o600)
	if err := os.Symlink(filepath.Join("dotfiles", "real.json"), path); err != nil {
		t.Fatal(err)
	}
	e, err := c.Install(path, Trace{}, []string{"notes"}, command)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(path); err != nil || fi.Mode()&os.ModeSymlink == 0 || !strings.Contains(readString(t, target), "notes") {
		t.Errorf("the link became %v (%v), its target holds %s", fi.Mode(), err, readString(t, target))
	}
	if _, err := c.Uninstall(path, e.Trace, nil); err != nil || readString(t, target) != text {
		t.Errorf("after uninstall (%v) the target holds %q", err, readString(t, target))
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Install(path, Trace{}, []string{"notes"}, command); err == nil || !strings.Contains(hint.Of(err).What, "leads nowhere") {
		t.Errorf("a link without a target: %v", err)
	}
}

func TestFilesThatMustNotBeEditedAreLeftAlone(t *testing.T) {
	for _, f := range formats {
		t.Run(f.client, func(t *testing.T) { leftAlone(t, clientOf(t, f.client), f.text, f.broken) })
	}
}

func leftAlone(t *testing.T, c *Client, text, bad string) {
	dir := t.TempDir()
	broken, locked := filepath.Join(dir, "broken.json"), filepath.Join(dir, "locked.json")
	writeFile(t, broken, bad, 0o600)
	writeFile(t, locked, text, 0o444)
	for path, want := range map[string]string{
		broken: "cannot be understood at line 2, column 3",
		locked: "is read-only",
		dir:    "is no file",
		filepath.Join(dir, "none", "none", "x.json"): "cannot be written",
	} {
		before, _ := os.ReadFile(path)
		_, err := c.Install(path, Trace{}, []string{"notes"}, command)
		if err == nil || !strings.Contains(hint.Of(err).What, want) || hint.Of(err).Do == "" {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, before) {
			t.Errorf("%s was changed", path)
		}
		if _, err := os.Lstat(path + BackupSuffix); err == nil {
			t.Errorf("a copy of %s was made", path)
		}
	}
}

// editEnv makes the test binary a program that installs one server and ends.
const editEnv = "KEYPORTER_TEST_EDIT"

func TestMain(m *testing.M) {
	if edit := os.Getenv(editEnv); edit != "" {
		words := strings.SplitN(edit, " ", 3)
		server, path := words[1], words[2]
		c, err := Find(words[0])
		if err == nil {
			_, err = c.Install(path, Trace{}, []string{server}, command)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Six processes and six goroutines install at the same time, and no entry is
// lost; nor is one left when all take theirs out again.
func TestEditsAtTheSameTime(t *testing.T) {
	for _, f := range formats {
		t.Run(f.client, func(t *testing.T) { editsAtTheSameTime(t, clientOf(t, f.client), f.text) })
	}
}

func editsAtTheSameTime(t *testing.T, c *Client, text string) {
	path := filepath.Join(t.TempDir(), "config.json")
	writeFile(t, path, text, 0o600)
	first, err := c.Install(path, Trace{}, []string{"first"}, command)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s process-%d %s", editEnv, c.ID, i, path))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
		wg.Go(func() {
			if _, err := c.Install(path, Trace{}, []string{fmt.Sprintf("goroutine-%d", i)}, command); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := c.Servers(path)
	if err != nil || len(got) != 13 {
		t.Errorf("%d servers stand in the file (%v), want 13", len(got), err)
	}
	for _, s := range got {
		wg.Go(func() {
			if _, err := c.Uninstall(path, first.Trace, []string{s}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if left := readString(t, path); left != text {
		t.Errorf("%q is left, want %q", left, text)
	}
}

func TestClientsAreFoundOnEachSystem(t *testing.T) {
	home := t.TempDir()
	env := map[string]string{"HOME": home, "USERPROFILE": home}
	getenv := func(name string) string { return env[name] }
	const code = "User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"
	for id, want := range map[string]map[string]string{ // the last of the client's files on each system
		"claude-code": {"": ".claude.json"},
		"cursor":      {"": ".cursor/mcp.json"},
		"vscode": {"linux": ".config/Code - Insiders/User/mcp.json", "darwin": "Library/Application Support/Code - Insiders/User/mcp.json",
			"windows": "AppData/Roaming/Code - Insiders/User/mcp.json"},
		"windsurf": {"": ".codeium/windsurf/mcp_config.json"},
		"zed":      {"linux": ".config/zed/settings.json", "darwin": ".config/zed/settings.json", "windows": "AppData/Roaming/Zed/settings.json"},
		"cline": {"linux": ".config/Windsurf/" + code, "darwin": "Library/Application Support/Windsurf/" + code,
			"windows": "AppData/Roaming/Windsurf/" + code},
		"gemini-cli":  {"": ".gemini/settings.json"},
		"codex":       {"": ".codex/config.toml"},
		"copilot-cli": {"": ".copilot/mcp-config.json"},
		"lm-studio":   {"": ".cache/lm-studio/mcp.json"},
		"goose":       {"linux": ".config/goose/config.yaml", "darwin": ".config/goose/config.yaml", "windows": "AppData/Roaming/Block/goose/config/config.yaml"},
	} {
		c := clientOf(t, id)
		for _, system := range []string{"linux", "darwin", "windows"} {
			path := want[system]
			if path == "" {
				path = want[""]
			}
			path = filepath.Join(home, filepath.FromSlash(path))
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if id == "claude-code" { // its file lies in the home folder itself
				if got := c.filesOn(system, getenv); system == "linux" && len(got) > 0 {
					t.Errorf("Claude Code, which was never started, has %q", got)
				}
				if err := os.MkdirAll(filepath.Join(home, ".claude"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if got := c.filesOn(system, getenv); len(got) == 0 || got[len(got)-1] != path {
				t.Errorf("%s on %s: %q, want %q as the last", id, system, got, path)
			}
		}
	}
	env["CODEX_HOME"], env["CLAUDE_CONFIG_DIR"] = filepath.Join(home, "elsewhere"), filepath.Join(home, "elsewhere")
	if err := os.Mkdir(env["CODEX_HOME"], 0o700); err != nil {
		t.Fatal(err)
	}
	for id, file := range map[string]string{"codex": "config.toml", "claude-code": ".claude.json"} {
		if got := clientOf(t, id).filesOn("linux", getenv); !slices.Equal(got, []string{filepath.Join(home, "elsewhere", file)}) {
			t.Errorf("%s, moved: %q", id, got)
		}
	}
}

func TestProjectsHaveAFileOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	for id, want := range map[string]string{"claude-code": ".mcp.json", "vscode": ".vscode/mcp.json", "codex": ".codex/config.toml"} {
		if got, err := clientOf(t, id).ProjectFile(dir); err != nil || got != filepath.Join(dir, filepath.FromSlash(want)) {
			t.Errorf("%s: %s, %v", id, got, err)
		}
	}
	path, err := clientOf(t, "vscode").ProjectFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	e, err := clientOf(t, "vscode").Install(path, Trace{}, []string{"notes"}, command)
	if err != nil || !strings.Contains(readString(t, path), "notes") {
		t.Fatalf("into a folder that is not there yet: %v", err)
	}
	if _, err := clientOf(t, "vscode").Uninstall(path, e.Trace, nil); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d things are left in the project", len(left))
	}
	if _, err := claude(t).ProjectFile(dir); hint.CodeOf(err) != hint.Usage {
		t.Errorf("of Claude Desktop: %v", err)
	}
	if _, err := clientOf(t, "cursor").ProjectFile(filepath.Join(dir, "none")); hint.CodeOf(err) != hint.NotFound {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

func TestClaudeDesktopIsFoundOnEachSystem(t *testing.T) {
	home := t.TempDir()
	env := func(values map[string]string) func(string) string {
		return func(name string) string { return values[name] }
	}
	const file = "claude_desktop_config.json"
	for _, c := range []struct {
		system string
		env    map[string]string
		dirs   []string
	}{
		{"linux", map[string]string{"HOME": home}, []string{".config/Claude"}},
		{"linux", map[string]string{"HOME": home, "XDG_CONFIG_HOME": home + "/xdg"}, []string{"xdg/Claude"}},
		{"linux", map[string]string{"HOME": home, "XDG_CONFIG_HOME": "relative"}, []string{".config/Claude"}},
		{"darwin", map[string]string{"HOME": home}, []string{"Library/Application Support/Claude"}},
		{"windows", map[string]string{"USERPROFILE": home}, []string{"AppData/Roaming/Claude",
			"AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude"}},
		{"windows", map[string]string{"USERPROFILE": home, "APPDATA": home + "/elsewhere"}, []string{"elsewhere/Claude",
			"AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude"}},
		{"windows", map[string]string{}, nil},
		{"plan9", map[string]string{"HOME": home}, nil},
	} {
		var want []string
		for _, d := range c.dirs {
			if err := os.MkdirAll(filepath.Join(home, d), 0o700); err != nil {
				t.Fatal(err)
			}
			want = append(want, filepath.Join(home, d, file))
		}
		if got := claude(t).filesOn(c.system, env(c.env)); !slices.Equal(got, want) {
			t.Errorf("on %s with %v: %q, want %q", c.system, c.env, got, want)
		}
	}
	if got := claude(t).Files(env(map[string]string{"HOME": t.TempDir(), "USERPROFILE": t.TempDir()})); got != nil {
		t.Errorf("where it was never started: %q", got)
	}
}
