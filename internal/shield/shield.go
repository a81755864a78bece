// Package shield keeps what a process holds in memory from files and from other
// programs of the same user. It is no wall: an administrator reads every memory,
// and so does a program that was there first and attached itself.
package shield

// Core keeps a crash from writing this process's memory into a file. Programs that
// it starts inherit that, and may undo it.
func Core() error { return core() }

// Memory keeps other programs of this user from attaching themselves to this
// process and from reading its memory. Programs that it starts do not inherit it.
//
// On Linux it also hides the process's program and environment (/proc/PID/exe,
// /proc/PID/environ, ptrace(2)) from programs without CAP_SYS_PTRACE: it is not for a
// process that others have to recognise by its program.
func Memory() error { return memory() }
