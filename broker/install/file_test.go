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

func TestLinkStaysALink(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "link.json"), filepath.Join(dir, "dotfiles", "real.json")
	writeFile(t, target, "{}", 0o600)
	if err := os.Symlink(filepath.Join("dotfiles", "real.json"), path); err != nil {
		t.Fatal(err)
	}
	if _, err := claude(t).Install(path, Trace{}, []string{"notes"}, command); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(path); err != nil || fi.Mode()&os.ModeSymlink == 0 || !strings.Contains(readString(t, target), "notes") {
		t.Errorf("the link became %v (%v), its target holds %s", fi.Mode(), err, readString(t, target))
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	if _, err := claude(t).Install(path, Trace{}, []string{"notes"}, command); err == nil || !strings.Contains(hint.Of(err).What, "leads nowhere") {
		t.Errorf("a link without a target: %v", err)
	}
}

func TestFilesThatMustNotBeEditedAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	broken, locked := filepath.Join(dir, "broken.json"), filepath.Join(dir, "locked.json")
	writeFile(t, broken, "{\n  oops\n}", 0o600)
	writeFile(t, locked, "{}", 0o444)
	for path, want := range map[string]string{
		broken:                               "cannot be understood at line 2, column 3",
		locked:                               "is read-only",
		dir:                                  "cannot be read",
		filepath.Join(dir, "none", "x.json"): "cannot be written",
	} {
		before, _ := os.ReadFile(path)
		_, err := claude(t).Install(path, Trace{}, []string{"notes"}, command)
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
		server, path, _ := strings.Cut(edit, " ")
		c, err := Find("claude-desktop")
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

// Twelve processes and twelve goroutines install at the same time, and no entry
// is lost.
func TestEditsAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	writeFile(t, path, `{"mcpServers": {"a": {}}}`, 0o600)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=process-%d %s", editEnv, i, path))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
		wg.Go(func() {
			if _, err := claude(t).Install(path, Trace{}, []string{fmt.Sprintf("goroutine-%d", i)}, command); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := claude(t).Servers(path); err != nil || len(got) != 24 {
		t.Errorf("%d servers stand in the file (%v), want 24", len(got), err)
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
