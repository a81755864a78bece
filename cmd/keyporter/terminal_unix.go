//go:build unix

package main

import "golang.org/x/sys/unix"

// terminal is the path of the terminal that the program runs in.
const terminal = "/dev/tty"

// hush makes a terminal show nothing of what is typed. It comes before the
// question, because an answer may come at once.
func hush(fd int) error {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return err
	}
	t.Lflag &^= unix.ECHO
	return unix.IoctlSetTermios(fd, setTermios, t)
}
