package broker

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/install"
	"keyporter/broker/local"
	"keyporter/broker/scan"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// Scan looks for secrets in the clear in MCP clients' files, and moves them into
// the vault or back.
func (b *Broker) Scan(ctx context.Context, r local.ScanRequest) (*local.Scanned, error) {
	for _, f := range r.Folders {
		if !filepath.IsAbs(f) {
			return nil, hint.New(hint.Usage, fmt.Sprintf("%q is not the whole path of a folder.", clip(f)), "Give the whole path.")
		}
	}
	switch r.Action {
	case local.ScanUndo:
		return b.putBack(ctx)
	case local.ScanFix:
		return b.moveKeys(ctx, r.Folders)
	}
	found := scan.Files(b.getenv, r.Folders)
	out := &local.Scanned{Found: rawKeys(found.Findings()), Left: []local.RawKey{}, CanUndo: b.lastUndo()}
	for _, err := range found.Problems {
		out.Problems = append(out.Problems, hint.Of(err))
	}
	return out, nil
}

// rawKeys are findings as they are shown.
func rawKeys(found []scan.Finding) []local.RawKey {
	out := []local.RawKey{}
	for i := range found {
		f := &found[i]
		k := local.RawKey{File: f.File, Line: f.Line, Entry: f.Entry, Place: f.Place, Kind: string(f.Kind), Tail: f.Tail()}
		if c, err := install.Find(f.Client); err == nil {
			k.Client = c.Name
		}
		out = append(out, k)
	}
	return out
}

// A move is one fix under way.
type move struct {
	b    *Broker
	out  *local.Scanned
	undo *undoRecord
	made map[string]string // servers by what they were made from
}

