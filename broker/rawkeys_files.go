package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"keyporter/broker/install"
	"keyporter/broker/local"
	"keyporter/broker/scan"
	"keyporter/internal/hint"
)

// keep takes all files that will change into the undo record.
func (m *move) keep(entries []*scan.Entry, found *scan.Result) error {
	files := map[string]bool{}
	for _, e := range entries {
		files[e.File], files[e.File+install.BackupSuffix] = true, true
		if e.Remote != nil {
			for _, f := range e.Remote.Files {
				files[f] = true
			}
		}
	}
	for _, f := range slices.Concat(found.Copies, found.Stores) {
		files[f.File] = true
	}
	for path := range files {
		err := m.undo.add(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s cannot be read.", path), "Check that it is yours and readable; nothing was changed.")
		}
	}
	slices.SortFunc(m.undo.Files, func(a, b undoFile) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

// rememberFiles notes the servers that stand in clients' files now, so that a client
// that loses them is noticed.
func (m *move) rememberFiles(folders []string) {
	there := map[string][]string{} // servers by file
	for i := range m.undo.Entries {
		e := &m.undo.Entries[i]
		c, err := install.Find(e.Client)
		if err != nil || e.Server == "" {
			continue
		}
		if _, known := there[e.File]; !known {
			there[e.File], _ = c.Servers(e.File) // none of a file that cannot be read
		}
		if !slices.Contains(there[e.File], e.Server) {
			continue // it is in a place that only this client knows
		}
		f := clientFile{Client: c.ID}
		for _, folder := range folders {
			if path, err := c.ProjectFile(folder); err == nil && path == e.File {
				f.Folder = folder
			}
		}
		m.b.update(func() {
			if known := m.b.mem.ClientFiles[e.File]; known != nil {
				f = *known
			}
			f.Servers = union(slices.Clone(f.Servers), e.Server)
			m.b.mem.ClientFiles[e.File] = &f
		})
	}
}

// removeFiles takes files away whose content is in the vault now: other bridges'
// tokens, header files, copies that earlier edits kept. A file that an entry needs
// which could not be moved stays.
func (m *move) removeFiles(found *scan.Result) {
	gone := map[string]bool{}
	for _, f := range slices.Concat(found.Stores, found.Copies) {
		gone[f.File] = true
	}
	for _, e := range found.Entries {
		if e.Remote == nil {
			continue
		}
		moved := slices.ContainsFunc(m.out.Moved, func(x local.MovedEntry) bool { return x.File == e.File && x.Entry == e.Key })
		for _, f := range e.Remote.Files {
			gone[f] = moved
		}
	}
	for path, ok := range gone {
		if !ok {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			m.out.Problems = append(m.out.Problems, hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s could not be removed.", path), "Remove it by hand."))
			continue
		}
		m.out.Removed = append(m.out.Removed, path)
	}
	slices.Sort(m.out.Removed)
}

// keyFiles names the files that an entry's program goes on reading: only their paths
// have moved.
func (m *move) keyFiles(e *scan.Entry) {
	for i := range e.Findings {
		path := e.Findings[i].Secret.Reveal()
		if e.Findings[i].Kind != scan.KeyFile {
			continue
		}
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() {
			m.out.Problems = append(m.out.Problems, hint.New(hint.Failed, fmt.Sprintf("The key file %s stays where it is, because the program of %s reads it by itself.", path, clip(e.Key)),
				"If that program can use this computer's own Google sign-in (gcloud auth application-default login), take the variable out and delete the key."))
		}
	}
}
