package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"keyporter/assets"
	"keyporter/broker/local"
	"keyporter/broker/team"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/sshsig"
)

// suffix is how names of profiles end.
const suffix = ".keyporter.json"

func (p *program) share() *cobra.Command {
	var file, sign, expires string
	var link, schema bool
	r := local.ShareRequest{}
	c := &cobra.Command{
		Use:   "share [NAME...]",
		Short: "Make a team profile of servers, without secrets",
		Long: `Makes a file that colleagues join: those servers, or all, with what their accounts are made
of. It holds no secret; it is searched for every secret of the vault. Keys, proxies, files and
your own choices stay here.
--sign signs it with an SSH key: a private key's file, or a public one whose private half is in
ssh-agent. Anybody can check it: jq -jcS 'del(.signature)' FILE | ssh-keygen -Y verify -n keyporter-profile`,
		Example: "  keyporter share -o data-team.keyporter.json\n  keyporter share sales wiki -o sales.keyporter.json --sign ~/.ssh/id_ed25519",
		Args:    takes("[servers...]"),
		RunE: func(c *cobra.Command, args []string) error {
			if schema {
				_, err := p.stdout.Write(assets.ProfileSchema)
				return err
			}
			r.Servers = args
			if err := shareFlags(c, &r, file, expires, link); err != nil {
				return err
			}
			return p.ask(c.Context(), func(l *local.Client) error {
				out, err := l.ShareProfile(c.Context(), r)
				if err != nil {
					return err
				}
				return p.shared(c.Context(), out, file, sign, link)
			})
		},
	}
	f := c.Flags()
	f.StringVarP(&file, "output", "o", "", "`FILE` to write; - is standard output")
	f.StringVar(&sign, "sign", "", "sign with this `SSHKEY`")
	f.StringVar(&r.Name, "name", "", "`NAME` that the profile is known by; without it: the file's")
	f.StringVar(&r.Description, "description", "", "`TEXT` for those who join")
	f.StringVar(&expires, "expires", "", "`DAY` (2026-12-31) from which nobody can join")
	f.StringArrayVar(&r.PublicApps, "public-app", nil, "Google sign-in `ACCOUNT` whose desktop client's secret goes along, because\nyou say that it is not confidential; may be repeated")
	f.BoolVar(&link, "link", false, "print a keyporter:// link with the profile in it, instead of -o")
	f.BoolVar(&schema, "schema", false, "print the JSON Schema of profiles")
	return c
}

func shareFlags(c *cobra.Command, r *local.ShareRequest, file, expires string, link bool) error {
	if (file == "") == !link {
		return wrong(c, "keyporter share needs -o with a file, or --link.")
	}
	if r.Name == "" {
		if file == "" || file == "-" {
			return wrong(c, "Without a file the profile needs --name.")
		}
		base := filepath.Base(file)
		r.Name = strings.TrimSuffix(strings.TrimSuffix(base, suffix), filepath.Ext(base))
	}
	if expires != "" {
		day, err := time.ParseInLocation(time.DateOnly, expires, time.Local)
		if err != nil {
			return hint.New(hint.Usage, fmt.Sprintf("%q is not a day.", expires), "Write it as 2026-12-31.")
		}
		r.ExpiresAt = day
	}
	return nil
}

// shared signs and writes a profile, and says what is in it.
func (p *program) shared(ctx context.Context, out *local.SharedProfile, file, sign string, link bool) error {
	text := out.Profile
	if sign != "" {
		key, done, err := p.sshKey(ctx, sign)
		if err != nil {
			return err
		}
		defer done()
		if text, err = team.Sign(text, key); err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "Signed with %s.\n", ssh.FingerprintSHA256(key.PublicKey()))
	}
	if err := p.deliver(text, file, link); err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "Shared: %s\n", oneLine(strings.Join(out.Servers, ", ")))
	if len(out.Accounts) > 0 {
		fmt.Fprintf(p.stderr, "With what these accounts are made of: %s\n", oneLine(strings.Join(out.Accounts, ", ")))
	}
	for _, l := range out.Left {
		fmt.Fprintf(p.stderr, "  %s\n", oneLine(leftWords(&l)))
	}
	fmt.Fprintf(p.stderr, "No secrets: searched for the %d in the vault.\n", out.Searched)
	return nil
}

