package local

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func init() { childRoles["leaver"] = leaverRole }

// leaverRole connects, leaves the connection to a child, and ends.
func leaverRole() int {
	c, err := net.Dial("unix", os.Args[2])
	if err != nil {
		return fail(err)
	}
	f, err := c.(*net.UnixConn).File()
	if err != nil {
		return fail(err)
	}
	child := exec.Command("cat") // until the test ends
	child.Stdin, child.ExtraFiles = os.Stdin, []*os.File{f}
	if err := child.Start(); err != nil {
		return fail(err)
	}
	fmt.Println(os.Getpid())
	return 0
}

// The number of a process that has ended may be that of a program which is allowed
// more.
func TestAConnectionWhoseProcessHasEndedIsNobodys(t *testing.T) {
	path := t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "leaver", path)
	end, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := verifiedPeer(c)
	if err != nil || p.UID != os.Getuid() || p.PID != 0 && systemTells(t, c) {
		t.Errorf("%+v, %v for a process (%s) that has ended", p, err, out)
	}
}

// systemTells reports whether Linux is 6.5 or later.
func systemTells(t *testing.T, c net.Conn) bool {
	t.Helper()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	tells := false
	err = raw.Control(func(fd uintptr) {
		pidfd, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		if err == nil {
			unix.Close(pidfd)
		}
		tells = !errors.Is(err, unix.ENOPROTOOPT)
	})
	if err != nil {
		t.Fatal(err)
	}
	return tells
}
