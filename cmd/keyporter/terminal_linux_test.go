package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Questions are asked at a real terminal.
func TestTerminalScripts(t *testing.T) { runScripts(t, "testdata/terminal") }

// onTerminal starts the command in a session of its own on a new terminal.
func (c *conversation) onTerminal() error {
	control, terminal, err := openTerminal()
	if err != nil {
		return err
	}
	c.in, c.tty, c.files = control, true, []io.Closer{control}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = terminal, terminal, terminal
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = c.cmd.Start()
	terminal.Close()
	go c.listen(control)
	return err
}

// openTerminal opens a pair of pseudo-terminals (pty(7)). On Ctrl-C a terminal sends
// the signal first and then throws away what was written and not read yet: without
// NOFLSH (termios(3)) that may take the answer of a program that is quick.
func openTerminal() (control, terminal *os.File, err error) {
	control, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(control.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	}
	if err == nil {
		err = keepOutput(int(terminal.Fd()))
	}
	if err != nil {
		control.Close()
		return nil, nil, err
	}
	return control, terminal, nil
}

func keepOutput(fd int) error {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return err
	}
	t.Lflag |= unix.NOFLSH
	return unix.IoctlSetTermios(fd, setTermios, t)
}
