//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/peer"
)

// checkAddress refuses a path that no system call would take, because those
// only say "invalid argument".
func checkAddress(path string) error {
	if len(path) >= len(syscall.RawSockaddrUnix{}.Path) {
		return hint.New(hint.Failed, fmt.Sprintf("The path %s is too long for a socket.", path),
			"Set KEYPORTER_HOME to a folder with a shorter path.")
	}
	return nil
}

// listen replaces the socket at path, which nobody listens on because the
// caller holds the lock. Until the mode is set, the folder's mode and the check
// of the peer keep others out.
func listen(ctx context.Context, path string) (net.Listener, error) {
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{Control: peer.NameSenders}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on the local API: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on the local API: %w", err)
	}
	return l, nil
}

func removeSocket(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for an old socket: %w", err)
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return hint.New(hint.Failed, fmt.Sprintf("%s is in the way: it is not a socket of Keyporter's.", path), "Move it away.")
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove old socket: %w", err)
	}
	return nil
}

func connect(ctx context.Context, path string) (net.Conn, error) {
	if err := checkAddress(path); err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, "unix", path)
}

// signLock writes our process number into the lock's file.
func signLock(path string) {
	if f, err := atomicfile.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err == nil {
		_, _ = fmt.Fprintln(f, os.Getpid())
		f.Close()
	}
}