func (p *program) deliver(text []byte, file string, link bool) error {
	if link {
		l, err := local.ProfileLink(text)
		if err == nil {
			fmt.Fprintln(p.stdout, l)
		}
		return err
	}
	if file == "-" {
		_, err := p.stdout.Write(text)
		return err
	}
	if err := atomicfile.WriteFile(file, text); err != nil {
		return atomicfile.Unwritable(oneLine(file), err)
	}
	return nil
}

// leftWords says what a profile does not carry.
func leftWords(l *local.Left) string {
	who := "the account " + l.Account
	if l.Server != "" {
		who = l.Server
	}
	switch l.What {
	case local.OwnAccount:
		return fmt.Sprintf("Everybody adds an account of their own for %s.", who)
	case local.OwnSecret:
		return fmt.Sprintf("Everybody gives a key or secret of their own to %s.", who)
	}
	return fmt.Sprintf("Left out of %s: %s", who, strings.ReplaceAll(l.What, "_", "-"))
}

// sshKey returns the key that signs: a private key's file, or the private half, in
// ssh-agent, of a public key's file. done lets go of it.
func (p *program) sshKey(ctx context.Context, path string) (key ssh.Signer, done func(), err error) {
	text, err := p.readFile(path)
	if err != nil {
		return nil, nil, hint.Wrap(pathless(err), hint.Failed, fmt.Sprintf("The file %s cannot be read.", path), "Check its name and that it is yours.")
	}
	if public, err := sshsig.ParsePublicKey(text); err == nil {
		return p.agentKey(ctx, path, public)
	}
	key, err = sshsig.ParseKey(text, nil)
	if errors.Is(err, sshsig.ErrPassphrase) {
		if public, readErr := readPublic(path + ".pub"); readErr == nil {
			if key, done, agentErr := p.agentKey(ctx, path, public); agentErr == nil {
				return key, done, nil
			}
		}
		pass, passErr := p.readPassphrase(ctx, fmt.Sprintf("Passphrase of %s: ", path))
		if passErr != nil {
			return nil, nil, hint.Wrap(passErr, hint.Locked, fmt.Sprintf("The key %s has a passphrase.", path), "Add it to ssh-agent (ssh-add), or run this at a terminal.")
		}
		key, err = sshsig.ParseKey(text, []byte(pass.Reveal()))
	}
	switch {
	case errors.Is(err, sshsig.ErrPassphrase):
		return nil, nil, hint.New(hint.Locked, fmt.Sprintf("That is not the passphrase of %s.", path), "Try again.")
	case err != nil:
		return nil, nil, hint.Wrap(err, hint.Usage, fmt.Sprintf("The file %s is no SSH key that can sign.", path), "Name a key that ssh-keygen made, such as ~/.ssh/id_ed25519.")
	}
	return key, func() {}, nil
}

func readPublic(path string) (ssh.PublicKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return sshsig.ParsePublicKey(text)
}

// agentKey returns the private half of a public key from ssh-agent.
func (p *program) agentKey(ctx context.Context, path string, public ssh.PublicKey) (ssh.Signer, func(), error) {
	a, err := sshsig.DialAgent(ctx, p.getenv)
	if err != nil {
		return nil, nil, hint.Wrap(err, hint.Locked, "There is no ssh-agent to sign with.", "Start one and add the key (ssh-add), or name the private key's file.")
	}
	key, err := a.Signer(public)
	if err != nil {
		err = errors.Join(err, a.Close())
		return nil, nil, hint.Wrap(err, hint.Locked, fmt.Sprintf("ssh-agent does not have the key of %s.", path), "Add it with ssh-add, or name the private key's file.")
	}
	return key, func() { _ = a.Close() }, nil // nothing was written to it
}

// readProfile reads a profile's file, or stdin if its name is "-".
func (p *program) readProfile(ctx context.Context, path string) ([]byte, error) {
	b, err := typed(ctx, func() ([]byte, error) { return p.readSome(path, team.MaxSize) })
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		return nil, hint.Wrap(pathless(err), hint.Failed, fmt.Sprintf("There is no file %s.", path), "Check its name; an address begins with https://.")
	case err != nil:
		return nil, hint.Wrap(pathless(err), hint.Failed, fmt.Sprintf("The file %s cannot be read.", path), "Check that it is a file and yours.")
	}
	return b, nil
}
