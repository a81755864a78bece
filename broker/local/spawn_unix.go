//go:build unix

package local

import (
	"os/exec"
	"syscall"
)

// spawn starts a program in a session of its own, so that neither the end of
// the starter's terminal nor a signal to its group reaches it.
func spawn(command func() *exec.Cmd) (*child, error) {
	cmd := command()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return reap(cmd), nil
}
