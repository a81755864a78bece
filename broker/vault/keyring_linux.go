package vault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/godbus/dbus/v5"
)

// platformKind reads what D-Bus says about go-keyring's own calls. ready has told
// the usual cases apart before; what is left is a bus or a service that ends
// meanwhile.
func platformKind(err error) error {
	for _, kind := range []error{errNoBus, errNoService, ErrDenied, ErrLocked} {
		if errors.Is(busError(err), kind) {
			return kind
		}
	}
	return nil
}

// ready returns nil when the collection that go-keyring uses, and the entry of
// user if there is one, can be read without a prompt. With prompt it lets the
// Secret Service ask for an unlock first.
//
// It asks over a bus connection of its own. go-keyring v0.2.8 waits for prompts
// without a limit on godbus' shared connection, panics when the bus dies
// meanwhile, and leaves signals behind that end the re-registration of
// fyne.io/systray, so it must never meet one.
func ready(ctx context.Context, user string, prompt bool) error {
	addr, err := busAddress()
	if err != nil {
		return err
	}
	s, err := dialSecretService(ctx, addr)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	locked, err := s.locked(ctx, user)
	if err != nil || len(locked) == 0 {
		return err
	}
	if !prompt {
		return fmt.Errorf("the collection is locked: %w", ErrLocked)
	}
	// The first unlock opens the collection; only then are its entries to be seen
	// by every service, and one of them may want an unlock of its own.
	for range 2 {
		if err := s.unlock(ctx, locked); err != nil {
			return err
		}
		if locked, err = s.locked(ctx, user); err != nil || len(locked) == 0 {
			return err
		}
	}
	return fmt.Errorf("the Secret Service did not unlock: %w", ErrLocked)
}

// busEnv is held while DBUS_SESSION_BUS_ADDRESS is looked at and set.
var busEnv sync.Mutex

// busAddress finds the session bus for a process that was started with little
// more than HOME, PATH and USER. It sets DBUS_SESSION_BUS_ADDRESS of this process
// if that is empty, because go-keyring and godbus look nowhere else that fits.
func busAddress() (string, error) {
	busEnv.Lock()
	defer busEnv.Unlock()
	const name = "DBUS_SESSION_BUS_ADDRESS"
	if a := os.Getenv(name); a != "" && a != "autolaunch:" {
		return a, nil
	}
	dirs := []string{os.Getenv("XDG_RUNTIME_DIR"), "/run/user/" + strconv.Itoa(os.Getuid())}
	for _, dir := range dirs {
		path := filepath.Join(dir, "bus")
		if fi, err := os.Stat(path); !filepath.IsAbs(dir) || err != nil || fi.Mode()&os.ModeSocket == 0 {
			continue
		}
		a := "unix:path=" + dbus.EscapeBusAddressValue(path)
		if err := os.Setenv(name, a); err != nil {
			return "", fmt.Errorf("%w: %w", errNoBus, err)
		}
		return a, nil
	}
	return "", fmt.Errorf("%w: DBUS_SESSION_BUS_ADDRESS is not set and there is no bus in the runtime folder", errNoBus)
}

// dialSecretService connects to the bus at addr. Close s.conn when done; ctx
// closes it too.
func dialSecretService(ctx context.Context, addr string) (*secretService, error) {
	conn, err := dbus.Dial(addr, dbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoBus, err)
	}
	err = conn.Auth(nil)
	if err == nil {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", errNoBus, err)
	}
	return &secretService{conn: conn}, nil
}

// busError turns an error of a call to the Secret Service into one of this
// package's.
func busError(err error) error {
	var e dbus.Error
	var network net.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, dbus.ErrClosed), errors.As(err, &network):
		return fmt.Errorf("%w: it went away: %w", errNoBus, err)
	case !errors.As(err, &e):
		return err
	}
	switch e.Name {
	case "org.freedesktop.DBus.Error.AccessDenied":
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner",
		"org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.TimedOut":
		return fmt.Errorf("%w: %w", errNoService, err)
	case "org.freedesktop.Secret.Error.IsLocked":
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	if len(e.Name) > len(spawnErrors) && e.Name[:len(spawnErrors)] == spawnErrors {
		return fmt.Errorf("%w: %w", errNoService, err)
	}
	return err
}

// spawnErrors begins the names of the errors that a bus has for a service that
// it could not start.
const spawnErrors = "org.freedesktop.DBus.Error.Spawn."
