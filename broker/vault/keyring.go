package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/zalando/go-keyring"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// service is the name under which the entry stands in the keyring.
const service = "keyporter"

// errNotFound is a Store's answer for an entry that is not there.
var errNotFound = keyring.ErrNotFound

// A Store is a keyring. Its errors wrap this package's sentinels where they
// apply, and keyring.ErrNotFound for an entry that is not there.
type Store interface {
	Get(ctx context.Context, user string) (secret.Value, error)
	Set(ctx context.Context, user string, v secret.Value) error
	Delete(ctx context.Context, user string) error
}

// keyringGet, keyringSet and keyringDelete call the Store under the time limit
// and give its errors words.
func (o *Options) keyringGet(ctx context.Context) (v secret.Value, err error) {
	err = o.call(ctx, func(ctx context.Context) error { v, err = o.Keyring.Get(ctx, o.KeyringUser); return err })
	return v, err
}

func (o *Options) keyringSet(ctx context.Context, v secret.Value) error {
	return o.call(ctx, func(ctx context.Context) error { return o.Keyring.Set(ctx, o.KeyringUser, v) })
}

func (o *Options) keyringDelete(ctx context.Context) error {
	err := o.call(ctx, func(ctx context.Context) error { return o.Keyring.Delete(ctx, o.KeyringUser) })
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}

func (o *Options) call(ctx context.Context, f func(context.Context) error) error {
	if o.KeyringUser == "" {
		return errors.New("vault: Options.KeyringUser is required")
	}
	limit, cancel := context.WithTimeout(ctx, o.KeyringTimeout)
	defer cancel()
	err := f(limit)
	switch {
	case err == nil || errors.Is(err, errNotFound):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case limit.Err() != nil:
		err = fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	return words(err)
}

// words gives a keyring's error its sentences.
func words(err error) error {
	var h *hint.Error
	switch {
	case errors.As(err, &h):
		return err
	case errors.Is(err, ErrTimeout):
		return hint.Wrap(err, hint.Locked, "The keyring does not answer.", "Look whether it asks for a password somewhere; then try again.")
	case errors.Is(err, ErrLocked):
		return hint.Wrap(err, hint.Locked, "The keyring is locked.", "Unlock it, as by signing in to the desktop, or run: keyporter start")
	case errors.Is(err, ErrDenied):
		return hint.Wrap(err, hint.Locked, "The keyring refused: its question was answered with no.", "Try again and allow it, or keep the key under a passphrase: keyporter vault use passphrase")
	case errors.Is(err, ErrNoKeyring):
		return hint.Wrap(err, hint.Failed, "This session has no keyring to keep the vault's key in.", usePassphrase)
	}
	return hint.Wrap(err, hint.Failed, "The keyring failed.", usePassphrase)
}

// systemKeyring is the keyring of the operating system, through go-keyring.
// go-keyring knows no deadline, and a call may hang for ever or panic when the
// bus goes away; so each call has a goroutine of its own, whose result is
// dropped if it comes too late.
type systemKeyring struct{}

func (systemKeyring) Get(ctx context.Context, user string) (secret.Value, error) {
	var s string
	err := guarded(ctx, func() (err error) { s, err = keyring.Get(service, user); return err })
	if err != nil {
		return secret.Value{}, err
	}
	return secret.New(s), nil
}

func (systemKeyring) Set(ctx context.Context, user string, v secret.Value) error {
	return guarded(ctx, func() error { return keyring.Set(service, user, v.Reveal()) })
}

func (systemKeyring) Delete(ctx context.Context, user string) error {
	return guarded(ctx, func() error { return keyring.Delete(service, user) })
}

// guarded calls f, after making sure that it will meet no prompt.
func guarded(ctx context.Context, f func() error) error {
	if err := prepare(ctx, false); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("keyring library: %v", p)
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return classify(err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Unlock lets the keyring ask its user to unlock it, until ctx ends. Where the
// system asks by itself when the keyring is used, it does nothing.
func Unlock(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	if _, ours := o.Keyring.(systemKeyring); !ours {
		return nil
	}
	err := prepare(ctx, true)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ErrTimeout, err)
	}
	if err != nil {
		return words(err)
	}
	return nil
}
