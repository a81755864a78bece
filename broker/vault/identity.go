package vault

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"filippo.io/age"

	"keyporter/broker/secret"
)

// maxWorkFactor limits what an identity file may ask of this machine: 2^20 is
// about 1 GiB of memory and some seconds.
const maxWorkFactor = 20

// identity gets the vault's identity from its place.
func (o *Options) identity(ctx context.Context, b Backend) (*age.HybridIdentity, error) {
	if b == Keyring {
		return o.fromKeyring(ctx)
	}
	pass, err := ask(ctx, o.Passphrase)
	if err != nil {
		return nil, err
	}
	return o.fromFile(o.Identity, pass)
}

func (o *Options) fromKeyring(ctx context.Context) (*age.HybridIdentity, error) {
	v, err := o.Keyring.Get(ctx, o.KeyringUser)
	if err != nil {
		return nil, err
	}
	id, err := parseIdentity(v)
	if err != nil {
		return nil, errEntryUnknown
	}
	return id, nil
}

// toKeyring stores the identity and reads it back: the security program of macOS
// has been seen to report success for what it did not store.
func (o *Options) toKeyring(ctx context.Context, id *age.HybridIdentity) error {
	v := secret.New(id.String())
	if err := o.Keyring.Set(ctx, o.KeyringUser, v); err != nil {
		return err
	}
	back, err := o.Keyring.Get(ctx, o.KeyringUser)
	if err != nil {
		return fmt.Errorf("read keyring entry back: %w", err)
	}
	if !back.Equal(v) {
		return fmt.Errorf("keyring entry: %w", errUnverified)
	}
	return nil
}

// fromFile reads an identity file. One that is damaged where the passphrase is
// checked cannot be told from a wrong passphrase.
func (o *Options) fromFile(path string, pass secret.Value) (*age.HybridIdentity, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	unlock, err := age.NewScryptIdentity(pass.Reveal())
	if err != nil {
		return nil, errNoPassphrase
	}
	unlock.SetMaxWorkFactor(max(maxWorkFactor, o.ScryptWorkFactor))
	defer debug.FreeOSMemory() // scrypt took 256 MiB, and the agent stays for days
	text, err := decrypt(data, unlock)
	switch {
	case errors.Is(err, errNoMatch):
		return nil, ErrWrongPassphrase
	case errors.Is(err, ErrNewer):
		return nil, named(path, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errIdentityFile, err)
	}
	id, err := parseIdentity(secret.New(string(text)))
	if err != nil {
		return nil, errIdentityFile
	}
	return id, nil
}

// sealIdentity returns the content of an identity file.
func (o *Options) sealIdentity(id *age.HybridIdentity, pass secret.Value) ([]byte, error) {
	to, err := age.NewScryptRecipient(pass.Reveal())
	if err != nil {
		return nil, errNoPassphrase
	}
	if o.ScryptWorkFactor != 0 {
		to.SetWorkFactor(o.ScryptWorkFactor)
	}
	defer debug.FreeOSMemory() // as above
	return encrypt([]byte(id.String()), to)
}

// parseIdentity's error does not quote the text, as age's would.
func parseIdentity(v secret.Value) (*age.HybridIdentity, error) {
	id, err := age.ParseHybridIdentity(v.Reveal())
	if err != nil {
		return nil, errors.New("not an identity")
	}
	return id, nil
}

// ask gets the passphrase.
func ask(ctx context.Context, passphrase func(context.Context) (secret.Value, error)) (secret.Value, error) {
	if passphrase == nil {
		return secret.Value{}, errNoPassphrase
	}
	pass, err := passphrase(ctx)
	switch {
	case err != nil:
		return secret.Value{}, fmt.Errorf("ask for passphrase: %w", err)
	case pass.IsZero():
		return secret.Value{}, errNoPassphrase
	}
	return pass, ctx.Err()
}
