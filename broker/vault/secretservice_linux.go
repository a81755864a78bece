package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/godbus/dbus/v5"
)

// Names of the Secret Service API, version 0.2.
const (
	secretDest       = "org.freedesktop.secrets"
	secretPath       = dbus.ObjectPath("/org/freedesktop/secrets")
	loginPath        = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	noPath           = dbus.ObjectPath("/")
	secretIface      = "org.freedesktop.Secret.Service"
	collectionIface  = "org.freedesktop.Secret.Collection"
	itemIface        = "org.freedesktop.Secret.Item"
	promptIface      = "org.freedesktop.Secret.Prompt"
	propertiesGet    = "org.freedesktop.DBus.Properties.Get"
	promptCompletion = promptIface + ".Completed"
)

// A secretService is the little of the Secret Service that tells whether
// go-keyring would meet a prompt.
type secretService struct {
	conn *dbus.Conn // private
}

// locked returns what must be unlocked before go-keyring can read the entry of
// user: the collection, or the entry itself.
func (s *secretService) locked(ctx context.Context, user string) ([]dbus.ObjectPath, error) {
	collection, err := s.collection(ctx)
	if err != nil {
		return nil, err
	}
	if is, err := s.isLocked(ctx, collection, collectionIface); err != nil {
		return nil, err
	} else if is {
		return []dbus.ObjectPath{collection}, nil
	}
	var items, locked []dbus.ObjectPath
	attributes := map[string]string{"service": service, "username": user}
	err = s.conn.Object(secretDest, collection).CallWithContext(ctx, collectionIface+".SearchItems", 0, attributes).Store(&items)
	if err != nil {
		return nil, busError(err)
	}
	for _, item := range items {
		if is, err := s.isLocked(ctx, item, itemIface); err != nil {
			return nil, err
		} else if is {
			locked = append(locked, item)
		}
	}
	return locked, nil
}

// collection returns the collection that go-keyring uses: login, else the
// default one.
func (s *secretService) collection(ctx context.Context) (dbus.ObjectPath, error) {
	v, err := s.property(ctx, secretPath, secretIface, "Collections")
	if err != nil {
		return "", err
	}
	if all, ok := v.Value().([]dbus.ObjectPath); ok && slices.Contains(all, loginPath) {
		return loginPath, nil
	}
	var path dbus.ObjectPath
	err = s.conn.Object(secretDest, secretPath).CallWithContext(ctx, secretIface+".ReadAlias", 0, "default").Store(&path)
	if err != nil {
		return "", busError(err)
	}
	if path == noPath {
		return "", errNoCollection
	}
	return path, nil
}

func (s *secretService) isLocked(ctx context.Context, path dbus.ObjectPath, iface string) (bool, error) {
	v, err := s.property(ctx, path, iface, "Locked")
	if err != nil {
		return false, err
	}
	locked, ok := v.Value().(bool)
	if !ok {
		return false, fmt.Errorf("%w: its property Locked is a %s", errNoService, v.Signature())
	}
	return locked, nil
}

func (s *secretService) property(ctx context.Context, path dbus.ObjectPath, iface, name string) (dbus.Variant, error) {
	var v dbus.Variant
	err := s.conn.Object(secretDest, path).CallWithContext(ctx, propertiesGet, 0, iface, name).Store(&v)
	return v, busError(err)
}

// unlock asks for paths to be unlocked and waits for the prompt, if there is one.
func (s *secretService) unlock(ctx context.Context, paths []dbus.ObjectPath) error {
	var done []dbus.ObjectPath
	var prompt dbus.ObjectPath
	err := s.conn.Object(secretDest, secretPath).CallWithContext(ctx, secretIface+".Unlock", 0, paths).Store(&done, &prompt)
	if err != nil || prompt == noPath {
		return busError(err)
	}
	return s.prompt(ctx, prompt)
}

// prompt shows a prompt and waits until it is over.
func (s *secretService) prompt(ctx context.Context, path dbus.ObjectPath) error {
	err := s.conn.AddMatchSignalContext(ctx, dbus.WithMatchObjectPath(path), dbus.WithMatchInterface(promptIface))
	if err != nil {
		return busError(err)
	}
	signals := make(chan *dbus.Signal, 16) // closed by s.conn when it ends
	s.conn.Signal(signals)
	if err := s.conn.Object(secretDest, path).CallWithContext(ctx, promptIface+".Prompt", 0, "").Err; err != nil {
		return busError(err)
	}
	for {
		select {
		case sig, open := <-signals:
			if !open {
				return errors.Join(fmt.Errorf("%w: it went away during the prompt", errNoBus), ctx.Err())
			}
			if sig.Path != path || sig.Name != promptCompletion || len(sig.Body) == 0 {
				continue
			}
			if dismissed, _ := sig.Body[0].(bool); dismissed {
				return fmt.Errorf("the unlock prompt was dismissed: %w", ErrDenied)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err() // the connection ends with ctx, and the prompt with its connection
		}
	}
}