// moveKeys moves what is found into the vault. What was there before is in the
// vault first, so that a crash in between loses nothing.
func (b *Broker) moveKeys(ctx context.Context, folders []string) (*local.Scanned, error) {
	if err := b.knowsCommand(); err != nil {
		return nil, err
	}
	release, err := b.holdClientFiles(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	found := scan.Files(b.getenv, folders)
	out := &local.Scanned{Found: rawKeys(found.Findings()), Left: []local.RawKey{}}
	for _, err := range found.Problems {
		out.Problems = append(out.Problems, hint.Of(err))
	}
	m := &move{b: b, out: out, undo: &undoRecord{}, made: map[string]string{}}
	entries := slices.DeleteFunc(found.Entries, func(e *scan.Entry) bool {
		// A bridge whose tokens go has to sign in again anyway: then here.
		return len(e.Findings) == 0 && (e.Remote == nil || len(found.Stores) == 0)
	})
	if len(out.Found) == 0 {
		out.CanUndo = b.lastUndo()
		return out, nil
	}
	if m.undo.At, err = b.undoTime(ctx); err != nil {
		return nil, err
	}
	if err := m.keep(entries, found); err != nil {
		return nil, err
	}
	if err := b.putUndo(ctx, m.undo); err != nil {
		return nil, err
	}
	for _, same := range byFile(entries) {
		if err := m.file(ctx, same); err != nil {
			return nil, err
		}
	}
	m.removeFiles(found)
	m.rememberFiles(folders)
	for i := range m.undo.Files {
		m.undo.Files[i].noteAfter()
	}
	m.undo.Done = true
	if err := b.putUndo(ctx, m.undo); err != nil {
		return nil, err
	}
	out.CanUndo = m.undo.At
	out.Left = rawKeys(scan.Files(b.getenv, folders).Findings())
	b.recordBy(ctx, local.AuditRecord{Event: "scan_fix", Outcome: "ok"})
	return out, b.saveMemory()
}

// holdClientFiles makes this the one who edits MCP clients' files, until release.
func (b *Broker) holdClientFiles(ctx context.Context) (release func(), err error) {
	select {
	case b.installs <- struct{}{}:
		return func() { <-b.installs }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// byFile groups entries by the file that they stand in, and its client, in order.
func byFile(entries []*scan.Entry) [][]*scan.Entry {
	var files [][]*scan.Entry
	at := map[string]int{}
	for _, e := range entries {
		key := e.Client.ID + " " + e.File
		i, known := at[key]
		if !known {
			i = len(files)
			at[key], files = i, append(files, nil)
		}
		files[i] = append(files[i], e)
	}
	return files
}

// file moves the secrets of a file's entries and then replaces these in one rewrite.
// What is wrong with an entry is a problem of the fix; the error is the end of ctx,
// before which what has moved is replaced.
func (m *move) file(ctx context.Context, entries []*scan.Entry) error {
	var moved []*scan.Entry
	var all []*install.Replacement
	for _, e := range entries {
		if ctx.Err() != nil {
			break
		}
		if r, err := m.entry(ctx, e); err != nil {
			m.left(e, err)
		} else {
			moved, all = append(moved, e), append(all, r)
		}
	}
	if len(all) == 0 {
		return ctx.Err()
	}
	moved[0].Client.Replace(moved[0].File, m.b.opt.Command, all...)
	for i, e := range moved {
		r := all[i]
		if r.Err != nil {
			m.left(e, r.Err)
			continue
		}
		done, undo := local.MovedEntry{File: e.File, Entry: e.Key}, undoEntry{File: e.File, Client: e.Client.ID, At: e.At, Key: e.Key, Old: packed(r.Old)}
		if r.Run {
			done.Run = r.Name
			m.keyFiles(e)
		} else {
			done.Server, undo.Server = r.Name, r.Name
		}
		m.out.Moved, m.undo.Entries = append(m.out.Moved, done), append(m.undo.Entries, undo)
	}
	return ctx.Err()
}

// entry moves one entry's secrets into the vault, and says what is to stand in the
// entry's place.
func (m *move) entry(ctx context.Context, e *scan.Entry) (r *install.Replacement, err error) {
	r = &install.Replacement{At: e.At, Key: e.Key}
	switch {
	case e.Remote != nil:
		r.Name, err = m.server(ctx, e)
	case e.Program != nil:
		r.Run = true
		r.Name, err = m.program(ctx, e)
	default:
		err = hint.New(hint.Failed, "It holds references or settings beside the key, and only its program knows what they stand for.",
			"Write values in the place of the references and try again, or move the key by hand.")
	}
	return r, err
}

func (m *move) left(e *scan.Entry, err error) {
	h := hint.Of(err)
	m.out.Problems = append(m.out.Problems,
		hint.Of(hint.Wrap(err, h.Code, fmt.Sprintf("The entry %s in %s was left as it is. %s", clip(e.Key), e.File, h.What), h.Do)))
}

// server adds the server that an entry describes; the same one in two clients is
// added once.
func (m *move) server(ctx context.Context, e *scan.Entry) (string, error) {
	r := e.Remote
	p := local.PutServer{Bind: true, Offline: true, SecretHeaders: map[string]secret.Plain{}, SecretQuery: map[string]secret.Plain{}, Server: account.Server{
		URL: r.URL, ClientID: r.ClientID, Scopes: r.Scopes, Resource: r.Resource, NoResource: r.NoResource, AllowHTTP: r.AllowHTTP,
		AuthorizeParams: r.AuthorizeParams, Headers: r.Headers,
	}}
	if r.SSE {
		p.Server.Transport = account.TransportSSE
	}
	p.Server.DenyTools = r.DenyTools
	from := r.URL + "\x00" + r.ClientID + "\x00" + r.Resource
	for name, v := range r.SecretHeaders {
		p.Server.SecretHeaders = append(p.Server.SecretHeaders, name)
		p.SecretHeaders[name] = secret.Plain{Value: v}
	}
	for name, v := range r.SecretQuery {
		p.Server.SecretQuery = append(p.Server.SecretQuery, name)
		p.SecretQuery[name] = secret.Plain{Value: v}
	}
	slices.Sort(p.Server.SecretHeaders)
	slices.Sort(p.Server.SecretQuery)
	for _, name := range p.Server.SecretHeaders {
		from += "\x00" + name + " " + r.SecretHeaders[name].Hash()
	}
	for _, name := range p.Server.SecretQuery {
		from += "\x00?" + name + " " + r.SecretQuery[name].Hash()
	}
	if !r.ClientSecret.IsZero() {
		p.ClientSecret = &secret.Plain{Value: r.ClientSecret}
	}
	if name := m.made[from]; name != "" {
		return name, nil
	}
	p.Name = freeServerName(m.b.config(), nameFor(e.Key))
	before := m.undo.Servers
	m.undo.Servers = append(slices.Clone(before), p.Name)
	if err := m.b.putUndo(ctx, m.undo); err != nil { // first, so that a crash leaves none that nobody takes back
		return "", err
	}
	if _, err := m.b.AddServer(ctx, p); err != nil {
		m.undo.Servers = before
		return "", err
	}
	m.made[from] = p.Name
	if len(r.SecretHeaders) == 0 && len(r.SecretQuery) == 0 {
		m.out.SignIn = append(m.out.SignIn, p.Name)
	}
	return p.Name, nil
}

// nameFor makes a name that a server can have.
func nameFor(key string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		if account.CheckName("a"+string(r)+"a") != nil {
			return '-'
		}
		return r
	}, key), " ._-")
	if r := []rune(name); len(r) > 56 {
		name = strings.TrimRight(string(r[:56]), " ._-")
	}
	if account.CheckName(name) != nil {
		return "server"
	}
	return name
}
