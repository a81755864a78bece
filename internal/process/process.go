// Package process finds out what the operating system knows of another process: the
// program that it runs, who started it, and when. Nothing here is what a process
// says of itself.
package process

// A Process is one process of this computer. A number may be used again, but not
// with the same start.
type Process struct {
	PID     int
	Parent  int    // the process that started it, or that took its place
	Path    string // of its program, as it was when it started
	Started int64  // nanoseconds on Now's clock, rounded down to the system's own steps

	// Login says that the process is another user's and hides its program, as root's
	// sshd and login do, or is what such a one has become for this user. Path is empty.
	Login bool
}

// Find returns a process that runs. It fails for one whose program this user may
// not see, unless that is of a Login.
func Find(pid int) (Process, error) { return find(pid) }

// Now is the time on the clock of Process.Started.
func Now() int64 { return now() }
