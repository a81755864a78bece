package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/install"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// memory is state.json: what is worth remembering that is neither secret nor
// the user's configuration. Losing it costs comfort, not safety, with one
// exception that it is careful about: Rotations.
type memory struct {
	Version        int                      `json:"version"`
	Paused         bool                     `json:"paused,omitempty"`
	PassphraseFile string                   `json:"passphrase_file,omitempty"` // the passphrase back end's file, as the user named it
	Servers        map[string]*serverMemory `json:"servers,omitempty"`
	Ports          map[string]int           `json:"ports,omitempty"` // redirect port by issuer, as registered

	// ClientFiles are the MCP clients' files that entries were put into, by path.
	ClientFiles map[string]*clientFile `json:"client_files,omitempty"`

	// Rotations counts, for each lineage of refresh tokens, how many have been
	// redeemed. It is written before a refresh token is redeemed, so that a
	// previous generation of the vault that is restored later never replays one.
	Rotations map[string]int `json:"rotations,omitempty"`
}

// serverMemory is what was seen of one server.
type serverMemory struct {
	Wants    account.Kind `json:"wants,omitempty"` // how it was seen to let people in; empty: not known, or open to all
	Open     bool         `json:"open,omitempty"`  // it was seen to need no token
	LastUsed time.Time    `json:"last_used,omitzero"`
	Tools    int          `json:"tools,omitempty"`
	Era      account.Era  `json:"era,omitempty"`    // what it was found to speak
	EraOf    string       `json:"era_of,omitempty"` // the address at which that was
	Scopes   []string     `json:"scopes,omitempty"` // which a 403 asked for: signed in for from the beginning since
}

// A clientFile is a file of an MCP client that has our entries, or should.
type clientFile struct {
	Client  string        `json:"client"`
	Folder  string        `json:"folder,omitempty"` // the project's that it belongs to
	Servers []string      `json:"servers"`          // that were put in
	Trace   install.Trace `json:"trace,omitzero"`   // what was made in it besides them
}

// memoryVersion is the newest form of state.json that this program reads, and the
// one that it writes. Files from before it had a number are of this form. A program
// drops the fields that it does not know: one that an older program must not lose
// raises the version.
const memoryVersion = 1

var errNewerMemory = errors.New("written by a newer version")

// loadMemory reads state.json. One that cannot be read is set aside, never
// overwritten, and said in the returned hint; whether Keyporter was paused is then
// known from the pause mark, or from what a newer version wrote.
func loadMemory(p paths.Paths) (*memory, *hint.Error) {
	path := p.StateFile()
	m := &memory{}
	b, err := atomicfile.ReadFile(path)
	var form struct {
		Version int             `json:"version"`
		Paused  json.RawMessage `json:"paused"` // of a newer version, in whatever form
	}
	if err == nil {
		if err = json.Unmarshal(b, &form); err == nil && form.Version > memoryVersion {
			err = errNewerMemory
		} else if err == nil {
			err = json.Unmarshal(b, m)
		}
	}
	var problem *hint.Error
	if err != nil {
		m = &memory{Paused: wasPaused(p, form.Paused)}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		problem = setAside(p, m.Paused, err)
	}
	m.Version = memoryVersion
	if m.Servers == nil {
		m.Servers = map[string]*serverMemory{}
	}
	if m.Ports == nil {
		m.Ports = map[string]int{}
	}
	if m.ClientFiles == nil {
		m.ClientFiles = map[string]*clientFile{}
	}
	if m.Rotations == nil {
		m.Rotations = map[string]int{}
	}
	return m, problem
}

// wasPaused reports whether Keyporter was paused when state.json could last be read:
// the mark says it, or what stands in the file. A mark that cannot be looked for
// counts: nothing goes out that the user may have stopped.
func wasPaused(p paths.Paths, said json.RawMessage) bool {
	marked, err := atomicfile.Marked(p.PauseMark())
	text := string(said)
	return marked || err != nil || text != "" && text != "false" && text != "null"
}

// setAside moves a state.json that cannot be read away and says so.
func setAside(p paths.Paths, paused bool, err error) *hint.Error {
	suffix, what, do := ".damaged", "could not be understood", "Nothing needs to be done."
	if errors.Is(err, errNewerMemory) {
		suffix, what, do = ".newer", "was written by a newer Keyporter", "Update Keyporter on this computer, and put the file back."
	}
	if paused {
		do = "Keyporter is still paused. " + do
		if markErr := atomicfile.SetMark(p.PauseMark(), true); markErr != nil { // what the file said goes with it
			err = errors.Join(err, markErr)
		}
	}
	aside := freeName(p.StateFile() + suffix)
	if renameErr := os.Rename(p.StateFile(), aside); renameErr != nil {
		err = errors.Join(err, renameErr)
	}
	return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s %s and was set aside as %s.", p.StateFile(), what, aside), do)
}

// freeName returns base, or base with a number, so that it names no file yet.
func freeName(base string) string {
	name := base
	for i := 2; ; i++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s-%d", base, i)
	}
}

func (m *memory) server(name string) *serverMemory {
	if m.Servers[name] == nil {
		m.Servers[name] = &serverMemory{}
	}
	return m.Servers[name]
}

// saveMemory writes state.json if it changed since it was last written.
func (b *Broker) saveMemory() error {
	b.memWrites <- struct{}{}
	defer func() { <-b.memWrites }()
	b.mu.Lock()
	paused := b.mem.Paused
	text, err := json.MarshalIndent(b.mem, "", "  ")
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("write state.json: %w", err)
	}
	if bytes.Equal(text, b.memWritten) {
		return nil
	}
	if err := b.writeMemory(text, paused); err != nil {
		return err
	}
	b.memWritten = text
	return nil
}

// writeMemory writes state.json and the pause mark, which is there whenever the file
// says so: the file decides, and the mark is for when it cannot be read.
func (b *Broker) writeMemory(text []byte, paused bool) error {
	mark := func() {
		if err := atomicfile.SetMark(b.opt.Paths.PauseMark(), paused); err != nil {
			b.opt.Log.Warn("pause mark not as state.json says", "paused", paused, "err", err)
		}
	}
	if paused {
		mark()
	}
	if err := atomicfile.WriteFile(b.opt.Paths.StateFile(), append(text, '\n')); err != nil {
		return atomicfile.Unwritable(b.opt.Paths.StateFile(), err)
	}
	if !paused {
		mark()
	}
	return nil
}
