//go:build unix

package install

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// The launcher starts the program with the server's name, however both are
// written.
func TestLauncherStartsTheProgram(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's $HOME")
	program := filepath.Join(dir, "keyporter")
	writeFile(t, program, "#!/bin/sh\nprintf '%s|' \"$@\"\n", 0o700)
	files, modes := contents(t, &Bundle{Server: "Sales data", Command: program, System: runtime.GOOS})
	launcher := filepath.Join(dir, "launch")
	writeFile(t, launcher, files["server/keyporter"], modes["server/keyporter"])
	if out, err := exec.Command(launcher).CombinedOutput(); err != nil || string(out) != "bridge|Sales data|" {
		t.Errorf("it says %q, %v", out, err)
	}
}
