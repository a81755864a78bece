package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"keyporter/broker/account"
	"keyporter/internal/atomicfile"
)

// A Staged is a version of config.json that waits beside it, durably, until the
// other half of a change is done: the caller notes it in the vault together with
// that half, and then calls Commit. Whoever finds the note after a power cut calls
// Finish, which takes the same version, or does nothing.
type Staged struct {
	Before string `json:"before"` // SHA-256 of the file as it was; empty: there was none
	After  string `json:"after"`  // of what waits
}

// Stage writes c to where it waits. config.json is the one that was loaded last.
func (f *File) Stage(c *account.Config) (Staged, error) {
	b, err := encode(c)
	if err != nil {
		return Staged{}, err
	}
	if err := f.writeSchema(); err != nil {
		return Staged{}, err
	}
	if err := atomicfile.WriteFile(f.staged(), b); err != nil {
		return Staged{}, atomicfile.Unwritable(f.Path, err)
	}
	return Staged{Before: sum(f.content), After: sum(b)}, nil
}

// Commit puts what waits in the place of config.json.
func (f *File) Commit() error {
	b, err := readFile(f.staged())
	if err == nil {
		err = atomicfile.Rename(f.staged(), f.real())
	}
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(f.real()))
	}
	if err != nil {
		return atomicfile.Unwritable(f.Path, err)
	}
	f.content = b
	f.backup()
	return nil
}

// Merge is Commit for a config.json that a person has changed since it was loaded:
// what c changes is done to that.
func (f *File) Merge(c *account.Config) (*account.Config, error) {
	before := empty()
	if f.content != nil {
		var err error
		if before, err = parse(f.content); err != nil {
			return nil, err
		}
	}
	now, err := f.Load()
	if err != nil {
		return nil, err
	}
	merge(now.Servers, before.Servers, c.Servers)
	merge(now.Accounts, before.Accounts, c.Accounts)
	if err := f.save(now); err != nil {
		return nil, err
	}
	f.Drop()
	return now, nil
}

// merge does to now what was done to before to make it after.
func merge[V any](now, before, after map[string]V) {
	for name, v := range after {
		if old, known := before[name]; !known || !reflect.DeepEqual(old, v) {
			now[name] = v
		}
	}
	for name := range before {
		if _, kept := after[name]; !kept {
			delete(now, name)
		}
	}
}

// Waits reports whether a version may wait. It can be called by anybody.
func (f *File) Waits() bool {
	_, err := os.Lstat(f.staged())
	return !errors.Is(err, fs.ErrNotExist)
}

// Finish commits what waits if it is s and config.json is still the one before it,
// and reports whether it did. Anything else that waits was given up. While that
// cannot be known, it goes on waiting: the vault may hold the other half.
func (f *File) Finish(s Staged) (bool, error) {
	waits, err := readFile(f.staged())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, unreadable(f.staged(), err)
	}
	now, err := readFile(f.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, unreadable(f.Path, err)
	}
	if sum(waits) == s.After && sum(now) == s.Before {
		return true, f.Commit()
	}
	f.Drop()
	return false, nil
}

// Drop gives up what waits. Where it cannot be removed, Finish leaves it alone all
// the same: no note names it.
func (f *File) Drop() { _ = os.Remove(f.staged()) }

// staged is where the next version waits.
func (f *File) staged() string { return f.real() + ".next" }

// real is the file behind a symbolic link, which stays one.
func (f *File) real() string {
	if real, err := filepath.EvalSymlinks(f.Path); err == nil {
		return real
	}
	return f.Path
}

func encode(c *account.Config) ([]byte, error) {
	c.Schema, c.Version = account.Schema, version
	b, err := json.Marshal(c, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("write config.json: %w", err)
	}
	return append(b, '\n'), nil
}

func sum(b []byte) string {
	if b == nil {
		return ""
	}
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
