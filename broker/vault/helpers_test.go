package vault

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// word is part of every secret in these tests.
const word = "SECRETWORD"

// A fileStore is a Store in a file, for processes that share it.
type fileStore struct {
	path string
	mu   sync.Mutex
	fail error                 // every call returns it, if it is not nil
	give func(s string) string // what Get makes of an entry, if it is not nil
}

func (s *fileStore) entries() (map[string]string, error) {
	m := map[string]string{}
	b, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	return m, json.Unmarshal(b, &m)
}

func (s *fileStore) change(f func(m map[string]string) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	m, err := s.entries()
	if err != nil {
		return err
	}
	if err := f(m); err != nil {
		return err
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path+".next", b, 0o600); err != nil {
		return err
	}
	return os.Rename(s.path+".next", s.path)
}

func (s *fileStore) Get(_ context.Context, user string) (v secret.Value, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return v, s.fail
	}
	m, err := s.entries()
	if err != nil {
		return v, err
	}
	e, ok := m[user]
	if !ok {
		return v, ErrIdentityMissing
	}
	if s.give != nil {
		e = s.give(e)
	}
	return secret.New(e), nil
}

func (s *fileStore) Set(_ context.Context, user string, v secret.Value) error {
	return s.change(func(m map[string]string) error { m[user] = v.Reveal(); return nil })
}

func (s *fileStore) Delete(_ context.Context, user string) error {
	return s.change(func(m map[string]string) error {
		if _, ok := m[user]; !ok {
			return ErrIdentityMissing
		}
		delete(m, user)
		return nil
	})
}

// options returns options for a vault in dir, with a keyring in a file beside the
// folder and a passphrase that is quick to check.
func options(dir string) Options {
	return Options{
		File: filepath.Join(dir, "vault.age"), Previous: filepath.Join(dir, "vault.age.prev"), Identity: filepath.Join(dir, "identity.age"),
		Keyring: &fileStore{path: dir + ".keyring"}, Passphrase: says(word + " pass"), ScryptWorkFactor: 2,
	}
}

func newOptions(t *testing.T) Options {
	t.Helper()
	return options(filepath.Join(t.TempDir(), "state"))
}

func says(pass string) func(context.Context) (secret.Value, error) {
	return func(context.Context) (secret.Value, error) { return secret.New(pass), nil }
}

func mustOpen(t *testing.T, o Options) *File {
	t.Helper()
	f, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { mustClose(t, f) })
	return f
}

func mustClose(t *testing.T, f *File) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func mustPut(t *testing.T, f *File, key string, v any) {
	t.Helper()
	if err := f.Update(context.WithoutCancel(t.Context()), func(tx *Tx) error { return tx.Put(key, v) }); err != nil {
		t.Fatalf("update: %v", err)
	}
}

func wantString(t *testing.T, f *File, key, want string) {
	t.Helper()
	raw, ok := f.Get(key)
	var got string
	if !ok || json.Unmarshal(raw, &got) != nil || got != want {
		t.Errorf("record %s = %q, %v; want %q", key, got, ok, want)
	}
}

// wantError checks the sentinel, and that the error has sentences with every one
// of texts and no secret.
func wantError(t *testing.T, err, want error, code hint.Code, texts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error = %v, want %v", err, want)
	}
	var h *hint.Error
	if !errors.As(err, &h) {
		t.Fatalf("error without words: %v", err)
	}
	if h.Code != code {
		t.Errorf("code = %q, want %q", h.Code, code)
	}
	for _, s := range texts {
		if !strings.Contains(h.Text(), s) {
			t.Errorf("words %q do not hold %q", h.Text(), s)
		}
	}
	if !strings.HasSuffix(h.What, ".") || h.Do != "" && !strings.HasSuffix(h.Do, ".") {
		t.Errorf("not sentences: %q", h.Text())
	}
	if all := err.Error() + h.Text(); strings.Contains(all, word) || strings.Contains(all, "AGE-SECRET") {
		t.Errorf("a secret in the error: %s", all)
	}
}

// snapshot is the content of all the files in a folder.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m[e.Name()] = string(b)
	}
	return m
}

func names(m map[string]string) (names []string) {
	for n := range m {
		names = append(names, n)
	}
	return names
}
