// Package vaulttest makes vaults for tests.
package vaulttest

import (
	"context"

	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/paths"
)

// Make makes the folders of p and an empty vault in them, under passphrase and with
// the least of scrypt's work, so that each program of a test opens it quickly.
func Make(p paths.Paths, passphrase string) error {
	if err := p.Make(); err != nil {
		return err
	}
	f, err := vault.Open(context.Background(), vault.Options{
		File: p.Vault(), Previous: p.Vault() + ".prev", Identity: p.Identity(), Backend: vault.Passphrase, ScryptWorkFactor: 10,
		Passphrase: func(context.Context) (secret.Value, error) { return secret.New(passphrase), nil },
	})
	if err != nil {
		return err
	}
	return f.Close()
}
