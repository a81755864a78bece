// Package config reads and writes config.json: servers, accounts and settings,
// which a person may edit. Unknown fields survive a rewrite. There is no secret
// in it, and nothing in it decides where a secret may go.
package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"keyporter/broker/account"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// version is the newest format that this program writes.
const version = 1

// maxSize is how large config.json may be, in bytes; 1,000 servers take less
// than one.
const maxSize = 16 << 20

//go:embed config.schema.json
var schema []byte

// A File is config.json with the copy of its last version that could be read.
// Its methods may be called by one goroutine at a time.
type File struct {
	Path   string // Required. config.json.
	Schema string // Optional. Where the JSON Schema is written; empty: nowhere.

	content []byte // as last read or written
	copied  []byte // as last written to the copy
}

// Backup returns the path of the last version that could be read.
func (f *File) Backup() string { return f.Path + ".bak" }

// Written returns all paths that File writes, for atomicfile.Leftovers.
func (f *File) Written() []string { return []string{f.real(), f.Schema, f.Backup(), f.staged()} }

// Load reads the file. A file that is not there is an empty list. The error for
// one that cannot be read names the file, line and column, and the backup.
func (f *File) Load() (*account.Config, error) {
	b, err := readFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		f.content = nil
		return empty(), nil
	}
	if err != nil {
		return nil, unreadable(f.Path, err)
	}
	c, err := parse(b)
	if err != nil {
		return nil, f.explain(err)
	}
	f.content = b
	f.backup()
	return c, nil
}

// backup keeps a copy of what was last read or written. One that cannot be kept
// (a full or read-only disk) makes config.json itself no worse; the next call
// tries again. While a version waits, the copy stays the one before it.
func (f *File) backup() {
	if !bytes.Equal(f.content, f.copied) && !f.Waits() && atomicfile.WriteFile(f.Backup(), f.content) == nil {
		f.copied = f.content
	}
}

// LoadBackup reads the last version that could be read.
func (f *File) LoadBackup() (*account.Config, error) {
	b, err := readFile(f.Backup())
	if err != nil {
		return nil, fmt.Errorf("read copy of config.json: %w", err)
	}
	return parse(b)
}

// Changed reports whether the file differs from what was last read or written.
func (f *File) Changed() bool {
	b, err := readFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.content != nil
	}
	return err != nil || !bytes.Equal(b, f.content)
}

// Edit reads the file if a person has changed it, hands its content to change,
// and writes the result durably. It returns what the file holds now. A file that
// cannot be read is left as it is, and so is one for which change returns an
// error.
func (f *File) Edit(change func(*account.Config) error) (*account.Config, error) {
	c, err := f.Load()
	if err != nil {
		return nil, err
	}
	if err := change(c); err != nil {
		return nil, err
	}
	return c, f.save(c)
}

func (f *File) save(c *account.Config) error {
	b, err := encode(c)
	if err != nil {
		return err
	}
	if err := f.writeSchema(); err != nil {
		return err
	}
	if err := atomicfile.WriteFile(f.Path, b); err != nil {
		return atomicfile.Unwritable(f.Path, err)
	}
	f.content = b
	f.backup()
	return nil
}

// writeSchema puts the JSON Schema where $schema says it is.
func (f *File) writeSchema() error {
	if f.Schema == "" {
		return nil
	}
	if old, err := atomicfile.ReadFile(f.Schema); err == nil && bytes.Equal(old, schema) {
		return nil
	}
	if err := atomicfile.WriteFile(f.Schema, schema); err != nil {
		return atomicfile.Unwritable(f.Schema, err)
	}
	return nil
}

func empty() *account.Config {
	return &account.Config{
		Schema: account.Schema, Version: version,
		Servers: map[string]*account.Server{}, Accounts: map[string]*account.Account{},
	}
}

func readFile(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxSize {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", path, maxSize)
	}
	return atomicfile.ReadFile(path)
}

func unreadable(path string, err error) error {
	return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s cannot be read.", path), "Check that it is yours and readable.")
}

// A position is a place in the file that could not be understood.
type position struct {
	line, column int
	err          error
}

func (p *position) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", p.line, p.column, p.err)
}

func parse(b []byte) (*account.Config, error) {
	text := bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	c := empty()
	if err := json.Unmarshal(text, c); err != nil {
		return nil, locate(text, err)
	}
	if c.Version > version {
		return nil, errNewer
	}
	if c.Version < 1 {
		return nil, fmt.Errorf("its version is %d, and the first one is 1", c.Version)
	}
	for _, name := range account.SettingNames() {
		value, err := c.Settings.Get(name)
		if err == nil {
			err = c.Settings.Set(name, value)
		}
		if err != nil {
			return nil, entryError(text, "settings", name, err)
		}
	}
	for name, s := range c.Servers {
		if s == nil {
			return nil, entryError(text, "servers", name, errors.New("it is null"))
		}
		s.Name = name
		if err := s.Check(); err != nil {
			return nil, entryError(text, "servers", name, err)
		}
	}
	for name, a := range c.Accounts {
		if a == nil {
			return nil, entryError(text, "accounts", name, errors.New("it is null"))
		}
		a.Name = name
		if err := a.Check(); err != nil {
			return nil, entryError(text, "accounts", name, err)
		}
	}
	return c, nil
}

var errNewer = errors.New("written by a newer version")

// locate turns an error of the JSON decoder into a position.
func locate(text []byte, err error) error {
	offset := int64(0)
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	cause := err
	switch {
	case errors.As(err, &syntactic):
		offset, cause = syntactic.ByteOffset, syntactic.Err
	case errors.As(err, &semantic):
		offset = semantic.ByteOffset
		if semantic.Err != nil {
			cause = semantic.Err
		} else {
			cause = fmt.Errorf("a JSON %s cannot stand at %s", semantic.JSONKind, semantic.JSONPointer)
		}
	}
	return at(text, offset, cause)
}

func at(text []byte, offset int64, cause error) *position {
	before := text[:min(max(offset, 0), int64(len(text)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:]))) + 1
	return &position{line: line, column: column, err: cause}
}

// entryError points at the entry of that name in the list.
func entryError(text []byte, list, name string, cause error) error {
	if h := new(hint.Error); errors.As(cause, &h) {
		cause = errors.New(h.Text())
	}
	d := jsontext.NewDecoder(bytes.NewReader(text))
	want := jsontext.Pointer("/" + list).AppendToken(name)
	for {
		if _, err := d.ReadToken(); err != nil {
			break
		}
		if d.StackPointer() == want {
			start := d.InputOffset() - int64(len(name)) - 2
			return at(text, start, fmt.Errorf("%q in %s: %w", name, list, cause))
		}
	}
	return fmt.Errorf("%q in %s: %w", name, list, cause)
}

// explain gives a parse error its words.
func (f *File) explain(err error) error {
	if errors.Is(err, errNewer) {
		return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s was written by a newer Keyporter.", f.Path),
			"Update Keyporter on this computer; nothing was changed.")
	}
	do := "Mend the file; until then nothing is changed."
	if _, statErr := os.Stat(f.Backup()); statErr == nil {
		do = fmt.Sprintf("Mend the file, or copy back the last version that could be read, %s.", f.Backup())
	}
	var p *position
	if errors.As(err, &p) {
		return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s cannot be understood at line %d, column %d: %v.", f.Path, p.line, p.column, trimStop(p.err)), do)
	}
	return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s cannot be understood: %v.", f.Path, trimStop(err)), do)
}

func trimStop(err error) string {
	s := err.Error()
	for len(s) > 0 && s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}
