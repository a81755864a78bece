package scan

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"keyporter/broker/install"
)

// word stands in every secret of the corpus.
const word = "SECRETWORD"

// unpack writes the corpus below a home folder and returns the folder and what is
// to be found.
func unpack(t *testing.T) (home string, want []string) {
	t.Helper()
	home = t.TempDir()
	a, err := txtar.ParseFile("testdata/corpus.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		text := strings.ReplaceAll(string(f.Data), "HOME/", filepath.ToSlash(home)+"/")
		if f.Name == "want" {
			want = strings.Split(strings.TrimSpace(text), "\n")
			continue
		}
		path := filepath.Join(home, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home, want
}

func at(home string) func(string) string {
	return func(name string) string { return map[string]string{"HOME": home, "USERPROFILE": home}[name] }
}

func TestEverySecretIsFoundAndNothingElse(t *testing.T) {
	home, want := unpack(t)
	r := Files(at(home), []string{filepath.Join(home, "work")})
	for _, err := range r.Problems {
		t.Error(err)
	}
	entries := 0
	var got []string
	for _, f := range r.Findings() {
		file, err := filepath.Rel(home, f.File)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s", filepath.ToSlash(file), cmp.Or(f.Entry, "-"), f.Kind, f.Place))
		b, err := os.ReadFile(f.File)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(b), "\n")
		if f.Line < 1 || f.Line > len(lines) || !strings.Contains(string(b), word) || f.Kind != Tokens && !strings.Contains(lines[f.Line-1], word) {
			t.Errorf("%s: nothing stands in line %d of it", got[len(got)-1], f.Line)
		}
		if !strings.Contains(f.Secret.Reveal(), word) {
			t.Errorf("%s: the secret was cut", got[len(got)-1])
		}
		if tail := f.Tail(); len(tail) > 4 || strings.Contains(fmt.Sprintf("%v %+v", f, f), word) && f.Kind != KeyFile {
			t.Errorf("%s: it shows %q", got[len(got)-1], tail)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("not found: %s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("found, and is no secret: %s", g)
		}
	}
	for _, c := range install.Clients() {
		for _, path := range c.Files(at(home)) {
			if d, err := c.Read(path); err == nil {
				entries += len(d.Items)
			}
		}
	}
	if entries < 60 {
		t.Errorf("the corpus has %d entries, want 60", entries)
	}
}
