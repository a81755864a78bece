package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/internal/atomicfile"
)

func TestHalfWrittenFilesOfAKilledAgentGoAway(t *testing.T) {
	w := newWorld(t)
	w.stop()
	answers := filepath.Join(w.paths.Answers(), "0123.json")
	if err := os.MkdirAll(w.paths.Answers(), 0o700); err != nil {
		t.Fatal(err)
	}
	config := w.paths.ConfigFile()
	for _, path := range []string{config, config + ".bak", config + ".next", w.paths.SchemaFile(), w.paths.StateFile(), answers,
		w.paths.Vault(), w.paths.Vault() + ".prev", w.paths.Identity(), w.paths.Identity() + ".next", filepath.Join(w.paths.State, "audit.head")} {
		f, err := atomicfile.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	w.start()
	w.addStatic("acme") // which opens the vault
	err := filepath.WalkDir(w.paths.State, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".tmp") {
			t.Errorf("%s is left", filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
