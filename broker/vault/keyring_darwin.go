package vault

import (
	"context"
	"errors"
	"os/exec"
)

// ready has nothing to find out: the security program, which go-keyring runs,
// talks to the Keychain and shows the system's own dialog when it is locked.
func ready(context.Context, string, bool) error { return nil }

// platformKind reads the exit code of the security program: the low byte of the
// Security framework's result code.
func platformKind(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return nil
	}
	switch exit.ExitCode() {
	case 36: // errSecInteractionNotAllowed: locked, and no dialog can be shown
		return ErrLocked
	case 44: // errSecItemNotFound
		return ErrIdentityMissing
	case 51, 128: // errSecAuthFailed, errSecUserCanceled
		return ErrDenied
	case 37, 50: // errSecNoDefaultKeychain, errSecNoSuchKeychain
		return errNoCollection
	case 53: // errSecNotAvailable
		return errNoService
	}
	return nil
}
