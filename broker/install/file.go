package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// BackupSuffix is what the copy of a file before the last edit has behind its
// name.
const BackupSuffix = ".keyporter-backup"

// maxSize is how large a configuration file may be, in bytes.
const maxSize = 16 << 20

// Entries returns our entries in the file; none if there is no file.
func (c *Client) Entries(path string) ([]Entry, error) {
	text, _, err := read(path)
	if err != nil {
		return nil, err
	}
	ours, _, err := c.entries(text, c.path)
	if err != nil {
		return nil, explain(path, err)
	}
	return ours, nil
}

// Servers returns the servers whose entries stand in the file.
func (c *Client) Servers(path string) ([]string, error) {
	ours, err := c.Entries(path)
	var servers []string
	for _, e := range ours {
		if !slices.Contains(servers, e.Server) {
			servers = append(servers, e.Server)
		}
	}
	return servers, err
}

// An Edit is what an edit of one file did.
type Edit struct {
	Changed []string // servers that were put in, changed or taken out
	Backup  string   // the copy of the file as it was; empty if there was none or nothing changed
	Trace   Trace    // to remember for the next edit of the same file
}

// Install puts servers into the file at path, as entries that launch command.
// Entries that are there already stay. t is what the last edit of this file
// returned. The folder is made if the one around it is there.
func (c *Client) Install(path string, t Trace, servers []string, command string) (Edit, error) {
	made := os.Mkdir(filepath.Dir(path), 0o755) == nil
	if made {
		_ = atomicfile.SyncDir(filepath.Dir(filepath.Dir(path))) // the edit itself says what is wrong with the disk
	}
	e, err := edit(path, t, keepCopy, func(text []byte) (change, error) { return c.install(text, t, servers, command) })
	switch {
	case made && err == nil:
		e.Trace.NoFolder = true
	case made:
		err = errors.Join(err, os.Remove(filepath.Dir(path)))
	}
	return e, err
}

// Uninstall takes our entries for the servers out of the file at path; nil means
// all of ours.
func (c *Client) Uninstall(path string, t Trace, servers []string) (Edit, error) {
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return Edit{}, nil
	}
	e, err := edit(path, t, keepCopy, func(text []byte) (change, error) { return c.uninstall(text, t, servers) })
	if err == nil && t.NoFolder && e.Trace == (Trace{}) {
		_ = os.Remove(filepath.Dir(path)) // unless something else lies in it by now
	}
	return e, err
}

// Rename gives our entry for a server the server's new name. The key under which
// it stands stays.
func (c *Client) Rename(path, from, to string) error {
	_, err := edit(path, Trace{}, keepCopy, func(text []byte) (change, error) {
		ours, _, err := c.entries(text, c.path)
		out := change{text: text}
		for _, e := range ours {
			if err == nil && e.Server == from {
				e.Server = to
				out.text, err = c.retarget(out.text, c.path, e)
				out.changed = []string{to}
			}
		}
		return out, err
	})
	return err
}

// A copying says what becomes of the text as it was.
type copying bool

const (
	keepCopy copying = true  // it is kept beside the file
	dropCopy copying = false // it held a secret: no copy of it is kept, and an older one goes
)

// tries is how often an edit is made again because the client wrote its file
// meanwhile.
const tries = 5

// edit reads the file, changes it and puts it back, one at a time for all
// processes of this user that edit files in its folder.
func edit(path string, t Trace, keep copying, f func([]byte) (change, error)) (Edit, error) {
	release, err := lock(filepath.Dir(path))
	if err != nil {
		return Edit{Trace: t}, atomicfile.Unwritable(path, err)
	}
	defer release()
	if fi, err := os.Lstat(path); err == nil && fi.Mode().IsRegular() { // behind a link lies a folder that is not locked
		if err := atomicfile.Leftovers(path); err != nil {
			return Edit{Trace: t}, atomicfile.Unwritable(path, err)
		}
	}
	for range tries {
		text, mode, err := read(path)
		if err != nil {
			return Edit{Trace: t}, err
		}
		ch, err := f(text)
		if err != nil {
			return Edit{Trace: t}, explain(path, err)
		}
		out := Edit{Changed: ch.changed, Trace: ch.trace}
		if len(ch.changed) == 0 {
			return out, nil
		}
		out.Backup, err = write(path, text, mode, ch, keep)
		if !errors.Is(err, errChanged) {
			return out, err
		}
	}
	return Edit{Trace: t}, hint.New(hint.Failed, fmt.Sprintf("The file %s is being written by another program.", path), "Quit that program and try again.")
}

// read returns the file's content, nil if there is no file, and its mode.
func read(path string) ([]byte, fs.FileMode, error) {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil {
			return nil, 0, hint.New(hint.Failed, fmt.Sprintf("The file %s is a link that leads nowhere.", path), "Mend or remove the link, then try again.")
		}
		return nil, 0o600, nil
	case err != nil:
		return nil, 0, unreadable(path, err)
	case !fi.Mode().IsRegular():
		return nil, 0, hint.New(hint.Failed, fmt.Sprintf("What stands at %s is no file.", path), "Move it out of the way, then try again.")
	case fi.Size() > maxSize:
		return nil, 0, hint.New(hint.Failed, fmt.Sprintf("The file %s is larger than the %d MB that Keyporter edits.", path, maxSize>>20), "Look at what fills it; nothing was changed.")
	}
	text, err := atomicfile.ReadFile(path)
	if err != nil {
		return nil, 0, unreadable(path, err)
	}
	if text == nil {
		text = []byte{} // nil means that there is no file
	}
	return text, fi.Mode().Perm(), nil
}

var errChanged = errors.New("the file was changed meanwhile")

// write keeps a copy of the old text and puts the new one in its place, with the
// same mode. It returns the path of the copy.
func write(path string, old []byte, mode fs.FileMode, ch change, keep copying) (string, error) {
	if mode&0o200 == 0 {
		return "", hint.New(hint.Failed, fmt.Sprintf("The file %s is read-only, so it was left alone.", path),
			"Make it writable if Keyporter may edit it, then try again.")
	}
	backup := ""
	if keep == dropCopy {
		if err := os.Remove(path + BackupSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", atomicfile.Unwritable(path+BackupSuffix, err)
		}
	} else if old != nil && !ch.remove { // what goes as a whole was ours as a whole
		backup = path + BackupSuffix
		if err := atomicfile.WriteFileMode(backup, old, mode); err != nil {
			return "", atomicfile.Unwritable(backup, err)
		}
	}
	if now, _, err := read(path); err != nil || !bytes.Equal(now, old) || (now == nil) != (old == nil) {
		return "", errors.Join(errChanged, err)
	}
	if ch.remove {
		if err := os.Remove(path); err != nil {
			return "", atomicfile.Unwritable(path, err)
		}
		return backup, nil
	}
	if err := atomicfile.WriteFileMode(path, ch.text, mode); err != nil {
		return "", atomicfile.Unwritable(path, err)
	}
	return backup, nil
}

// explain gives a parse error its words.
func explain(path string, err error) error {
	if errors.Is(err, errForm) {
		return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s is written in a form that Keyporter cannot edit without touching more than its own entry.", path),
			"Write the servers in it one below the other, as its program does, and try again; nothing was changed.")
	}
	var p *ParseError
	if !errors.As(err, &p) {
		return err
	}
	return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s cannot be understood at line %d, column %d: %s.", path, p.Line, p.Column, p.What),
		"Mend it and try again; nothing was changed.")
}

func unreadable(path string, err error) error {
	return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s cannot be read.", path), "Check that it is yours and readable.")
}
