package e2e

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// lies says what lies at a path: a link's target, a file's content, or nothing.
func lies(t *testing.T, path string) string {
	t.Helper()
	if to, err := os.Readlink(path); err == nil {
		return "link to " + to
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "nothing"
	}
	check(t, err)
	return string(b)
}

// A vault that somebody damaged, or another one in its place, is named and stays what it
// is: nothing is written over it, and no new one is begun.
func TestAVaultThatWasDamagedOrSwappedIsNamedAndLeftAlone(t *testing.T) {
	t.Parallel()
	h, other := newHome(t).quick(), newHome(t).quick()
	h.keyed()
	other.do("account", "add", "static", "theirs", "--token-file", given(t, "theirs-"+word))
	h.do("stop")
	vault, theirs := h.paths().Vault(), read(t, other.paths().Vault())
	whole := read(t, vault)
	put := func(text string) error { return os.WriteFile(vault, []byte(text), 0o600) }
	changed := []byte(whole)
	changed[len(changed)-1] ^= 1
	for name, attack := range map[string]func() error{
		"cut":            func() error { return put(whole[:len(whole)-9]) },
		"cut at the top": func() error { return put(whole[:40]) },
		"emptied":        func() error { return put("") },
		"longer":         func() error { return put(whole + "x") },
		"changed":        func() error { return put(string(changed)) },
		"another's":      func() error { return put(theirs) },
		"removed":        func() error { return os.Remove(vault) },
		"behind a link": func() error {
			return errors.Join(os.Rename(vault, vault+".real"), os.Symlink(vault+".real", vault))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := h.in(t)
			previous := lies(t, vault+".prev")
			check(t, attack())
			was := lies(t, vault)
			for _, args := range [][]string{{"token", "key"}, {"account", "add", "static", "new", "--token-file", given(t, "new-"+word)}, {"call", "acme", "get_time"}} {
				if r := h.run(args...); r.code != 1 || r.out != "" || !strings.Contains(r.err, vault) {
					t.Errorf("keyporter %s: exit code %d\n%s", args[0], r.code, h.said(r.err))
				}
			}
			if out := h.do("status"); !strings.Contains(out, "not open: ") || !strings.Contains(out, vault) {
				t.Errorf("keyporter status: %s", out)
			}
			h.do("stop")
			if lies(t, vault) != was || lies(t, vault+".prev") != previous {
				t.Error("the vault is not what it was")
			}
			check(t, errors.Join(os.RemoveAll(vault), os.RemoveAll(vault+".real"), put(whole)))
			h.do("call", "acme", "get_time")
			h.do("stop")
		})
	}
}

// So is one that is put there while the agent runs, which goes on with what it has.
func TestAVaultThatIsSwappedUnderTheAgentIsNotOverwritten(t *testing.T) {
	t.Parallel()
	h, other := newHome(t).quick(), newHome(t).quick()
	h.keyed()
	other.do("account", "add", "static", "theirs", "--token-file", given(t, "theirs-"+word))
	vault, theirs := h.paths().Vault(), read(t, other.paths().Vault())
	check(t, os.WriteFile(vault, []byte(theirs), 0o600))
	add := []string{"account", "add", "static", "new", "--token-file", given(t, "new-"+word)}
	for range 2 {
		if r := h.run(add...); r.code != 1 || !containsAll(r.err, vault, "vault.age.kept-1") {
			t.Errorf("exit code %d\n%s", r.code, h.said(r.err))
		}
	}
	h.do("call", "acme", "get_time")
	h.run("stop") // which cannot tell the vault where the log ends
	if read(t, vault) != theirs {
		t.Error("the other vault was overwritten")
	}
	check(t, os.Rename(vault+".kept-1", vault))
	h.do("call", "acme", "get_time")
	other.do("token", "theirs")
}
