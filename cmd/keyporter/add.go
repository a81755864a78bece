package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// serverFlags are the flags of add that are fields of a server's record, with
// their help. The names are those of account.Server.Set.
var serverFlags = []struct{ name, help string }{
	{"account", "`ACCOUNT` whose tokens the server gets"},
	{"client-id", "`ID` of a client that was registered for you where you sign in"},
	{"client-metadata-url", "`URL` of a public document that describes your client"},
	{"issuer", "`URL` of the authorization server, if the server names several"},
	{"audience", "`AUDIENCE` to name at the sign-in (Auth0 wants one)"},
	{"resource", "`URI` to name as the server at the sign-in, instead of its own"},
	{"redirect-uri", "`URI` on this computer that your client is registered with"},
	{"dpop", "`WHEN` to bind tokens to a key: auto (default), always, never"},
	{"token-header", "`HEADER` in which the token goes, instead of Authorization"},
	{"proxy", "`URL` of a proxy for this server, or direct for none"},
	{"ca", "`FILE` (PEM) of certificate authorities, beside the system's"},
	{"transport", "`HOW` to speak to it: auto (default), http, or sse (of 2024)"},
	{"era", "`ERA` of the protocol: auto (default), legacy, modern (2026-07-28)"},
	{"sign-in", "`WHAT` to do when a sign-in is missing: notify (default), browser, never"},
}

var serverLists = []struct{ name, help string }{
	{"scope", "`SCOPE`, a permission to ask for; may be repeated"},
	{"authorize-param", "`K=V` to add to the sign-in page's address; may be repeated"},
	{"header", "`K=V`, a header of every request; may be repeated"},
	{"allow-host", "private `HOST` that the server may send sign-ins to; repeatable"},
	{"also-account", "`H=ACCOUNT` whose tokens go in the header H, too; repeatable"},
	{"allow-tool", "`GLOB` of tools to show, with * and ?, and no others; repeatable"},
	{"deny-tool", "`GLOB` of tools to hide; wins over --allow-tool; repeatable"},
}

var serverBools = []struct{ name, help string }{
	{"no-resource", "do not name the server at the sign-in (some refuse it)"},
	{"use-id-token", "send the ID token, not the access token (some APIs want it)"},
	{"assume-pkce", "the provider does PKCE, which it does not say"},
	{"read-only", "show only tools that the server calls read-only (its word, no boundary)"},
	{"allow-http", "send tokens over http:// too; only on a network that you trust"},
}

func (p *program) add() *cobra.Command {
	var bind, offline bool
	var files secretFiles
	c := &cobra.Command{
		Use:   "add NAME URL",
		Short: "Add an MCP server",
		Long: `Adds a remote MCP server under a name of your choice. The server is asked, for
three seconds at most, how it lets people in; nothing opens a browser.
--allow-tool, --deny-tool and --read-only hide tools from MCP clients and refuse their calls.
--read-only goes by the tools' annotations: the server's word, a convenience and no boundary.
Secrets are read from files (- is standard input), never from arguments.`,
		Example: `  keyporter add notion https://mcp.notion.com/mcp
  keyporter add sales https://sales-mcp-abc.run.app/mcp --account etl
  keyporter add search https://search.example.com/mcp --secret-header X-API-Key=key.txt`,
		Args: takes("a name", "an address"),
		RunE: func(c *cobra.Command, args []string) error {
			put := local.PutServer{Name: args[0], Server: account.Server{URL: args[1]}, Offline: offline}
			if err := setFlags(&put.Server, c.Flags()); err != nil {
				return err
			}
			if err := p.secrets(c.Context(), &put, files); err != nil {
				return err
			}
			return p.ask(c.Context(), func(l *local.Client) error {
				return p.agreed(c.Context(), bind, func(bind bool) error {
					put.Bind = bind
					return p.added(c.Context(), l, put)
				})
			})
		},
	}
	f := c.Flags()
	for _, s := range serverFlags {
		f.String(s.name, "", s.help)
	}
	for _, s := range serverLists {
		f.StringArray(s.name, nil, s.help)
	}
	for _, s := range serverBools {
		f.Bool(s.name, false, s.help)
	}
	f.StringVar(&files.clientSecret, "client-secret-file", "", "`FILE` with the secret of --client-id")
	f.StringArrayVar(&files.headers, "secret-header", nil, "`K=FILE`, a header whose value is secret; may be repeated")
	f.StringVar(&files.proxyLogin, "proxy-login-file", "", "`FILE` with user:password for the proxy, whatever names it")
	f.StringVar(&files.clientCert, "client-cert", "", "`FILE` (PEM) with your certificate, for servers that ask for one")
	f.StringVar(&files.clientKey, "client-key", "", "`FILE` (PEM) with its private key; both go into the vault")
	f.BoolVar(&bind, "bind", false, "the account's tokens may go to this server's address")
	f.BoolVar(&offline, "offline", false, "do not ask the server anything")
	return c
}

