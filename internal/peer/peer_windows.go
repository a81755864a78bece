package peer

import (
	"errors"
	"net"

	"golang.org/x/sys/windows"
)

// of asks the pipe for the process at its other end. The server's end and
// the client's are told apart by trying.
func of(c net.Conn) (Process, error) {
	f, ok := c.(interface{ Fd() uintptr })
	if !ok {
		return Process{}, errors.New("not a named pipe")
	}
	pipe := windows.Handle(f.Fd())
	self := uint32(windows.GetCurrentProcessId())
	var client, server uint32
	if err := windows.GetNamedPipeClientProcessId(pipe, &client); err != nil {
		return Process{}, err
	}
	if err := windows.GetNamedPipeServerProcessId(pipe, &server); err != nil {
		return Process{}, err
	}
	if client == self {
		return Process{UID: -1, PID: int(server)}, nil
	}
	return Process{UID: -1, PID: int(client)}, nil
}

// sameUser compares the user of the peer's process with ours. The pipe's access
// list keeps other users' clients out already; this is what keeps a client from
// a pipe that somebody else made under our name.
func sameUser(p Process) error {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(p.PID))
	if err != nil {
		return ErrOtherUser // not even its name may be asked
	}
	defer windows.CloseHandle(h)
	var t windows.Token
	if err := windows.OpenProcessToken(h, windows.TOKEN_QUERY, &t); err != nil {
		return ErrOtherUser
	}
	defer t.Close()
	theirs, err := t.GetTokenUser()
	if err != nil {
		return err
	}
	ours, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	if !theirs.User.Sid.Equals(ours.User.Sid) {
		return ErrOtherUser
	}
	return nil
}
