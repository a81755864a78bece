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

	// Program is the file that the process runs, whatever lies at its path by now. A
	// process that runs another one keeps its number and its start (execve(2)).
	Program File

	// Login says that the process is another user's and hides its program, as root's
	// sshd and login do, or is what such a one has become for this user. Path is empty.
	Login bool
}

// A File is one file of this computer. macOS names a process's program by its path
// alone. On Windows, where a process runs one program all its life, it is empty.
type File struct {
	Device, Number uint64
	Path           string // macOS only
}

// FileAt returns the file at a path.
func FileAt(path string) (File, error) { return fileAt(path) }

// Same reports whether p and other are one process that has run one program all along.
func (p Process) Same(other Process) bool {
	return p.PID == other.PID && p.Started == other.Started && p.Program == other.Program
}

// Find returns a process that runs. It fails for one whose program this user may
// not see, unless that is of a Login.
func Find(pid int) (Process, error) { return find(pid) }

// Bare is Find without the program, which a process can hide.
func Bare(pid int) (Process, error) { return bare(pid) }

// Now is the time on the clock of Process.Started.
func Now() int64 { return now() }
