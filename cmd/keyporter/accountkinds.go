package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// The kinds of account whose proof is somewhere else: in a file that another
// program keeps fresh, or in a sign-in.

func (p *program) addEnterprise() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.Enterprise}}
	var secretFile, tokenFile string
	c := &cobra.Command{
		Use:   "enterprise ACCOUNT",
		Short: "A company's single sign-on that covers its servers (ID-JAG)",
		Long: `Adds a sign-in that the company's identity provider manages: it exchanges your ID
token for access to the server, and no browser opens. The ID token comes from a file
that another program keeps fresh, or from an account that you signed in to.`,
		Example: `  keyporter account add enterprise work --client-id kp --client-secret-file secret.txt \
    --idp-token-endpoint https://sso.example.com/token --idp-client-id kp-sso --through sso`,
		Args: takes("a name for the account"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := keptPath(&put.Account.TokenFile, tokenFile); err != nil {
				return err
			}
			return p.putAccount(c.Context(), args[0], put, secretFile)
		},
	}
	f := c.Flags()
	f.StringVar(&put.Account.ClientID, "client-id", "", "the client `ID` at the server's authorization server (required)")
	f.StringVar(&secretFile, "client-secret-file", "", "`FILE` with that client's secret (required)")
	f.StringVar(&put.Account.IDPTokenEndpoint, "idp-token-endpoint", "", "`URL` where the identity provider exchanges tokens (required)")
	f.StringVar(&put.Account.IDPClientID, "idp-client-id", "", "the client `ID` at the identity provider (required)")
	f.StringVar(&tokenFile, "id-token-file", "", "`FILE` with your ID token; read anew each time")
	f.StringVar(&put.Account.Through, "through", "", "`ACCOUNT` whose sign-in brings the ID token, instead of a file")
	f.StringVar(&put.Account.Issuer, "issuer", "", "`URL` of the authorization server, if not the one that the server names")
	f.StringArrayVar(&put.Account.Scopes, "scope", nil, "`SCOPE`, a permission to ask for; may be repeated")
	secretThrough(c, &put)
	return needs(c, "client-id", "client-secret-file", "idp-token-endpoint", "idp-client-id")
}

func (p *program) addWorkload() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.Workload}}
	var tokenFile string
	c := &cobra.Command{
		Use:   "workload ACCOUNT",
		Short: "The identity that a platform gives to a program",
		Long: `Adds a workload's identity: a token (JWT) that Kubernetes, a cloud or a CI system
writes into a file. The file is read anew each time, and holds the only secret.`,
		Example: "  keyporter account add workload ci --client-id ci --token-file /var/run/secrets/tokens/mcp",
		Args:    takes("a name for the account"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := keptPath(&put.Account.TokenFile, tokenFile); err != nil {
				return err
			}
			return p.putAccount(c.Context(), args[0], put, "")
		},
	}
	f := c.Flags()
	f.StringVar(&put.Account.ClientID, "client-id", "", "the client `ID` (required)")
	f.StringVar(&tokenFile, "token-file", "", "`FILE` in which the platform keeps the token (required)")
	f.StringVar(&put.Account.Issuer, "issuer", "", "`URL` of the authorization server, if not the one that the server names")
	f.StringVar(&put.Account.TokenEndpoint, "token-endpoint", "", "`URL` where tokens come from, instead of --issuer")
	f.StringArrayVar(&put.Account.Scopes, "scope", nil, "`SCOPE`, a permission to ask for; may be repeated")
	return needs(c, "client-id", "token-file")
}

func (p *program) addOAuth() *cobra.Command {
	put := local.PutAccount{Account: account.Account{Kind: account.OAuth}}
	c := &cobra.Command{
		Use:   "oauth ACCOUNT",
		Short: "A sign-in under a name of your choice, before there is one",
		Long: `Adds an account for a sign-in. It is seldom needed: keyporter login makes one with the
server's name. With one of your own name, several servers of a provider can share it.`,
		Example: `  keyporter account add oauth work
  keyporter add notion https://mcp.notion.com/mcp --account work`,
		Args: takes("a name for the account"),
		RunE: func(c *cobra.Command, args []string) error { return p.putAccount(c.Context(), args[0], put, "") },
	}
	c.Flags().StringVar(&put.Account.Issuer, "issuer", "", "`URL` of the authorization server that it is for")
	return c
}

// keptPath puts the path of a file that is read again later into a record.
func keptPath(field *string, path string) error {
	if path == "" {
		return nil
	}
	if path == "-" {
		return hint.New(hint.Usage, "This file is read again each time a token is due, so it cannot be standard input.", "Give the file's path.")
	}
	abs, err := filepath.Abs(path)
	*field = abs
	return err
}

// addedAccount says what became of a new account.
func (p *program) addedAccount(st *local.AccountState, put *local.PutAccount, file string) {
	fmt.Fprintf(p.stderr, "Added %s (%s%s).", st.Name, st.Kind.Words(), after(", ", st.Identity))
	switch {
	case put.Account.SecretRef != "":
		fmt.Fprintln(p.stderr, " Its secret stays where it is, and is read there each time.")
	case put.Secret.IsZero():
		fmt.Fprintln(p.stderr)
	default:
		fmt.Fprintln(p.stderr, " Its secret is in the vault now.")
	}
	if file != "" && file != "-" && put.Account.SecretRef == "" {
		fmt.Fprintf(p.stderr, "The file %s is not needed any more; delete it if no other program uses it.\n", file)
	}
	switch {
	case st.Kind == account.Google:
		fmt.Fprintf(p.stderr, "Next: keyporter login %s\n", hint.Arg(st.Name))
	case st.Kind == account.GoogleADC && put.Account.Audience == "" && len(put.Account.Scopes) == 0:
		fmt.Fprintf(p.stderr, "Next: keyporter account add google-impersonate NAME --as EMAIL --through %s --audience AUDIENCE\n", hint.Arg(st.Name))
	default:
		fmt.Fprintf(p.stderr, "Next: keyporter add NAME URL --account %s\n", hint.Arg(st.Name))
	}
}
