package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// systemctl puts a systemctl of the given shell script before the real one, and
// a unit in the home folder of env.
func systemctl(t *testing.T, env []string, script string) {
	t.Helper()
	home := DialOptions{Environ: env}.getenv("HOME")
	bin, units := t.TempDir(), filepath.Join(home, ".config/systemd/user")
	if err := os.MkdirAll(units, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		filepath.Join(bin, "systemctl"):   "#!/bin/sh\necho \"$@\" >" + home + "/asked\n" + script + "\n",
		filepath.Join(units, systemdUnit): "[Service]\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

func asked(t *testing.T, env []string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(DialOptions{Environ: env}.getenv("HOME"), "asked"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func TestAgentStartsThroughSystemdWhereTheUnitIsInstalled(t *testing.T) {
	env, p := bare(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	systemctl(t, env, fmt.Sprintf("%q agent </dev/null >/dev/null 2>&1 &", self))
	started(t, DialOptions{Paths: p, Start: Always, Environ: env, Program: "/nonexistent"})
	if got, want := asked(t, env), "--user start keyporter-agent.service"; got != want {
		t.Errorf("systemctl got %q, want %q", got, want)
	}
}

func TestAgentStartsDirectlyWhenSystemdFails(t *testing.T) {
	env, p := bare(t)
	systemctl(t, env, "echo no bus >&2; exit 1")
	started(t, DialOptions{Paths: p, Start: Always, Environ: env})
	if asked(t, env) == "" {
		t.Error("systemd was not asked")
	}
}

func TestAgentOfAMovedHomeIsNeverStartedThroughSystemd(t *testing.T) {
	env, _ := bare(t)
	systemctl(t, env, "exit 0")
	p := home(t)
	c, _ := started(t, DialOptions{Paths: p, Start: Always, Environ: append(env, "KEYPORTER_HOME="+p.State)})
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if got := asked(t, env); got != "" {
		t.Errorf("systemctl got %q", got)
	}
}
