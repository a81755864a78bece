package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"keyporter/broker"
	"keyporter/broker/local"
	"keyporter/broker/secret"
)

func (p *program) vault() *cobra.Command {
	c := &cobra.Command{
		Use:     "vault",
		Short:   "Where the vault's key is kept",
		Long:    "The vault is an encrypted file. Its key rests in the OS keyring, or in a file under a passphrase.",
		Example: "  keyporter vault use passphrase",
	}
	var file string
	use := &cobra.Command{
		Use:   "use keyring|passphrase",
		Short: "Choose where the vault's key is kept",
		Long: `Chooses where the vault's key is kept; the choice is remembered. The passphrase is asked
for, or read from --passphrase-file, which is then read again at each start. From
standard input (-) or a pipe it is read once: keyporter start asks for it later.`,
		Example: `  keyporter vault use keyring
  keyporter vault use passphrase --passphrase-file /run/credentials/keyporter`,
		Args:      takes("a place for the key, keyring or passphrase"),
		ValidArgs: []string{"keyring", "passphrase"},
		RunE: func(c *cobra.Command, args []string) error {
			r := local.UseVault{Backend: args[0]}
			switch args[0] {
			case "keyring":
			case "passphrase":
				if err := p.passphraseFor(c.Context(), &r, file); err != nil {
					return err
				}
			default:
				return wrong(c, "The vault's key is kept in the keyring or under a passphrase.")
			}
			return p.ask(c.Context(), func(l *local.Client) error {
				err := p.allowed(c.Context(), l, local.VaultKey, func() error { return l.UseVault(c.Context(), r) })
				if err != nil {
					return err
				}
				fmt.Fprintf(p.stderr, "The vault's key is in the %s now.\n", vaultPlace[args[0]])
				if r.Passphrase != nil && r.PassphraseFile == "" {
					fmt.Fprintln(p.stderr, "The passphrase is not stored anywhere: keyporter start asks for it when the agent starts anew.")
				}
				return nil
			})
		},
	}
	use.Flags().StringVar(&file, "passphrase-file", "", "`FILE` with the passphrase")
	restore := &cobra.Command{
		Use:   "restore",
		Short: "Replace a damaged vault by its previous copy",
		Long: `Replaces a damaged vault by the copy from before its last change. The damaged file is
kept. Sign-ins that were renewed since have to be made again.`,
		Example: "  keyporter vault restore",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				out, err := l.RestoreVault(c.Context())
				if err != nil {
					return err
				}
				fmt.Fprintln(p.stderr, "The vault is its previous copy now.")
				for _, a := range out.SignedOut {
					fmt.Fprintf(p.stderr, "Sign in again: %s\n", a)
				}
				return nil
			})
		},
	}
	c.AddCommand(use, restore)
	return c
}

// passphraseFor gets the passphrase that a vault is to have from now on.
func (p *program) passphraseFor(ctx context.Context, r *local.UseVault, file string) error {
	if file == "" {
		file = p.getenv("KEYPORTER_PASSPHRASE_FILE")
	}
	r.Passphrase = new(secret.Plain)
	var err error
	switch file {
	case "":
		r.Passphrase.Value, err = p.newPassphrase(ctx)
	case "-":
		*r.Passphrase, err = p.readSecret(ctx, file)
	default:
		if file, err = filepath.Abs(file); err != nil {
			return fmt.Errorf("find passphrase file: %w", err)
		}
		if lasting(file) {
			r.PassphraseFile = file
		}
		r.Passphrase.Value, err = typed(ctx, func() (secret.Value, error) { return broker.ReadPassphrase(file) })
	}
	return err
}

// lasting reports whether the agent can read a file again when it starts: not a
// pipe, and no name that one process has for what it has open.
func lasting(path string) bool {
	for _, own := range []string{"/dev/fd/", "/dev/std", "/proc/"} {
		if strings.HasPrefix(path, own) {
			return false
		}
	}
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}
