package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/scan"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// A program of this computer that an MCP client started with secrets in its file is
// started by keyporter run instead. All that decides what is started rests in the
// vault: no file that somebody edits makes a program of it.

// programLimit is how long the start of a program waits for the user to allow it.
// MCP clients give a server a minute to answer.
const programLimit = 45 * time.Second

// program stores the program that an entry describes.
func (m *move) program(ctx context.Context, e *scan.Entry) (string, error) {
	p := local.Program{Command: e.Program.Command, Dir: e.Program.Dir, Env: map[string]secret.Plain{}}
	for _, a := range e.Program.Args {
		p.Args = append(p.Args, secret.Plain{Value: secret.New(a)})
	}
	for name, v := range e.Program.Env {
		p.Env[name] = secret.Plain{Value: secret.New(v)}
	}
	v, err := m.b.openedVault(ctx)
	if err != nil {
		return "", err
	}
	name := nameFor(e.Key)
	err = v.Update(ctx, func(tx *vault.Tx) error {
		base := name
		for i := 2; ; i++ {
			if _, taken := tx.Get(programKey(name)); !taken {
				break
			}
			name = fmt.Sprintf("%s-%d", base, i)
		}
		m.undo.Programs = append(m.undo.Programs, name)
		return errors.Join(tx.Put(programKey(name), p), tx.Put(undoKey(m.undo.At), m.undo))
	})
	if err != nil {
		m.undo.Programs = slices.DeleteFunc(m.undo.Programs, func(s string) bool { return s == name })
	}
	return name, err
}

// Program returns a program whose secrets a scan moved into the vault.
func (b *Broker) Program(ctx context.Context, n local.Name) (*local.Program, error) {
	b.mu.Lock()
	paused, stopping := b.mem.Paused, b.stopping
	b.mu.Unlock()
	switch {
	case stopping:
		return nil, errStopped
	case paused:
		return nil, errPaused
	}
	v, err := b.openedVault(ctx)
	if err != nil {
		return nil, err
	}
	var p local.Program
	if _, ok := v.Get(programKey(n.Name)); !ok {
		return nil, hint.New(hint.NotFound, fmt.Sprintf("There is no program named %q in the vault.", clip(n.Name)),
			"keyporter run --list shows those that are there; take its entry out of the MCP client's configuration, or write the program itself there again.")
	}
	if err := readRecord(v, programKey(n.Name), &p); err != nil {
		return nil, err
	}
	if err := b.permitWithin(ctx, "", programKey(n.Name), programLimit); err != nil {
		return nil, err
	}
	b.recordBy(ctx, local.AuditRecord{Event: "run", Name: n.Name, Outcome: "ok"})
	return &p, nil
}

// Programs lists the programs whose secrets scans moved into the vault.
func (b *Broker) Programs(ctx context.Context) (*local.Programs, error) {
	v, err := b.openedVault(ctx)
	if err != nil {
		return nil, err
	}
	out := &local.Programs{Programs: []local.StoredProgram{}}
	for _, key := range v.Keys(programKey("")) {
		var p local.Program
		if err := readRecord(v, key, &p); err != nil {
			return nil, err
		}
		out.Programs = append(out.Programs, local.StoredProgram{Name: strings.TrimPrefix(key, programKey("")), Command: p.Command})
	}
	return out, nil
}
