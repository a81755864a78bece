//go:build unix

package peer

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestAnotherUsersProcessIsNotThisUser(t *testing.T) {
	if err := sameUser(Process{UID: os.Getuid()}); err != nil {
		t.Errorf("own process: %v", err)
	}
	for _, uid := range []int{os.Getuid() + 1, os.Getuid() + 65534, -1} {
		if err := sameUser(Process{UID: uid}); !errors.Is(err, ErrOtherUser) {
			t.Errorf("uid %d: got %v, want ErrOtherUser", uid, err)
		}
	}
}

func TestOwnProcessIsAtBothEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, c := range []net.Conn{client, server} {
		if p, err := Verify(c); err != nil || p != (Process{UID: os.Getuid(), PID: os.Getpid()}) {
			t.Errorf("got %+v, %v", p, err)
		}
	}
}
