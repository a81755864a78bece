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

// Waits reports whether a version may wait. It is safe from any goroutine at any time.
func (f *File) Waits() bool {
	_, err := os.Lstat(f.staged())
	return !errors.Is(err, fs.ErrNotExist)
}

// Finish commits what waits if it is s, and returns what config.json holds then.
// Where a person has changed the file since, what s changes is done to that. It
// returns nil where anything else waited, which was given up. While that cannot be
// known, or the file cannot be understood, it goes on waiting: the vault may hold
// the other half.
func (f *File) Finish(s Staged) (*account.Config, error) {
	waits, err := readFile(f.staged())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(f.staged(), err)
	}
	now, err := readFile(f.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(f.Path, err)
	}
	before, known := f.before(s)
	switch {
	case sum(waits) == s.After && sum(now) == s.Before:
		if err := f.Commit(); err != nil {
			return nil, err
		}
		return f.Load()
	case sum(waits) != s.After || !known:
		f.Drop()
		return nil, nil
	}
	after, err := parse(waits)
	if err != nil {
		return nil, unreadable(f.staged(), err)
	}
	return f.merge(before, after)
}

// before returns the version that s was made from, if there still is one: while
// another waits, the copy is left as it was. It is what parse makes of it as written
// by encode, as what waits was.
func (f *File) before(s Staged) (*account.Config, bool) {
	if s.Before == "" {
		return empty(), true
	}
	b := f.content
	if sum(b) != s.Before {
		b, _ = readFile(f.Backup()) // without one, nothing has that hash
	}
	c, err := parse(b)
	if err != nil || sum(b) != s.Before {
		return nil, false
	}
	if b, err = encode(c); err == nil {
		c, err = parse(b)
	}
	return c, err == nil
}

// merge does to config.json what was done to before to make it after.
func (f *File) merge(before, after *account.Config) (*account.Config, error) {
	now, err := f.Load()
	if err != nil {
		return nil, err
	}
	change(now.Servers, before.Servers, after.Servers)
	change(now.Accounts, before.Accounts, after.Accounts)
	if err := f.save(now); err != nil {
		return nil, err
	}
	f.Drop()
	f.backup()
	return now, nil
}

// change does to now what was done to before to make it after.
func change[V any](now, before, after map[string]V) {
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
