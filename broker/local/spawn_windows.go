package local

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// spawn starts a program without a console, and outside the job that the host
// put the starter in, because that may end with the host. Not every job allows
// that; then it stays inside.
func spawn(command func() *exec.Cmd) (c *child, err error) {
	const flags = windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP
	for _, more := range []uint32{windows.CREATE_BREAKAWAY_FROM_JOB, 0} {
		cmd := command()
		cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: flags | more, HideWindow: true}
		if err = cmd.Start(); err == nil {
			return reap(cmd), nil
		}
	}
	return nil, err
}
