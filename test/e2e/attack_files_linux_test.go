package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// umask lets every command begin with a umask.
func (h *home) umask(mask string) {
	h.program, h.first = "/bin/sh", []string{"-c", "umask " + mask + ` && exec "$0" "$@"`, program}
}

func TestFilesAreForTheirUserAloneUnderAnyUmask(t *testing.T) {
	t.Parallel()
	for _, mask := range []string{"000", "077", "777"} {
		t.Run(mask, func(t *testing.T) {
			t.Parallel()
			h := plainHome(t)
			h.umask(mask)
			h.keyed()
			h.do("call", "acme", "get_time")
			h.do("settings", "set", "approvals=first-use")
			h.do("settings", "set", "approvals=off")
			h.do("share", "acme", "-o", filepath.Join(h.dir, "team.keyporter.json"))
			h.do("bundle", "acme", "-o", filepath.Join(h.dir, "acme.mcpb"))
			h.run("doctor", "--report", filepath.Join(h.dir, "report"))
			h.do("stop") // puts all in order
			h.do("call", "acme", "get_time")
			seen := map[string]bool{}
			check(t, filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || path == h.dir {
					return err
				}
				fi, err := d.Info()
				check(t, err)
				want := fs.FileMode(0o600)
				switch {
				case d.IsDir():
					want = 0o700
				case d.Name() == "browser": // of the test
					return nil
				}
				if fi.Mode().Perm() != want {
					t.Errorf("%s: %v, want %v", strings.TrimPrefix(path, h.dir), fi.Mode(), want)
				}
				seen[d.Name()] = true
				return nil
			}))
			for _, name := range []string{"config.json", "vault.age", "vault.age.prev", "identity.age", "audit.jsonl", "audit.head", "state.json", "agent.log", "agent.sock", "agent.lock", "answers", "team.keyporter.json", "acme.mcpb", "report"} {
				if !seen[name] {
					t.Errorf("%s is not there", name)
				}
			}
		})
	}
}

// A runtime folder that is another user's, or a link to one, is not used, whatever is
// in it.
func TestAFolderThatAnotherUserMadeIsNotUsed(t *testing.T) {
	t.Parallel()
	h := plainHome(t)
	folder := filepath.Join(h.dir, "kp")
	for name, prepare := range map[string]func() error{
		"a folder that everybody may write to": func() error { return os.Mkdir(folder, 0o777) },
		"a link": func() error {
			other := t.TempDir()
			return os.Symlink(other, folder)
		},
		"a file": func() error { return os.WriteFile(folder, nil, 0o666) },
	} {
		check(t, prepare())
		if fi, err := os.Stat(folder); err == nil && fi.IsDir() {
			check(t, os.Chmod(folder, 0o777))
		}
		for _, args := range [][]string{{"list"}, {"token", "acme"}, {"agent"}} {
			if r := h.run(args...); r.code != 1 || !strings.Contains(r.err, folder) {
				t.Errorf("%s: keyporter %s: exit code %d\n%s", name, args[0], r.code, r.err)
			}
		}
		if entries, err := os.ReadDir(folder); err == nil && len(entries) > 0 {
			t.Errorf("%s: something was written: %v", name, entries)
		}
		check(t, os.RemoveAll(folder))
	}
}