func (p *program) added(ctx context.Context, l *local.Client, put local.PutServer) error {
	out, err := l.AddServer(ctx, put)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "Added %s.%s\n", put.Name, after(" ", out.Found))
	p.warn(out.Warning)
	if next := nextStep(&out.Server); next != "" {
		fmt.Fprintln(p.stderr, next)
	}
	return nil
}

// nextStep says what to do with a server that was just added or changed.
func nextStep(s *local.ServerState) string {
	switch {
	case s.State == local.SignInNeeded && s.Kind == account.OAuth:
		return fmt.Sprintf("Next: keyporter login %s", hint.Arg(s.Name))
	case s.Problem != nil:
		return oneLine(s.Problem.Text())
	}
	return fmt.Sprintf("Next: keyporter tools %s", hint.Arg(s.Name))
}

// setFlags puts the flags that were given into a record.
func setFlags(s *account.Server, flags *pflag.FlagSet) error {
	var err error
	flags.Visit(func(f *pflag.Flag) {
		if err != nil || !isServerFlag(f.Name) {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			err = s.Set(f.Name, list.GetSlice()...)
			return
		}
		value := f.Value.String()
		if f.Name == "ca" && value != "" { // the agent stands in another folder
			if value, err = filepath.Abs(value); err != nil {
				return
			}
		}
		err = s.Set(f.Name, value)
	})
	return err
}

func isServerFlag(name string) bool {
	for _, k := range account.Keys() {
		if k == name {
			return true
		}
	}
	return false
}

// secretFiles name the files that hold a server's own secrets.
type secretFiles struct {
	clientSecret, proxyLogin, clientCert, clientKey string
	headers                                         []string // NAME=FILE
}

// secrets reads the files that hold a server's own secrets.
func (p *program) secrets(ctx context.Context, put *local.PutServer, files secretFiles) error {
	if files.clientSecret != "" {
		if put.Server.ClientID == "" {
			return hint.New(hint.Usage, "A client secret belongs to a client id.", "Give --client-id too.")
		}
		v, err := p.readSecret(ctx, files.clientSecret)
		if err != nil {
			return err
		}
		put.ClientSecret = &v
	}
	if files.proxyLogin != "" {
		v, err := p.readSecret(ctx, files.proxyLogin)
		if err != nil {
			return err
		}
		put.ProxyLogin = &v
	}
	if err := p.certificate(ctx, put, files); err != nil {
		return err
	}
	for _, h := range files.headers {
		name, file, ok := strings.Cut(h, "=")
		if !ok || name == "" || file == "" {
			return hint.New(hint.Usage, "A secret header is of the form NAME=FILE.", "The value stands in the file, so that it is in no list of processes: --secret-header X-API-Key=key.txt")
		}
		v, err := p.readSecret(ctx, file)
		if err != nil {
			return err
		}
		if put.SecretHeaders == nil {
			put.SecretHeaders = map[string]secret.Plain{}
		}
		if _, known := put.SecretHeaders[name]; !known && !contains(put.Server.SecretHeaders, name) {
			put.Server.SecretHeaders = append(put.Server.SecretHeaders, name)
		}
		put.SecretHeaders[name] = v
	}
	return nil
}

// certificate reads a client certificate and its key.
func (p *program) certificate(ctx context.Context, put *local.PutServer, files secretFiles) error {
	switch {
	case files.clientCert == "" && files.clientKey == "":
		return nil
	case files.clientCert == "" || files.clientKey == "":
		return hint.New(hint.Usage, "A client certificate and its private key belong together.", "Give both --client-cert and --client-key; they may name the same file.")
	}
	chain, err := os.ReadFile(files.clientCert)
	if err != nil {
		return hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s cannot be read.", files.clientCert), "Check its name and who may read it.")
	}
	key, err := p.readSecret(ctx, files.clientKey)
	if err != nil {
		return err
	}
	put.ClientCert = &local.ClientCert{Chain: certificates(chain), Key: key}
	return nil
}

// certificates returns the certificates of a PEM file, and no key that may be in it.
func certificates(file []byte) string {
	var all strings.Builder
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			all.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
		}
	}
	return all.String()
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
