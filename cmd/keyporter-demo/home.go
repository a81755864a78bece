package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// A home is the folder that stands for the user's Keyporter while the demo runs.
type home struct {
	dir  string
	lock *flock.Flock // with --keep: one demo at a time owns the folder
}

// keepHome is the folder of --keep, the same in each run, so that what was put
// into an MCP client's config works again: beside the user's own state folder.
func keepHome(getenv func(string) string) (string, error) {
	p, err := paths.Find(getenv)
	if err != nil {
		return "", err
	}
	return p.State + "-demo", nil
}

// makeHome makes the folder, empty. With keep, leftover is called before what an
// earlier demo left there is removed; its agent may still run.
func makeHome(keep string, leftover func(dir string)) (*home, error) {
	if keep == "" {
		dir, err := os.MkdirTemp("", "keyporter-demo-")
		if err != nil {
			return nil, hint.Wrap(err, hint.Failed, "No temporary folder can be made.", "Make room on the disk, or set TMPDIR to another folder.")
		}
		return &home{dir: dir}, nil
	}
	if err := os.MkdirAll(filepath.Dir(keep), 0o700); err != nil {
		return nil, cannotMake(err, keep)
	}
	lock := flock.New(keep+".lock", flock.SetPermissions(0o600))
	switch got, err := lock.TryLock(); {
	case err != nil:
		return nil, cannotMake(err, keep)
	case !got:
		return nil, hint.New(hint.Failed, "The demo runs already with --keep.", "End it first, with Ctrl-C where it was started.")
	}
	h := &home{dir: keep, lock: lock}
	if _, err := os.Stat(keep); err == nil {
		leftover(keep)
		if err := os.RemoveAll(keep); err != nil {
			return nil, errors.Join(cannotMake(err, keep), lock.Unlock())
		}
	}
	if err := os.Mkdir(keep, 0o700); err != nil {
		return nil, errors.Join(cannotMake(err, keep), lock.Unlock())
	}
	return h, nil
}

func cannotMake(err error, dir string) error {
	return hint.Wrap(err, hint.Failed, fmt.Sprintf("The folder %s cannot be made.", dir), "Make room for it, or set KEYPORTER_HOME to a folder that can be written to.")
}

// write writes a file of the home that only this user can read, and returns its
// path.
func (h *home) write(name string, content []byte) (string, error) {
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s cannot be written.", path), "")
	}
	return path, nil
}

// passphraseFile is where the passphrase of the throw-away vault is. It protects
// nothing beyond the demo; with it the demo needs no keyring.
func passphraseFile(dir string) string { return filepath.Join(dir, "passphrase") }

func (h *home) writePassphrase() error {
	_, err := h.write(filepath.Base(passphraseFile(h.dir)), []byte(rand.Text()+"\n"))
	return err
}

// remove removes the folder, and the agent's runtime folder where that is
// another one, and lets another demo have it. The lock's own file stays:
// removing it would let two demos have a lock each.
func (h *home) remove() error {
	err := os.RemoveAll(h.dir)
	if p, findErr := paths.Find(func(name string) string { return environ(h.dir)[name] }); findErr == nil {
		err = errors.Join(err, os.RemoveAll(p.Runtime))
	}
	if h.lock != nil {
		err = errors.Join(err, h.lock.Unlock())
	}
	return err
}

// environ is what Keyporter's programs need to use the folder.
func environ(dir string) map[string]string {
	return map[string]string{
		"KEYPORTER_HOME":            dir,
		"KEYPORTER_VAULT":           "passphrase",
		"KEYPORTER_PASSPHRASE_FILE": passphraseFile(dir),
	}
}
