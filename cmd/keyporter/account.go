package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

func (p *program) account() *cobra.Command {
	c := &cobra.Command{
		Use:   "account",
		Short: "Accounts: Google, keys, client credentials, fixed tokens",
		Long: `An account is a way to get tokens. Sign-ins make theirs by themselves
(keyporter login); Google accounts, keys, client credentials and fixed tokens are added here.
Secrets are read from files (- is standard input) and kept in the vault. In place of a file
you can say where a secret rests, and it is read there each time, with your own login:
  vault://MOUNT/PATH#FIELD     HashiCorp Vault or OpenBao (VAULT_ADDR, vault login)
  vault-transit://MOUNT/KEY    a key there that signs and never leaves
  gcpsm://PROJECT/SECRET       Google Secret Manager (--secret-through ACCOUNT)`,
		Example: `  keyporter account add google-key etl --key-file key.json --audience https://sales-abc.run.app
  keyporter account list`,
	}
	add := &cobra.Command{
		Use:     "add",
		Short:   "Add an account",
		Example: "  keyporter account add static search --token-file token.txt",
	}
	add.AddCommand(p.addGoogle(), p.addGoogleKey(), p.addGoogleImpersonate(), p.addGoogleADC(), p.addClientCredentials(), p.addEnterprise(), p.addWorkload(), p.addStatic(), p.addOAuth())
	c.AddCommand(add, p.accountList(), p.accountShow(), p.accountRemove(), p.accountRotate())
	return c
}

func (p *program) addGoogleKey() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.GoogleKey}}
	var file string
	c := &cobra.Command{
		Use:   "google-key ACCOUNT",
		Short: "A Google service account's key file",
		Long: `Adds a Google service account by its key file. Say what tokens to make:
--audience for ID tokens (Cloud Run), --scope for access tokens (Google APIs),
--self-signed for tokens signed with the key itself. With a reference in place of the
file (see keyporter account --help) the key never comes to this computer.`,
		Example: `  keyporter account add google-key etl --key-file key.json --audience https://sales-abc.run.app
  keyporter account add google-key bq --key-file key.json --scope https://www.googleapis.com/auth/bigquery
  keyporter account add google-key etl --key-file 'vault-transit://transit/etl?kid=KEYID' \
    --email etl@my-project.iam.gserviceaccount.com --audience https://sales-abc.run.app`,
		Args: takes("a name for the account"),
		RunE: func(c *cobra.Command, args []string) error { return p.putAccount(c.Context(), args[0], put, file) },
	}
	c.Flags().StringVar(&file, "key-file", "", "the JSON key `FILE` (required)")
	c.Flags().StringVar(&put.Account.Audience, "audience", "", "make ID tokens for this `AUDIENCE`")
	c.Flags().StringArrayVar(&put.Account.Scopes, "scope", nil, "make access tokens with this `SCOPE`; may be repeated")
	c.Flags().BoolVar(&put.Account.SelfSigned, "self-signed", false, "sign tokens with the key itself, without asking Google")
	c.Flags().StringVar(&put.Account.Email, "email", "", "the service account's `EMAIL`, for a key that signs where it rests")
	c.Flags().StringVar(&put.AllowTokenURI, "allow-token-uri", "", "the token_uri in the file, a `URL`, if it is not Google's and you trust it")
	secretThrough(c, &put)
	return needs(c, "key-file")
}

// secretThrough is the flag of accounts whose secret may rest in Secret Manager.
func secretThrough(c *cobra.Command, put *local.PutAccount) {
	c.Flags().StringVar(&put.Account.SecretThrough, "secret-through", "", "Google `ACCOUNT` that reads a gcpsm:// reference; not needed if there is one only")
}

