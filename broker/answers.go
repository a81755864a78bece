package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"keyporter/broker/local"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// maxAnswers is how large the kept answers of one server may be, in bytes.
const maxAnswers = 8 << 20

// answersFile is where the last known answers of one server are kept: what its
// bridges serve while nobody is signed in. They are results of initialize and
// of lists, not secret, and belong to one account.
type answersFile struct {
	dir, server string
}

// answersVersion is the newest form of kept answers that this program reads, and the
// one that it writes. Files from before they had a number are of this form.
const answersVersion = 1

var errNewerAnswers = errors.New("keep answers of a server: the file was written by a newer version")

type keptAnswers struct {
	Version int                        `json:"version"`
	Server  string                     `json:"server"`
	Account string                     `json:"account"`
	URL     string                     `json:"url"`
	Results map[string]json.RawMessage `json:"results"`
}

func (b *Broker) answersOf(server string) answersFile {
	return answersFile{b.opt.Paths.Answers(), server}
}

func (f answersFile) path() string { return filepath.Join(f.dir, digest(f.server)+".json") }

// read returns what is kept, or an empty value if it is missing or belongs to
// another account or address.
func (f answersFile) read(acct, url string) *keptAnswers {
	k := &keptAnswers{}
	b, err := atomicfile.ReadFile(f.path())
	if err != nil || newerAnswers(b) || json.Unmarshal(b, k) != nil || k.Server != f.server || k.Account != acct || k.URL != url || k.Results == nil {
		k = &keptAnswers{Server: f.server, Account: acct, URL: url, Results: map[string]json.RawMessage{}}
	}
	return k
}

// newerAnswers reports whether a newer version wrote the text.
func newerAnswers(text []byte) bool {
	var form struct {
		Version int `json:"version"`
	}
	return json.Unmarshal(text, &form) == nil && form.Version > answersVersion
}

// write replaces what is kept, unless a newer version wrote it.
func (f answersFile) write(k *keptAnswers) error {
	if old, err := atomicfile.ReadFile(f.path()); err == nil && newerAnswers(old) {
		return errNewerAnswers
	}
	k.Version = answersVersion
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if len(b) > maxAnswers {
		return fmt.Errorf("keep answers of a server: more than %d bytes", maxAnswers)
	}
	if err := atomicfile.MakeFolder(f.dir, 0o700); err != nil {
		return fmt.Errorf("keep answers of a server: %w", err)
	}
	return atomicfile.WriteFile(f.path(), b)
}

func (f answersFile) remove() { _ = os.Remove(f.path()) }

// rename moves what is kept to another name of the server.
func (f answersFile) rename(to string) {
	b, err := atomicfile.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil && newerAnswers(b) {
		return // it stays for whoever can read it
	}
	k := &keptAnswers{}
	if err == nil && json.Unmarshal(b, k) == nil {
		k.Server = to
		_ = answersFile{f.dir, to}.write(k) // kept for comfort: they come again by themselves
	}
	f.remove()
}

// Answers returns the last known answers of a server.
func (b *Broker) Answers(_ context.Context, n local.Name) (*local.Answers, error) {
	s, err := lookupServer(b.config(), n.Name)
	if err != nil {
		return nil, err
	}
	return &local.Answers{Server: s.Name, Results: b.answersOf(s.Name).read(s.Account, s.URL).Results}, nil
}

// KeepAnswers stores answers beside those that are already known.
func (b *Broker) KeepAnswers(ctx context.Context, a local.Answers) error {
	s, err := lookupServer(b.config(), a.Server)
	if err != nil {
		return err
	}
	select {
	case b.keeping <- struct{}{}:
		defer func() { <-b.keeping }()
	case <-ctx.Done():
		return ctx.Err()
	}
	f := b.answersOf(s.Name)
	k := f.read(s.Account, s.URL)
	for method, result := range a.Results {
		if !json.Valid(result) {
			return hint.New(hint.Usage, "An answer to keep is not JSON.", "")
		}
		k.Results[method] = result
	}
	if err := f.write(k); errors.Is(err, errNewerAnswers) {
		b.opt.Log.Debug("answers not kept", "server", s.Name, "err", err)
	} else if err != nil {
		return err
	}
	if a.Era != "" {
		b.update(func() { m := b.mem.server(s.Name); m.Era, m.EraOf = a.Era, s.URL })
	}
	if tools, ok := countTools(k.Results["tools/list"]); ok {
		b.update(func() { b.mem.server(s.Name).Tools = tools })
	}
	return nil
}

func countTools(list json.RawMessage) (int, bool) {
	var l struct {
		Tools []json.RawMessage `json:"tools"`
	}
	if len(list) == 0 || json.Unmarshal(list, &l) != nil {
		return 0, false
	}
	return len(l.Tools), true
}
