package loopback

import (
	"fmt"
	"os"
	"runtime"
)

// taken says in a sentence that a port is in use, and by whom where that can be
// found out.
func taken(port int) string {
	name, pid, err := holder(port)
	switch {
	case err == nil && pid == os.Getpid():
		return fmt.Sprintf("The port %d, at which the browser has to come back, belongs to another sign-in of Keyporter that is under way.", port)
	case err == nil:
		return fmt.Sprintf("The port %d, at which the browser has to come back, is used by %s (process %d).", port, name, pid)
	case runtime.GOOS == "darwin" && (port == 5000 || port == 7000):
		return fmt.Sprintf("The port %d, at which the browser has to come back, is used; on a Mac that is most often the AirPlay receiver.", port)
	}
	return fmt.Sprintf("The port %d, at which the browser has to come back, is used by another program or another user.", port)
}

// release says what to do about it.
func release(port int) string {
	if runtime.GOOS == "darwin" && (port == 5000 || port == 7000) {
		return "Turn off AirPlay Receiver in System Settings, General, AirDrop & Handoff, or give another redirect URI that the authorization server knows."
	}
	return "End that program, or give another redirect URI that the authorization server knows."
}
