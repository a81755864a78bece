package paths

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/internal/hint"
)

func TestProgramSurvivesUpdates(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cellar, bin := filepath.Join(dir, "Cellar/keyporter/1.0.0/bin/keyporter"), filepath.Join(dir, "bin/keyporter")
	other := filepath.Join(dir, "other/keyporter")
	for _, p := range []string{cellar, other, bin} {
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{cellar, other} {
		if err := os.WriteFile(p, []byte(p), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(cellar, bin); err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string {
		if name == "PATH" {
			return strings.Join([]string{"relative", filepath.Dir(other), filepath.Dir(bin)}, string(os.PathListSeparator))
		}
		return ""
	}
	for exe, want := range map[string]string{
		cellar:                     bin,
		cellar + " (deleted)":      bin,
		other:                      other,
		filepath.Join(dir, "gone"): filepath.Join(dir, "gone"),
	} {
		if got, err := Program(exe, getenv); err != nil || got != want {
			t.Errorf("Program(%s) = %s, %v; want %s", exe, got, err, want)
		}
	}
	if _, err := Program("/private/var/folders/x/AppTranslocation/y/Keyporter.app/Contents/MacOS/keyporter", getenv); err == nil || !strings.Contains(hint.Of(err).Do, "Applications") {
		t.Errorf("a temporary copy: %v", err)
	}
}
