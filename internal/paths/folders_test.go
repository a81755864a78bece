//go:build unix

package paths

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFoldersOfOthersAreNotUsed(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(dir string) error // dir is there, and this user's
		refused bool
	}{
		{"own", func(string) error { return nil }, false},
		{"group may write", func(dir string) error { return os.Chmod(dir, 0o770) }, true},
		{"everybody may write", func(dir string) error { return os.Chmod(dir, 0o1777) }, true},
		{"everybody may read", func(dir string) error { return os.Chmod(dir, 0o755) }, false},
		{"another user's", func(dir string) error {
			if os.Getuid() != 0 { // nobody else can give a folder away
				return os.Chmod(dir, 0o707)
			}
			return os.Chown(dir, 54321, 54321)
		}, true},
	} {
		for _, which := range []string{"config", "state", "run"} {
			t.Run(c.name+" "+which, func(t *testing.T) {
				base := t.TempDir()
				p := Paths{Config: filepath.Join(base, "config"), State: filepath.Join(base, "state"), Runtime: filepath.Join(base, "run")}
				if err := p.Make(); err != nil {
					t.Fatal(err)
				}
				for _, dir := range []string{p.Config, p.State, p.Runtime} {
					if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
						t.Errorf("%s: %v, %v", dir, fi, err)
					}
				}
				if err := c.prepare(filepath.Join(base, which)); err != nil {
					t.Fatal(err)
				}
				if err := p.Make(); (err != nil) != c.refused {
					t.Errorf("Make: %v", err)
				}
			})
		}
	}
}

// A link in the place of the runtime folder could lead to where others listen.
func TestRuntimeFolderIsNoLink(t *testing.T) {
	base := t.TempDir()
	p := Paths{Config: base, State: base, Runtime: filepath.Join(base, "run")}
	if err := os.Symlink(t.TempDir(), p.Runtime); err != nil {
		t.Fatal(err)
	}
	if err := p.Make(); err == nil {
		t.Error("it is used")
	}
}
