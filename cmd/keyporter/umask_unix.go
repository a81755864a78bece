//go:build unix

package main

import "syscall"

// ownRights takes out of the umask what would keep files from their own user: with
// it, this program could not open again what it wrote. What it keeps from others
// stays.
func ownRights() {
	const own = 0o700
	syscall.Umask(syscall.Umask(0o077) &^ own)
}
