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
// one that it writes. Files from before it had a number are of this form.
const memoryVersion = 1

var errNewerMemory = errors.New("written by a newer version")

// loadMemory reads state.json. One that cannot be read is set aside, never
// overwritten, and said in the returned hint.
func loadMemory(path string) (*memory, *hint.Error) {
	m := &memory{}
	b, err := os.ReadFile(path)
	if err == nil {
		var form struct {
			Version int `json:"version"`
		}
		if err = json.Unmarshal(b, &form); err == nil && form.Version > memoryVersion {
			err = errNewerMemory
		} else if err == nil {
			err = json.Unmarshal(b, m)
		}
	}
	var problem *hint.Error
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m = &memory{}
		suffix, what, do := ".damaged", "could not be understood", "Nothing needs to be done; if Keyporter was paused, pause it again."
		if errors.Is(err, errNewerMemory) {
			suffix, what, do = ".newer", "was written by a newer Keyporter", "Update Keyporter on this computer, and put the file back."
		}
		aside := freeName(path + suffix)
		if renameErr := os.Rename(path, aside); renameErr != nil {
			err = errors.Join(err, renameErr)
		}
		problem = hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s %s and was set aside as %s.", path, what, aside), do)
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
	text, err := json.MarshalIndent(b.mem, "", "  ")
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("write state.json: %w", err)
	}
	if bytes.Equal(text, b.memWritten) {
		return nil
	}
	if err := atomicfile.WriteFile(b.opt.Paths.StateFile(), append(text, '\n')); err != nil {
		return atomicfile.Unwritable(b.opt.Paths.StateFile(), err)
	}
	b.memWritten = text
	return nil
}
