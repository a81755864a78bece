//go:build !unix

package main

import (
	"errors"
	"os/exec"

	"keyporter/internal/hint"
)

// become runs the program and ends as it does.
func become(cmd *exec.Cmd) error {
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ended):
		return &exitError{ended.ExitCode()}
	}
	return hint.Wrap(err, hint.Failed, "The program "+oneLine(cmd.Path)+" could not be started.", "Look at it by hand.")
}
