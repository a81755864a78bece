//go:build unix

package local

import (
	"os/exec"
	"syscall"
)

// spawn starts a program in a session of its own, so that neither the end of
// the starter's terminal nor a signal to its group reaches it. ended is closed
// when the program ends while we live; the goroutine that waits for that is
// there so that no dead child is left, and lives as long as the program.
func spawn(command func() *exec.Cmd) (ended <-chan struct{}, err error) {
	cmd := command()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return reap(cmd), nil
}
