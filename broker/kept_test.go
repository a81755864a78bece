package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

// A sign-in whose answer could not be kept is refused before anybody is sent to a
// browser, and before a client is registered.
func TestASignInThatCouldNotBeKeptOpensNoBrowser(t *testing.T) {
	for name, tt := range map[string]struct {
		block func(w *world) (free func() error)
		want  string
	}{
		"state.json": {func(w *world) func() error {
			path := w.paths.StateFile()
			moved := path + "-moved"
			if err := os.Rename(path, moved); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil { // no file can take its place
				t.Fatal(err)
			}
			return func() error {
				if err := os.RemoveAll(path); err != nil {
					return err
				}
				return os.Rename(moved, path)
			}
		}, "state.json"},
		"vault": {func(w *world) func() error {
			path := w.paths.Vault()
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			writeText(t, path, string(whole)+"of another program")
			return func() error { return os.WriteFile(path, whole, 0o600) }
		}, "vault.age"},
	} {
		t.Run(name, func(t *testing.T) {
			as, mcp := oauthServer(t, fakeas.Options{})
			w := newWorld(t)
			w.addStatic("other") // so that there is a vault
			w.add("notes", mcp.URL(), nil)
			if err := w.saveMemory(); err != nil {
				t.Fatal(err)
			}
			free := tt.block(w)
			opened := false
			err := w.SignIn(t.Context(), local.SignInRequest{Name: "notes"}, func(ev *local.SignInEvent) error {
				opened = opened || ev.Open != ""
				return nil
			})
			if err == nil || !strings.Contains(hint.Of(err).Text(), tt.want) {
				t.Errorf("error = %v, want one that names %s", err, tt.want)
			}
			if c := as.Counters(); opened || c.Requests["register"] > 0 || c.Requests["authorize"] > 0 {
				t.Errorf("browser opened: %v; at the provider: %v", opened, c.Requests)
			}
			if err := free(); err != nil {
				t.Fatal(err)
			}
			if err := w.signIn("notes", "ann"); err != nil {
				t.Errorf("once there was room: %v", err)
			}
		})
	}
}
