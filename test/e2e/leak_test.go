//go:build unix

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"keyporter/broker/secret"
	"keyporter/broker/vault"
)

// mayHold are the files that are there to hold secrets.
var mayHold = map[string]bool{"vault.age": true, "vault.age.prev": true, "identity.age": true, "pass": true, intruderProgram: true}

func TestSearchFindsASecretInAFileAnOutputAndAnArgument(t *testing.T) {
	h := unsearched(t)
	h.secret("token-1")
	h.file("state.json", `{"last": "token-1"}`)
	h.file("vault.age", word)
	h.file("audit.jsonl", "nothing")
	_, out := h.command([]string{"version", "--key=token-1"}, nil)
	fmt.Fprintf(out, "the passphrase is %s", word)
	if found := h.leaks(); len(found) != 3 {
		t.Errorf("found %q, want three", found)
	}
}

// search reports secrets in everything that was printed and written.
func (h *home) search() {
	h.t.Helper()
	for _, found := range h.leaks() {
		h.t.Error(found)
	}
}

func (h *home) leaks() []string {
	h.t.Helper()
	var found []string
	for _, o := range h.outputs {
		found = append(found, h.leak("the output of a command", o.String())...)
	}
	for _, s := range h.started {
		found = append(found, h.leak("an argument or the environment of a command", s)...)
	}
	files := 0
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || mayHold[d.Name()] {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		found = append(found, h.leak(d.Name(), string(b))...)
		return err
	})
	if err != nil || files == 0 {
		h.t.Errorf("%d files of the home were searched for secrets: %v", files, err)
	}
	return found
}

// leak says which secrets a text holds.
func (h *home) leak(where, text string) (found []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.secrets {
		if at := strings.Index(text, s); at >= 0 {
			found = append(found, fmt.Sprintf("%s holds a secret: …%.80q…", where, text[max(0, at-40):]))
		}
	}
	return found
}

func (h *home) searchText(where, text string) {
	h.t.Helper()
	for _, found := range h.leak(where, text) {
		h.t.Error(found)
	}
}

// searchProcess looks for secrets in what other programs can see of a process. An
// agent shows its environment to root alone.
func (h *home) searchProcess(pid int) {
	h.t.Helper()
	if pid == 0 || runtime.GOOS != "linux" {
		return
	}
	for _, file := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
		if errors.Is(err, fs.ErrPermission) && os.Getuid() != 0 {
			continue
		}
		if err != nil || len(b) == 0 {
			h.t.Errorf("%s of process %d cannot be searched: %v", file, pid, err)
		}
		h.searchText(file+" of a process", string(b))
	}
}

// look keeps what other programs can see of a process, which it has from its start,
// for the search in the end: by then more secrets are known. The process may have
// ended.
func (h *home) look(pid int) {
	for _, file := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
		if err != nil || len(b) == 0 {
			continue
		}
		h.mu.Lock()
		if text := string(b); !slices.Contains(h.started, text) {
			h.started = append(h.started, text)
		}
		h.mu.Unlock()
	}
}

// lookAround is look at all processes that have to do with the home, whoever started
// them.
func (h *home) lookAround() {
	all, _ := filepath.Glob("/proc/[0-9]*/environ") // none but on Linux
	for _, file := range all {
		b, err := os.ReadFile(file)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && pid != os.Getpid() && bytes.Contains(b, []byte(h.dir)) {
			h.look(pid)
		}
	}
}

// vaultSecrets notes the secrets that are in the vault now. No agent may run.
func (h *home) vaultSecrets() {
	h.t.Helper()
	p := h.paths()
	v, err := vault.Open(context.Background(), vault.Options{
		File: p.Vault(), Previous: p.Vault() + ".prev", Identity: p.Identity(), Backend: vault.Passphrase, KeyringUser: "none",
		Passphrase: func(context.Context) (secret.Value, error) { return secret.New("passphrase-" + word), nil },
	})
	if err != nil {
		h.t.Errorf("the vault cannot be opened to see what must not show up: %v", err)
		return
	}
	for _, key := range v.Keys("") {
		raw, _ := v.Get(key)
		var record any
		if err := json.Unmarshal(raw, &record); err != nil {
			h.t.Errorf("record of the vault: %v", err)
		}
		h.noteSecrets("", record)
	}
	if err := v.Close(); err != nil {
		h.t.Error(err)
	}
}

// noteSecrets notes the strings of a record whose names say that they are secret.
func (h *home) noteSecrets(name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			h.noteSecrets(k, member)
		}
	case string:
		switch strings.ToLower(name) {
		case "access_token", "refresh_token", "id_token", "client_secret", "secret":
			if v != h.public {
				h.secret(v)
			}
		}
	}
}

// alive reports whether a process is there and not just waiting to be reaped.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return runtime.GOOS != "linux"
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