func (p *program) addClientCredentials() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.ClientCredentials}}
	var secretFile, keyFile string
	c := &cobra.Command{
		Use:   "client-credentials ACCOUNT",
		Short: "A client id with a secret or a private key",
		Long:  "Adds a program's own identity at an authorization server (OAuth client credentials).",
		Example: `  keyporter account add client-credentials ci --client-id ci --client-secret-file secret.txt --issuer https://id.example.com
  keyporter account add client-credentials ci --client-id ci --private-key-file key.pem --issuer https://id.example.com`,
		Args: takes("a name for the account"),
		RunE: func(c *cobra.Command, args []string) error {
			if (secretFile == "") == (keyFile == "") {
				return hint.New(hint.Usage, "Client credentials need one secret.", "Give --client-secret-file or --private-key-file.")
			}
			file := secretFile
			if keyFile != "" {
				file, put.Account.AuthMethod = keyFile, oauth.AuthPrivateKeyJWT
			}
			return p.putAccount(c.Context(), args[0], put, file)
		},
	}
	f := c.Flags()
	f.StringVar(&put.Account.ClientID, "client-id", "", "the client `ID` (required)")
	f.StringVar(&secretFile, "client-secret-file", "", "`FILE` with the client secret")
	f.StringVar(&keyFile, "private-key-file", "", "`FILE` with the private key (PEM)")
	f.StringVar(&put.Account.Alg, "alg", "", "signature `ALGORITHM`; follows the key (RS256, ES256, EdDSA)")
	f.StringVar(&put.Account.Issuer, "issuer", "", "`URL` of the authorization server")
	f.StringVar(&put.Account.TokenEndpoint, "token-endpoint", "", "`URL` where tokens come from, instead of --issuer")
	f.StringArrayVar(&put.Account.Scopes, "scope", nil, "`SCOPE`, a permission to ask for; may be repeated")
	secretThrough(c, &put)
	return needs(c, "client-id")
}

func (p *program) addStatic() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.Static}}
	var file string
	c := &cobra.Command{
		Use:     "static ACCOUNT",
		Short:   "A fixed bearer token or API key",
		Example: "  keyporter account add static search --token-file token.txt --header X-API-Key",
		Args:    takes("a name for the account"),
		RunE:    func(c *cobra.Command, args []string) error { return p.putAccount(c.Context(), args[0], put, file) },
	}
	c.Flags().StringVar(&file, "token-file", "", "`FILE` with the token (required)")
	c.Flags().StringVar(&put.Account.Header, "header", "", "`HEADER` of an API key; without it the token is sent as a bearer token")
	secretThrough(c, &put)
	return needs(c, "token-file")
}

func (p *program) putAccount(ctx context.Context, name string, put local.PutAccount, file string) error {
	put.Name = name
	if account.IsReference(file) {
		put.Account.SecretRef = p.located(file)
	} else if file != "" {
		v, err := p.readSecret(ctx, file)
		if err != nil {
			return err
		}
		put.Secret = v
	}
	return p.ask(ctx, func(l *local.Client) error {
		st, err := l.AddAccount(ctx, put)
		if err != nil {
			return err
		}
		p.addedAccount(st, &put, file)
		return nil
	})
}

func after(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + oneLine(s)
}

func (p *program) accountList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the accounts",
		Example: "  keyporter account list --json",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				st, err := l.State(c.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return p.printJSON(st.Accounts)
				}
				if len(st.Accounts) == 0 {
					fmt.Fprintln(p.stderr, "There are no accounts yet. See keyporter account add --help.")
					return nil
				}
				t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "ACCOUNT\tKIND\tIDENTITY\tSTATE\tUSED BY")
				for _, a := range st.Accounts {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", oneLine(a.Name), a.Kind.Words(), dash(a.Identity), standing(a.State, true, a.ExpiresAt, time.Now()), dash(strings.Join(a.UsedBy, ", ")))
				}
				return t.Flush()
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return oneLine(s)
}

