package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

func (p *program) account() *cobra.Command {
	c := &cobra.Command{
		Use:   "account",
		Short: "Accounts: keys, client credentials, fixed tokens",
		Long: `An account is a way to get tokens. Sign-ins make theirs by themselves
(keyporter login); keys, client credentials and fixed tokens are added here.
Secrets are read from files (- is standard input) and kept in the vault.`,
		Example: `  keyporter account add google-key etl --key-file key.json --audience https://sales-abc.run.app
  keyporter account list`,
	}
	add := &cobra.Command{
		Use:     "add",
		Short:   "Add an account",
		Example: "  keyporter account add static search --token-file token.txt",
	}
	add.AddCommand(p.addGoogleKey(), p.addClientCredentials(), p.addStatic())
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
--self-signed for tokens signed with the key itself.`,
		Example: `  keyporter account add google-key etl --key-file key.json --audience https://sales-abc.run.app
  keyporter account add google-key bq --key-file key.json --scope https://www.googleapis.com/auth/bigquery`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.putAccount(c.Context(), args[0], put, file) },
	}
	c.Flags().StringVar(&file, "key-file", "", "the JSON key file (required)")
	c.Flags().StringVar(&put.Account.Audience, "audience", "", "make ID tokens for this audience")
	c.Flags().StringArrayVar(&put.Account.Scopes, "scope", nil, "make access tokens with this scope; may be repeated")
	c.Flags().BoolVar(&put.Account.SelfSigned, "self-signed", false, "sign tokens with the key itself; --audience is the server's address unless given")
	c.Flags().StringVar(&put.AllowTokenURI, "allow-token-uri", "", "the token_uri in the file, if it is not Google's and you trust it")
	return required(c, "key-file")
}

func (p *program) addClientCredentials() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.ClientCredentials}}
	var secretFile, keyFile string
	c := &cobra.Command{
		Use:   "client-credentials ACCOUNT",
		Short: "A client id with a secret or a private key",
		Long:  "Adds a program's own identity at an authorization server (OAuth client credentials).",
		Example: `  keyporter account add client-credentials ci --client-id ci --client-secret-file secret.txt --issuer https://id.example.com
  keyporter account add client-credentials ci --client-id ci --private-key-file key.pem --token-endpoint https://id.example.com/token`,
		Args: cobra.ExactArgs(1),
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
	f.StringVar(&put.Account.ClientID, "client-id", "", "the client id (required)")
	f.StringVar(&secretFile, "client-secret-file", "", "file with the client secret")
	f.StringVar(&keyFile, "private-key-file", "", "file with the private key (PEM)")
	f.StringVar(&put.Account.Alg, "alg", "", "signature algorithm; follows the key (RS256, ES256, EdDSA)")
	f.StringVar(&put.Account.Issuer, "issuer", "", "the authorization server")
	f.StringVar(&put.Account.TokenEndpoint, "token-endpoint", "", "where tokens come from, instead of --issuer")
	f.StringArrayVar(&put.Account.Scopes, "scope", nil, "scope to ask for; may be repeated")
	return required(c, "client-id")
}

func (p *program) addStatic() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.Static}}
	var file string
	c := &cobra.Command{
		Use:     "static ACCOUNT",
		Short:   "A fixed bearer token or API key",
		Example: "  keyporter account add static search --token-file token.txt --header X-API-Key",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return p.putAccount(c.Context(), args[0], put, file) },
	}
	c.Flags().StringVar(&file, "token-file", "", "file with the token (required)")
	c.Flags().StringVar(&put.Account.Header, "header", "", "header of an API key; without it the token is sent as a bearer token")
	return required(c, "token-file")
}

// required marks flags without which a command makes no sense.
func required(c *cobra.Command, flags ...string) *cobra.Command {
	for _, f := range flags {
		if err := c.MarkFlagRequired(f); err != nil {
			panic(err)
		}
	}
	return c
}

func (p *program) putAccount(ctx context.Context, name string, put local.PutAccount, file string) error {
	v, err := p.readSecret(file)
	if err != nil {
		return err
	}
	put.Name, put.Secret = name, v
	return p.ask(ctx, func(l *local.Client) error {
		st, err := l.AddAccount(ctx, put)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stderr, "Added %s (%s%s). Its secret is in the vault now.\n", name, st.Kind.Words(), after(", ", st.Identity))
		if file != "-" {
			fmt.Fprintf(p.stderr, "The file %s is not needed any more; delete it if no other program uses it.\n", file)
		}
		fmt.Fprintf(p.stderr, "Next: keyporter add NAME URL --account %s\n", quote(name))
		return nil
	})
}

func after(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + printable(s)
}

func (p *program) accountList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the accounts",
		Example: "  keyporter account list --json",
		Args:    cobra.NoArgs,
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
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", a.Name, a.Kind.Words(), dash(a.Identity), standing(a.State, true, a.ExpiresAt, time.Now()), dash(strings.Join(a.UsedBy, ", ")))
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
	return printable(s)
}

func (p *program) accountShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "show ACCOUNT",
		Short:   "Show an account and where its tokens may go",
		Example: "  keyporter account show etl",
		Args:    cobra.ExactArgs(1),
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
				return p.printJSON(a)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (p *program) showAccount(st *local.AccountState, record *account.Account, asJSON bool) error {
	if asJSON {
		return p.printJSON(struct {
			*local.AccountState
			Record *account.Account `json:"record"`
		}{st, record})
	}
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"Account", st.Name}, {"Kind", st.Kind.Words()}, {"Identity", st.Identity},
		{"State", standing(st.State, true, st.ExpiresAt, time.Now())},
		{"Used by", strings.Join(st.UsedBy, ", ")}, {"Its tokens go to", strings.Join(st.Origins, ", ")},
		{"Audience", record.Audience}, {"Scopes", strings.Join(record.Scopes, " ")}, {"Issuer", record.Issuer},
		{"Key ends with", record.KeyID},
	} {
		if row[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", row[0], printable(row[1]))
		}
	}
	if !st.AddedAt.IsZero() {
		fmt.Fprintf(t, "Secret from\t%s\n", st.AddedAt.Local().Format(time.DateOnly))
	}
	if st.Problem != nil {
		fmt.Fprintf(t, "\t%s\n", printable(st.Problem.Text()))
	}
	return t.Flush()
}

func (p *program) accountRemove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove ACCOUNT",
		Short:   "Remove an account and its secret",
		Example: "  keyporter account remove etl",
		Args:    cobra.ExactArgs(1),
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
		Use:     "rotate ACCOUNT",
		Short:   "Give an account a new key, secret or token",
		Long:    "Replaces an account's secret. Where its tokens may go stays as it is.",
		Example: "  keyporter account rotate etl --key-file new-key.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			v, err := p.readSecret(file)
			if err != nil {
				return err
			}
			put.Name, put.Secret = args[0], v
			return p.ask(c.Context(), func(l *local.Client) error {
				if _, err := l.RotateAccount(c.Context(), put); err != nil {
					return err
				}
				fmt.Fprintf(p.stderr, "%s has its new secret. Delete the old one at its provider.\n", args[0])
				return nil
			})
		},
	}
	c.Flags().StringVar(&file, "key-file", "", "file with the new key, secret or token (required)")
	c.Flags().StringVar(&put.AllowTokenURI, "allow-token-uri", "", "the token_uri in the file, if it is not Google's and you trust it")
	return required(c, "key-file")
}
