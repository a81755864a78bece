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
	client, server := connected(t, net.ListenConfig{})
	for _, c := range []net.Conn{client, server} {
		if p, err := Verify(c); err != nil || p != (Process{UID: os.Getuid(), PID: os.Getpid()}) {
			t.Errorf("got %+v, %v", p, err)
		}
	}
}

// connected returns both ends of a connection through a Unix socket.
func connected(t *testing.T, listen net.ListenConfig) (client, server net.Conn) {
	t.Helper()
	l, err := listen.Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}
