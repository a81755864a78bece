//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"

	"keyporter/internal/hint"
)

// become makes this process the program: its host then has that one at hand, with
// its signals and its exit code.
func become(cmd *exec.Cmd) error {
	if cmd.Dir != "" {
		if err := os.Chdir(cmd.Dir); err != nil {
			return hint.Wrap(err, hint.NotFound, "The program's folder is not there.", "Make it again, or take the entry out of the MCP client's configuration.")
		}
	}
	err := syscall.Exec(cmd.Path, cmd.Args, cmd.Env)
	return hint.Wrap(err, hint.Failed, "The program "+oneLine(cmd.Path)+" could not be started.", "Look at it by hand.")
}
