package local

import (
	"os"
	"os/exec"
)

// A child is a program that was started.
type child struct {
	ended chan struct{} // closed when the program has ended while we live
	how   *os.ProcessState
}

// reap waits for a program that was started, so that no dead child is left. Its
// goroutine lives as long as the program.
func reap(cmd *exec.Cmd) *child {
	c := &child{ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		_ = cmd.Wait() // why it ended is in its log
		c.how = cmd.ProcessState
	}()
	return c
}

// killed reports whether the program has ended and did not do so by itself. Windows
// does not tell the two apart.
func (c *child) killed() bool {
	select {
	case <-c.ended:
		return c.how != nil && !c.how.Exited()
	default:
		return false
	}
}
