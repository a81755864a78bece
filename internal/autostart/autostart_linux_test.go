package autostart

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func entry(home string, env map[string]string) *Entry {
	return &Entry{
		ID: "dev.keyporter.Keyporter", Name: "Keyporter", Program: `/opt/50% "odd" $HOME\dir/keyporter-tray`, Args: []string{"--at-login"},
		Getenv: func(name string) string {
			if name == "HOME" {
				return home
			}
			return env[name]
		},
	}
}

func TestEntryIsMadeAndRemoved(t *testing.T) {
	home := t.TempDir()
	for path, e := range map[string]*Entry{
		filepath.Join(home, ".config/autostart/dev.keyporter.Keyporter.desktop"): entry(home, nil),
		filepath.Join(home, "xdg/autostart/dev.keyporter.Keyporter.desktop"):     entry(home, map[string]string{"XDG_CONFIG_HOME": home + "/xdg"}),
	} {
		want := func(on bool) {
			t.Helper()
			if got, err := e.On(); err != nil || got != on {
				t.Errorf("On = %t, %v; want %t", got, err, on)
			}
		}
		want(false)
		for range 2 {
			if err := e.Set(true); err != nil {
				t.Fatal(err)
			}
		}
		want(true)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// The Exec key's quoting, in a value of type string.
		exec := `Exec="/opt/50%% \\"odd\\" \\$HOME\\\\dir/keyporter-tray" --at-login`
		if !strings.Contains(string(b), exec+"\n") {
			t.Errorf("the entry is\n%s\nwant %s", b, exec)
		}
		validate(t, path)
		// The user switches it off in the desktop's settings, and on again here.
		for _, off := range []string{"Hidden=true\n", "X-GNOME-Autostart-enabled=false\n"} {
			if err := os.WriteFile(path, append(b, off...), 0o600); err != nil {
				t.Fatal(err)
			}
			want(false)
			if err := e.Set(true); err != nil {
				t.Fatal(err)
			}
			want(true)
		}
		for range 2 {
			if err := e.Set(false); err != nil {
				t.Fatal(err)
			}
		}
		want(false)
	}
}

func TestAWrongEntryIsRefused(t *testing.T) {
	home := t.TempDir()
	for _, change := range []func(*Entry){
		func(e *Entry) { e.ID = "../x" },
		func(e *Entry) { e.Program = "keyporter-tray" },
		func(e *Entry) { e.Program = "/opt/a\nExec=evil" },
		func(e *Entry) { e.Name = "" },
	} {
		e := entry(home, nil)
		if change(e); e.Set(true) == nil {
			t.Errorf("%+v was accepted", e)
		}
	}
	if files, _ := filepath.Glob(home + "/.config/autostart/*"); len(files) > 0 {
		t.Errorf("files were made: %q", files)
	}
}

// validate has the desktop's own checker look at a file, where it is installed.
func validate(t *testing.T, path string) {
	t.Helper()
	checker, err := exec.LookPath("desktop-file-validate")
	if err != nil {
		return
	}
	if out, err := exec.Command(checker, path).CombinedOutput(); err != nil {
		t.Errorf("desktop-file-validate: %v\n%s", err, out)
	}
}
