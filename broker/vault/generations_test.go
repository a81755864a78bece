package vault_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"keyporter/broker/secret"
	"keyporter/broker/vault"
)

// A counter is the record that says which write a document is of. Its filling
// follows from the number, so that a mixture of two writes shows.
type counter struct {
	N       int          `json:"n"`
	Filling secret.Plain `json:"filling"`
}

func countTo(n int) counter {
	filling := fmt.Sprintf("SECRETWORD-%d-", n) + strings.Repeat("x", n*7919%20000)
	return counter{N: n, Filling: secret.Plain{Value: secret.New(filling)}}
}

// putCount stores n under two keys.
func putCount(n int) func(*vault.Tx) error {
	return func(tx *vault.Tx) error {
		return errors.Join(tx.Put("first", countTo(n)), tx.Put("second", countTo(n)))
	}
}

// count returns the number that putCount stored; 0 if there is none yet. A
// document that is not of one write is an error.
func count(f interface {
	Get(key string) (json.RawMessage, bool)
}) (int, error) {
	var got [2]counter
	for i, key := range []string{"first", "second"} {
		raw, ok := f.Get(key)
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, &got[i]); err != nil {
			return 0, fmt.Errorf("record %s is not a counter", key)
		}
	}
	n := got[0].N
	for _, c := range got {
		if c.N != n || n != 0 && !c.Filling.Equal(countTo(n).Filling.Value) {
			return 0, fmt.Errorf("the records are of the writes %d and %d, or mixed", got[0].N, got[1].N)
		}
	}
	return n, nil
}

// countIn decrypts a generation with nothing but age and the stored identity,
// and returns the number in it.
func countIn(path, dir string) (int, error) {
	key, err := os.ReadFile(filepath.Join(dir, "keyring"))
	if err != nil {
		return 0, err
	}
	id, err := age.ParseHybridIdentity(string(key))
	if err != nil {
		return 0, errors.New("the stored identity cannot be read")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	r, err := age.Decrypt(bytes.NewReader(data), id)
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	var doc struct{ Records records }
	if err := json.Unmarshal(text, &doc); err != nil {
		return 0, fmt.Errorf("%s is not a document", filepath.Base(path))
	}
	return count(doc.Records)
}

// records are those of a document that is not opened as a vault.
type records map[string]json.RawMessage

func (r records) Get(key string) (json.RawMessage, bool) { raw, ok := r[key]; return raw, ok }

// extraFiles returns what is in the folder beside the two generations.
func extraFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	var extra []string
	for _, e := range entries {
		if e.Name() != "vault.age" && e.Name() != "vault.age.prev" {
			extra = append(extra, e.Name())
		}
	}
	return extra
}

// checkVault opens the vault in dir and returns the number that it holds. What
// killed writers left must be gone, and the previous generation be whole: of the
// write before, or, if the kill fell between the two renames, of the same one.
func checkVault(t *testing.T, dir string) int {
	t.Helper()
	f, err := vault.Open(t.Context(), options(dir))
	if err != nil {
		t.Fatalf("open after a kill: %v", err)
	}
	defer f.Close()
	n, err := count(f)
	if err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	if extra := extraFiles(t, dir); extra != nil {
		t.Errorf("files are left: %q", extra)
	}
	prev, err := countIn(options(dir).Previous, dir)
	if err != nil || prev != n-1 && prev != n {
		t.Fatalf("previous generation: write %d, %v; want write %d or %d", prev, err, n-1, n)
	}
	return n
}
