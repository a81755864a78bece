//go:build unix

package atomicfile

import "syscall"

// Nonblock, in the flags of a file that is opened, keeps open(2) from waiting at a
// pipe. Ordinary files do not know it.
const Nonblock = syscall.O_NONBLOCK
