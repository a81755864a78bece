package local

import (
	"time"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// A ScanAction says what to do with the raw keys that are found.
type ScanAction string

// The actions.
const (
	ScanLook ScanAction = ""     // nothing
	ScanFix  ScanAction = "fix"  // move them into the vault
	ScanUndo ScanAction = "undo" // put back what the last fix moved
)

// ScanRequest is the argument of Scan.
type ScanRequest struct {
	Action  ScanAction `json:"action,omitempty"`
	Folders []string   `json:"folders,omitempty"` // of projects, absolute
}

// A RawKey is a secret that stands in the clear in a file. It shows the secret's
// last four characters.
type RawKey struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Client string `json:"client,omitempty"` // the MCP client's name; empty for another bridge's files
	Entry  string `json:"entry,omitempty"`  // the server's name in the file
	Place  string `json:"place"`            // "env GITHUB_TOKEN", "header Authorization"
	Kind   string `json:"kind"`             // bearer, api_key, password, key_file, tokens
	Tail   string `json:"tail,omitempty"`
}

// A MovedEntry is an entry of a client's file that was replaced.
type MovedEntry struct {
	File   string `json:"file"`
	Entry  string `json:"entry"`
	Server string `json:"server,omitempty"`  // the server that was added, or had been
	Run    string `json:"program,omitempty"` // the program that keyporter run starts in its place
}

// Scanned says what was found, and what became of it.
type Scanned struct {
	Found    []RawKey      `json:"found"`              // before; never null
	Left     []RawKey      `json:"left"`               // after a fix; never null
	Moved    []MovedEntry  `json:"moved,omitempty"`    // by a fix
	Removed  []string      `json:"removed,omitempty"`  // files that a fix took away
	Restored []string      `json:"restored,omitempty"` // files that an undo put back
	SignIn   []string      `json:"sign_in,omitempty"`  // servers that need a sign-in now
	Problems []*hint.Error `json:"problems,omitempty"`
	CanUndo  time.Time     `json:"can_undo,omitzero"` // when the fix was made that can be undone
}

// Programs is the answer of Programs.
type Programs struct {
	Programs []StoredProgram `json:"programs"` // never null
}

// A StoredProgram is a Program without its secrets.
type StoredProgram struct {
	Name    string `json:"name"`
	Command string `json:"command"`
}

// A Program is a program of this computer with the secrets that it is started
// with.
type Program struct {
	Command string                  `json:"command"`
	Args    []secret.Plain          `json:"args,omitempty"`
	Env     map[string]secret.Plain `json:"env,omitempty"`
	Dir     string                  `json:"dir,omitempty"`
}
