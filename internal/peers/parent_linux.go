package peers

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end cmd's process when the test binary dies
// without its cleanups, as it does after a panic or go test's time limit.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