func (p *program) accountShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "show ACCOUNT",
		Short:   "Show an account and where its tokens may go",
		Example: "  keyporter account show etl",
		Args:    takes("an account's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				a, err := l.ShowAccount(c.Context(), local.Name{Name: args[0]})
				if err != nil {
					return err
				}
				st, err := l.State(c.Context())
				if err != nil {
					return err
				}
				for _, s := range st.Accounts {
					if s.Name == args[0] {
						return p.showAccount(&s, a, asJSON)
					}
				}
				return hint.New(hint.NotFound, fmt.Sprintf("The account %s was removed just now.", printable(args[0])), "See keyporter account list.")
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (p *program) showAccount(st *local.AccountState, a *account.Account, asJSON bool) error {
	if asJSON {
		record, err := recordJSON(a)
		if err != nil {
			return err
		}
		return p.printJSON(struct {
			*local.AccountState
			Record json.RawMessage `json:"record"`
		}{st, record})
	}
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"Account", st.Name}, {"Kind", st.Kind.Words()}, {"Identity", st.Identity},
		{"State", standing(st.State, true, st.ExpiresAt, time.Now())},
		{"Used by", strings.Join(st.UsedBy, ", ")}, {"Its tokens go to", strings.Join(st.Origins, ", ")},
		{"Audience", a.Audience}, {"Scopes", strings.Join(a.Scopes, " ")}, {"Issuer", a.Issuer},
		{"Key ends with", a.KeyID}, {"Secret rests in", a.SecretRef}, {"Read through", a.SecretThrough},
		{"Through", a.Through}, {"Delegates", strings.Join(a.Delegates, ", ")},
		{"Credentials in", a.TokenFile},
	} {
		if row[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", row[0], oneLine(row[1]))
		}
	}
	if !st.AddedAt.IsZero() {
		fmt.Fprintf(t, "Secret from\t%s\n", st.AddedAt.Local().Format(time.DateOnly))
	}
	if st.Problem != nil {
		fmt.Fprintf(t, "\t%s\n", oneLine(st.Problem.Text()))
	}
	return t.Flush()
}

func (p *program) accountRemove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove ACCOUNT",
		Short:   "Remove an account and its secret",
		Example: "  keyporter account remove etl",
		Args:    takes("an account's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				out, err := l.RemoveAccount(c.Context(), local.Name{Name: args[0]})
				if err != nil {
					return err
				}
				fmt.Fprintf(p.stderr, "Removed %s.\n", args[0])
				if len(out.UsedBy) > 0 {
					fmt.Fprintf(p.stderr, "Without an account now: %s\n", strings.Join(out.UsedBy, ", "))
				}
				return nil
			})
		},
	}
}

func (p *program) accountRotate() *cobra.Command {
	var file string
	put := local.PutAccount{}
	c := &cobra.Command{
		Use:   "rotate ACCOUNT",
		Short: "Give an account a new key, secret or token",
		Long: `Replaces an account's secret, or says where else it rests (see keyporter account --help).
Where its tokens may go stays as it is. For the credentials of this computer (google-adc)
the file is not read into the vault: you agree to use it as it is now.`,
		Example: `  keyporter account rotate etl --key-file new-key.json
  keyporter account rotate search --token-file new-token.txt
  keyporter account rotate search --token-file vault://secret/team/search#token`,
		Args: takes("an account's name"),
		RunE: func(c *cobra.Command, args []string) error {
			put.Name = args[0]
			return p.ask(c.Context(), func(l *local.Client) error {
				if err := p.newSecret(c.Context(), l, &put, file); err != nil {
					return err
				}
				if _, err := l.RotateAccount(c.Context(), put); err != nil {
					return err
				}
				if put.Secret.IsZero() {
					fmt.Fprintf(p.stderr, "%s uses %s from now on.\n", args[0], printable(file))
					return nil
				}
				fmt.Fprintf(p.stderr, "%s has its new secret. Delete the old one at its provider.\n", args[0])
				return nil
			})
		},
	}
	// The file may be named as it was when the account was added.
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		switch name {
		case "token-file", "client-secret-file", "private-key-file":
			name = "key-file"
		}
		return pflag.NormalizedName(name)
	})
	c.Flags().StringVar(&file, "key-file", "", "`FILE` with the new key, secret or token (required); --token-file,\n--client-secret-file and --private-key-file mean the same")
	c.Flags().StringVar(&put.AllowTokenURI, "allow-token-uri", "", "the token_uri in the file, a `URL`, if it is not Google's and you trust it")
	secretThrough(c, &put)
	return needs(c, "key-file")
}
