package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/zalando/go-keyring"

	"keyporter/broker/secret"
)

// service names Keyporter's entries in the OS keyring.
const service = "keyporter"

// A Store keeps the identity of the keyring back end. Methods return once ctx is
// done and are safe for concurrent use.
type Store interface {
	// Get returns the entry of user, or ErrIdentityMissing.
	Get(ctx context.Context, user string) (secret.Value, error)
	Set(ctx context.Context, user string, v secret.Value) error
	// Delete removes the entry of user; without one it returns ErrIdentityMissing.
	Delete(ctx context.Context, user string) error
}

// KeyringUser is the user name of the keyring entry for a vault in the folder
// dir. Each folder has its own, so that two KEYPORTER_HOMEs do not clash.
func KeyringUser(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	sum := sha256.Sum256([]byte(dir))
	return "vault-" + hex.EncodeToString(sum[:8])
}

// An osKeyring is the keyring of the operating system, through go-keyring, whose
// calls know no limit, and on Linux hang, fail or panic at a prompt. So each runs
// in a goroutine that recovers, under a limit. A call that does not return keeps
// its goroutine (one for each such call) until the keyring answers or the
// process ends; its late result is dropped.
type osKeyring struct {
	timeout time.Duration // of each call
}

var _ Store = osKeyring{}

func (k osKeyring) Get(ctx context.Context, user string) (secret.Value, error) {
	return limited(ctx, k.timeout, func(ctx context.Context) (secret.Value, error) {
		if err := ready(ctx, user, false); err != nil {
			return secret.Value{}, err
		}
		s, err := keyring.Get(service, user)
		return secret.New(s), classified("read", err)
	})
}

func (k osKeyring) Set(ctx context.Context, user string, v secret.Value) error {
	_, err := limited(ctx, k.timeout, func(ctx context.Context) (struct{}, error) {
		if err := ready(ctx, user, false); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, classified("write", keyring.Set(service, user, v.Reveal()))
	})
	return err
}

func (k osKeyring) Delete(ctx context.Context, user string) error {
	_, err := limited(ctx, k.timeout, func(ctx context.Context) (struct{}, error) {
		if err := ready(ctx, user, false); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, classified("delete", keyring.Delete(service, user))
	})
	return err
}

// unlock lets the keyring ask the user. Only ctx limits how long.
func (k osKeyring) unlock(ctx context.Context, user string) error {
	_, err := limited(ctx, 0, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, ready(ctx, user, true)
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", errPromptOpen, err)
	}
	return err
}

// limited runs call in a goroutine and returns its result, ErrTimeout after
// limit (zero: none), or ctx's error. A panic in call is an error.
func limited[T any](ctx context.Context, limit time.Duration, call func(context.Context) (T, error)) (T, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w for %s", ErrTimeout, limit))
		defer cancel()
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1) // never closed; takes one result, read or not
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = panicked(p)
			}
			done <- r
		}()
		r.v, r.err = call(ctx)
	}()
	select {
	case r := <-done:
		if r.err != nil && ctx.Err() != nil {
			r.err = context.Cause(ctx) // what ended the call, rather than how it noticed
		}
		return r.v, r.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}

// panicked makes an error of a panic. Only the runtime's own words are known to
// hold no secret.
func panicked(p any) error {
	if e, ok := p.(runtime.Error); ok {
		return fmt.Errorf("the keyring library panicked: %v", e)
	}
	return fmt.Errorf("the keyring library panicked with a %T", p)
}

// classified turns an error of go-keyring into one of this package's.
func classified(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrNotFound):
		return ErrIdentityMissing
	case errors.Is(err, keyring.ErrUnsupportedPlatform):
		return fmt.Errorf("%w: %w", errNoService, err)
	}
	if kind := platformKind(err); kind != nil {
		return fmt.Errorf("%s keyring entry: %w: %w", what, kind, err)
	}
	return fmt.Errorf("%s keyring entry: %w", what, err)
}
