package broker

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"keyporter/broker/install"
	"keyporter/broker/local"
	"keyporter/broker/scan"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// An undoRecord is a record of the vault: what a fix changed, with the files as
// they were.
type undoRecord struct {
	At       time.Time   `json:"at"`
	Files    []undoFile  `json:"files"`
	Entries  []undoEntry `json:"entries,omitempty"`
	Servers  []string    `json:"servers,omitempty"`  // that it added
	Programs []string    `json:"programs,omitempty"` // that it stored
	Done     bool        `json:"done"`               // the fix came to its end, so it is known what it wrote
}

// An undoFile is a file before and after. Bytes are packed.
type undoFile struct {
	Path   string       `json:"path"`
	Mode   fs.FileMode  `json:"mode"`
	Before secret.Plain `json:"before"`
	After  secret.Plain `json:"after"`
	Gone   bool         `json:"gone,omitempty"` // there is none after
}

// An undoEntry is an entry as it stood there, for a file that was changed since.
type undoEntry struct {
	File   string       `json:"file"`
	Client string       `json:"client"`
	At     []string     `json:"at"`
	Key    string       `json:"key"`
	Server string       `json:"server,omitempty"` // whose bridge stands there now
	Old    secret.Plain `json:"old"`
}

// packed keeps bytes that need not be UTF-8, small: some clients keep megabytes of
// history in the file, and the vault is written as a whole. The word in front keeps
// an empty file apart from none.
func packed(b []byte) secret.Plain {
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	_, err := z.Write(b)
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	return secret.Plain{Value: secret.New("gz:" + base64.StdEncoding.EncodeToString(small.Bytes()))}
}

// unpacked also reads what earlier versions kept, which did not compress.
func unpacked(p secret.Plain) []byte {
	form, text, _ := strings.Cut(p.Reveal(), ":")
	b, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil
	case form != "gz":
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	b, err = io.ReadAll(z) // the vault is our own: nobody else can have made it large
	if err != nil {
		return nil
	}
	return b
}

// add takes a file as it is into the record.
func (u *undoRecord) add(path string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	b, err := atomicfile.ReadFile(path)
	if err != nil {
		return err
	}
	u.Files = append(u.Files, undoFile{Path: path, Mode: fi.Mode().Perm(), Before: packed(b)})
	return nil
}

func (f *undoFile) noteAfter() {
	b, err := atomicfile.ReadFile(f.Path)
	if f.Gone = errors.Is(err, fs.ErrNotExist); err == nil {
		f.After = packed(b)
	}
}

// undoTime is now, or just after the last fix if the clock was set back since: the
// last one is undone first.
func (b *Broker) undoTime(ctx context.Context) (time.Time, error) {
	if _, err := b.openedVault(ctx); err != nil {
		return time.Time{}, err
	}
	now := b.opt.Now()
	if last := b.lastUndo(); !now.After(last) {
		now = last.Add(time.Nanosecond)
	}
	return now, nil
}

func (b *Broker) putUndo(ctx context.Context, u *undoRecord) error {
	v, err := b.openedVault(ctx)
	if err != nil {
		return err
	}
	return v.Update(ctx, func(tx *vault.Tx) error { return tx.Put(undoKey(u.At), u) })
}

// lastUndo returns when the fix was made that an undo would take back.
func (b *Broker) lastUndo() time.Time {
	b.mu.Lock()
	v := b.vault
	b.mu.Unlock()
	var u undoRecord
	if v == nil {
		return time.Time{}
	}
	if keys := v.Keys(undoPrefix); len(keys) == 0 || readRecord(v, slices.Max(keys), &u) != nil {
		return time.Time{}
	}
	return u.At
}

