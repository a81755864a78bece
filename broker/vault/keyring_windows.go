package vault

import (
	"context"
	"errors"

	"golang.org/x/sys/windows"
)

// ready has nothing to find out: the Credential Manager is open while its user
// is signed in.
func ready(context.Context, string, bool) error { return nil }

// platformKind reads the error code of the Credential Manager.
func platformKind(err error) error {
	switch {
	case errors.Is(err, windows.ERROR_NOT_FOUND):
		return ErrIdentityMissing
	case errors.Is(err, windows.ERROR_NO_SUCH_LOGON_SESSION): // a network sign-in or a service has none
		return errNoService
	case errors.Is(err, windows.ERROR_ACCESS_DENIED):
		return ErrDenied
	}
	return nil
}
