// Package scan finds secrets that stand in the clear in MCP clients' files: bearer
// tokens, API keys in environments, headers, arguments and addresses, paths of
// service-account keys, and what other bridges keep of their sign-ins. It says
// what each entry would be without them: a remote server, or a program that is
// started with its secrets.
//
// It reads files and changes none; moving what it found is the broker's. A
// finding holds the secret as a secret.Value and shows its last four characters.
package scan

import (
	"cmp"
	"slices"
	"strings"

	"keyporter/broker/install"
	"keyporter/broker/secret"
)

// A Kind says what sort of secret was found. The words are stable.
type Kind string

// The kinds.
const (
	Bearer   Kind = "bearer"   // a token of an Authorization header
	APIKey   Kind = "api_key"  // a key or token under another name
	Password Kind = "password" // also one in an address, or of Basic authentication
	KeyFile  Kind = "key_file" // the path of a service account's key
	Tokens   Kind = "tokens"   // a file with another bridge's tokens
)

// A Finding is one secret in a file.
type Finding struct {
	File   string
	Line   int
	Client string // the ID of the client whose file it is; empty for another bridge's files
	Entry  string // the server's name in the file
	Place  string // "env GITHUB_TOKEN", "header Authorization", "argument --api-key", "query key"
	Kind   Kind
	Copy   bool // it is in the copy that an earlier edit of Keyporter kept

	Secret secret.Value // a secret in the clear only for Reveal
}

// Tail returns the last four characters, with which people tell keys apart; of a
// short secret, nothing.
func (f *Finding) Tail() string {
	r := []rune(strings.TrimSpace(f.Secret.Reveal()))
	if f.Kind == KeyFile || f.Kind == Tokens || len(r) < 12 {
		return ""
	}
	return string(r[len(r)-4:])
}

// An Entry is a server of a client's file that holds secrets, or one that another
// bridge serves.
type Entry struct {
	Client   *install.Client
	File     string
	At       []string // the names of the objects around it
	Key      string
	Findings []Finding
	Remote   *Remote  // it is, or is bridged to, a server elsewhere
	Program  *Program // it is a program on this computer; one of the two is set
	Bridge   string   // the other bridge's name, if one serves it
}

// A Remote is a server elsewhere, as an entry describes it.
type Remote struct {
	URL             string // without secrets
	Headers         map[string]string
	SecretHeaders   map[string]secret.Value
	SecretQuery     map[string]secret.Value
	ClientID        string
	ClientSecret    secret.Value
	Scopes          []string
	Resource        string
	NoResource      bool
	AuthorizeParams map[string]string
	SSE             bool
	AllowHTTP       bool
	DenyTools       []string
	Files           []string // whose content was taken over: headers, client information
}

// A Program is a server that runs on this computer, with everything that its entry
// says.
type Program struct {
	Command string
	Args    []string
	Env     map[string]string
	Dir     string
}

// A Result is what was found.
type Result struct {
	Entries  []*Entry
	Stores   []Finding // files of other bridges
	Copies   []Finding // in copies that earlier edits kept
	Problems []error   // files that cannot be read
}

// Findings returns all secrets, by file and line.
func (r *Result) Findings() []Finding {
	var out []Finding
	for _, e := range r.Entries {
		out = append(out, e.Findings...)
	}
	out = slices.Concat(out, r.Copies, r.Stores)
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return out
}

// Files looks through all known clients' files, those in the folders of projects,
// and what other bridges keep.
func Files(getenv func(string) string, projects []string) *Result {
	r := &Result{}
	seen := map[string]bool{}
	look := func(c *install.Client, path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		r.file(c, path)
	}
	for _, c := range install.Clients() {
		for _, path := range c.Files(getenv) {
			look(c, path)
		}
	}
	for _, folder := range projects {
		for _, c := range install.Clients() {
			if c.Project() == "" {
				continue
			}
			path, err := c.ProjectFile(folder)
			if err != nil {
				r.Problems = append(r.Problems, err)
				break // the folder is not there, whatever the client
			}
			look(c, path)
		}
	}
	r.Stores = stores(getenv)
	return r
}

// file looks through one client's file and the copy beside it.
func (r *Result) file(c *install.Client, path string) {
	d, err := c.Read(path)
	if err != nil {
		r.Problems = append(r.Problems, err)
	} else {
		r.Entries = append(r.Entries, Document(d)...)
	}
	if d, err = c.Read(path + install.BackupSuffix); err != nil {
		return // nobody reads it but who wants the old state back
	}
	for _, e := range Document(d) {
		for _, f := range e.Findings {
			f.Copy = true
			r.Copies = append(r.Copies, f)
		}
	}
}

// Document looks through a client's file. It returns the entries that hold secrets,
// and those that another bridge serves.
func Document(d *install.Document) []*Entry {
	var out []*Entry
	for i := range d.Items {
		item := &d.Items[i]
		if item.Ours != nil || item.Value.Kind != install.Object {
			continue
		}
		e := read(d, item)
		if len(e.Findings) > 0 || e.Bridge != "" {
			out = append(out, e)
		}
	}
	return out
}