// putBack takes the last fix back: files that hold what the fix wrote get their old
// bytes, of others the entries are put back one by one.
func (b *Broker) putBack(ctx context.Context) (*local.Scanned, error) {
	v, err := b.openedVault(ctx)
	if err != nil {
		return nil, err
	}
	keys := v.Keys(undoPrefix)
	if len(keys) == 0 {
		return nil, hint.New(hint.NotFound, "There is nothing to put back.", "keyporter scan --fix keeps what it moves for this.")
	}
	key := slices.Max(keys)
	var u undoRecord
	if err := readRecord(v, key, &u); err != nil {
		return nil, err
	}
	out := &local.Scanned{Found: []local.RawKey{}, Left: []local.RawKey{}}
	if err := b.putBackFiles(ctx, &u, out); err != nil {
		return nil, err
	}
	if len(out.Problems) > 0 { // what is left needs the record and the servers
		out.CanUndo = u.At
		return out, nil
	}
	for _, name := range u.Servers {
		if err := b.RemoveServer(ctx, local.Name{Name: name}); err != nil && hint.CodeOf(err) != hint.NotFound {
			return nil, err
		}
	}
	err = v.Update(ctx, func(tx *vault.Tx) error {
		for _, name := range u.Programs {
			tx.Delete(programKey(name))
		}
		tx.Delete(key)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(out.Restored)
	out.CanUndo = b.lastUndo()
	out.Found = rawKeys(scan.Files(b.getenv, nil).Findings())
	b.recordBy(ctx, local.AuditRecord{Event: "scan_undo", Name: strings.Join(u.Servers, " "), Outcome: "ok"})
	return out, b.saveMemory()
}

// putBackFiles puts back what stood in the files, and forgets the entries that
// stood there in between.
func (b *Broker) putBackFiles(ctx context.Context, u *undoRecord, out *local.Scanned) error {
	release, err := b.holdClientFiles(ctx)
	if err != nil {
		return err
	}
	defer release()
	// Copies beside a file go when the file is edited, so they come last.
	slices.SortStableFunc(u.Files, func(x, y undoFile) int { return copyLast(x.Path) - copyLast(y.Path) })
	for i := range u.Files {
		f := &u.Files[i]
		done, err := f.restore(u)
		switch {
		case err != nil:
			out.Problems = append(out.Problems, hint.Of(err))
		case done:
			out.Restored = append(out.Restored, f.Path)
		}
	}
	b.update(func() {
		for i := range u.Entries {
			e := &u.Entries[i]
			known := b.mem.ClientFiles[e.File]
			if known == nil || e.Server == "" {
				continue
			}
			f := *known
			f.Servers = slices.DeleteFunc(slices.Clone(f.Servers), func(s string) bool { return s == e.Server })
			if b.mem.ClientFiles[e.File] = &f; len(f.Servers) == 0 {
				delete(b.mem.ClientFiles, e.File)
			}
		}
	})
	return nil
}

func copyLast(path string) int {
	if strings.HasSuffix(path, install.BackupSuffix) {
		return 1
	}
	return 0
}

// restore gives a file its old bytes. It reports false for one that was not
// changed.
func (f *undoFile) restore(u *undoRecord) (bool, error) {
	before := unpacked(f.Before)
	now, err := atomicfile.ReadFile(f.Path)
	switch {
	case err == nil && bytes.Equal(now, before):
		return false, nil
	case errors.Is(err, fs.ErrNotExist) && f.Gone, !u.Done:
		if err := atomicfile.MakeFolder(filepath.Dir(f.Path), 0o700); err != nil {
			return false, fmt.Errorf("put back %s: %w", f.Path, err)
		}
		return true, errors.Join(atomicfile.WriteFileMode(f.Path, before, f.Mode), atomicfile.Leftovers(f.Path))
	case err == nil && !f.Gone && !f.After.IsZero():
		if swapped, err := install.Swap(f.Path, unpacked(f.After), before); swapped || err != nil {
			return swapped, err
		}
	}
	return f.putBackEntries(u.Entries)
}

// putBackEntries is for a file that its client or a person has changed since.
func (f *undoFile) putBackEntries(entries []undoEntry) (bool, error) {
	done := false
	for i := len(entries) - 1; i >= 0; i-- { // the last one first, as they were made
		e := &entries[i]
		if e.File != f.Path {
			continue
		}
		c, err := install.Find(e.Client)
		if err == nil {
			err = c.PutBack(e.File, e.At, e.Key, unpacked(e.Old))
		}
		if err != nil {
			h := hint.Of(err)
			return done, hint.Wrap(err, h.Code, fmt.Sprintf("The entry %s in %s could not be put back. %s", clip(e.Key), e.File, h.What), h.Do)
		}
		done = true
	}
	if !done {
		return false, hint.New(hint.Failed, fmt.Sprintf("The file %s was changed since, so it was left as it is.", f.Path), "Look at it; what stood there before stays in the vault.")
	}
	return true, nil
}
