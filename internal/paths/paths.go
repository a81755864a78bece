// Package paths says where Keyporter's files live. KEYPORTER_HOME moves all of
// them. It works from what a host passes to the programs it starts (HOME, PATH
// and USER): the runtime folder follows from the user id.
package paths

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// Paths are the folders. They need not exist yet; Make makes them.
type Paths struct {
	Config  string // config.json
	State   string // vault.age, identity.age, state.json, paused, audit.jsonl, answers/
	Runtime string // agent.sock, agent.lock
}

// Find returns the folders for the environment that getenv reads (os.Getenv).
func Find(getenv func(string) string) (Paths, error) {
	if home := getenv("KEYPORTER_HOME"); home != "" {
		abs, err := filepath.Abs(home)
		if err != nil {
			return Paths{}, fmt.Errorf("find KEYPORTER_HOME: %w", err)
		}
		return Paths{Config: abs, State: abs, Runtime: runtimeIn(abs)}, nil
	}
	home := getenv("HOME")
	if runtime.GOOS == "windows" {
		home = getenv("USERPROFILE")
	}
	if home == "" || !filepath.IsAbs(home) {
		return Paths{}, hint.New(hint.Failed, "The home folder is not known.", "Set HOME, or KEYPORTER_HOME to the folder to use.")
	}
	return platform(home, getenv)
}

// maxSocket is how long the path of a unix socket may be, with the smallest
// limit of the systems that have one (macOS: 104 with the terminating zero).
const maxSocket = 103

// runtimeIn returns dir as the runtime folder, or, where a socket's path in it
// would be too long, a folder of this user in the temporary folder that is
// named after dir.
func runtimeIn(dir string) string {
	if runtime.GOOS == "windows" || len(filepath.Join(dir, "agent.sock")) <= maxSocket {
		return dir
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("keyporter-%d-%s", os.Getuid(), short(dir)))
}

// short names a folder in twelve hexadecimal digits.
func short(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:6])
}

// Make makes the folders, readable by this user only. It fails if one was there that
// other users can write to.
func (p Paths) Make() error {
	for _, d := range []string{p.Config, p.State, p.Runtime} {
		if err := atomicfile.MakeFolder(d, 0o700); err != nil {
			return hint.Wrap(err, hint.Failed, fmt.Sprintf("The folder %s cannot be made.", d), "Make it yourself, or set KEYPORTER_HOME to a folder that can be written to.")
		}
	}
	for _, d := range []string{p.Config, p.State} {
		if err := writtenByUser(d); err != nil {
			return err
		}
	}
	return ownedByUser(p.Runtime)
}

// CheckRuntime returns why no agent can start in the runtime folder, if it is there
// and that can be seen: where KEYPORTER_HOME is on a read-only disk, no socket can be
// made. The socket's place does not follow from what can be written, or there would
// be two agents once it can be.
func (p Paths) CheckRuntime() error {
	err := writable(p.Runtime)
	why, do := "", ""
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case atomicfile.ReadOnly(err):
		why, do = ": its disk is read-only", "Make the disk writable, or set KEYPORTER_HOME to a folder that can be written to."
	case errors.Is(err, fs.ErrPermission):
		why, do = ": the system does not allow it", "Make the folder yours and writable, or set KEYPORTER_HOME to one that is."
	default:
		do = "Set KEYPORTER_HOME to a folder that can be written to."
	}
	return hint.Wrap(err, hint.Failed, fmt.Sprintf("The Keyporter agent cannot start, because the folder %s cannot be written to%s.", p.Runtime, why), do)
}

func (p Paths) ConfigFile() string { return filepath.Join(p.Config, "config.json") }
func (p Paths) SchemaFile() string { return filepath.Join(p.Config, "config.schema.json") }
func (p Paths) Signers() string    { return filepath.Join(p.Config, "allowed_signers") }
func (p Paths) Vault() string      { return filepath.Join(p.State, "vault.age") }
func (p Paths) Identity() string   { return filepath.Join(p.State, "identity.age") }
func (p Paths) StateFile() string  { return filepath.Join(p.State, "state.json") }
func (p Paths) PauseMark() string  { return filepath.Join(p.State, "paused") }
func (p Paths) Audit() string      { return filepath.Join(p.State, "audit.jsonl") }
func (p Paths) Answers() string    { return filepath.Join(p.State, "answers") }
func (p Paths) AgentLog() string   { return filepath.Join(p.State, "agent.log") }
func (p Paths) Lock() string       { return filepath.Join(p.Runtime, "agent.lock") }

// Socket returns the address of the local API: the path of a unix socket, or
// the name of a pipe on Windows.
func (p Paths) Socket() string { return socket(p.Runtime) }
