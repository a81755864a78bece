package local

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"

	"keyporter/internal/hint"
	"keyporter/internal/pipe"
)

func checkAddress(string) error { return nil }

// listen makes a pipe that this user alone may open, from this computer only.
// It fails if a pipe of that name is there: the caller holds the lock, so it is
// a stranger's.
func listen(_ context.Context, name string) (net.Listener, error) {
	l, err := pipe.Listen(name)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_ALREADY_EXISTS) || errors.Is(err, windows.ERROR_PIPE_BUSY) {
		return nil, hint.Wrap(err, hint.Failed, "Another program uses the name of Keyporter's pipe.",
			"Restart the computer, or set KEYPORTER_HOME to another folder.")
	}
	if err != nil {
		return nil, fmt.Errorf("listen on the local API: %w", err)
	}
	return l, nil
}

// connect lets the server know nothing of us (go-winio asks for the anonymous
// level), so a stranger's pipe cannot act as this user.
func connect(ctx context.Context, name string) (net.Conn, error) {
	return winio.DialPipeContext(ctx, name)
}

// signLock does nothing: a locked file can be neither written nor read through
// another handle on Windows.
func signLock(string) {}
