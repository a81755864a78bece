package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func (p *program) set() *cobra.Command {
	var bind bool
	c := &cobra.Command{
		Use:   "set NAME KEY=VALUE...",
		Short: "Change a server's settings",
		Long: `Changes settings of a server. The keys are url and the names of the flags of keyporter
add, explained there. An empty value clears a setting. Secrets are read from files:
secret-header=NAME=FILE, client-secret-file=FILE, proxy-login-file=FILE, and client-cert=FILE with
client-key=FILE; secret-header=NAME= and client-cert= take one away.

Keys: ` + wrapped(append(account.Keys(), "client-cert", "client-key", "client-secret-file", "proxy-login-file", "secret-header"), "      "),
		Example: `  keyporter set sales url=https://sales.example.com/mcp
  keyporter set sales scope="mcp:read mcp:write" no-resource=true
  keyporter set sales account=etl --bind`,
		Args: takes("a server's name", "settings of the form KEY=VALUE..."),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				old, err := l.ShowServer(c.Context(), local.Name{Name: args[0]})
				if err != nil {
					return err
				}
				put, err := p.changed(c.Context(), args[0], *old, args[1:])
				if err != nil {
					return err
				}
				return p.agreed(c.Context(), bind, func(bind bool) error {
					put.Bind = bind
					out, err := l.SetServer(c.Context(), *put)
					if err != nil {
						return err
					}
					fmt.Fprintf(p.stderr, "Changed %s.\n", args[0])
					p.warn(out.Warning)
					return nil
				})
			})
		},
	}
	c.Flags().BoolVar(&bind, "bind", false, "the account's tokens and secret headers may go to this server's address")
	return c
}

// changed applies KEY=VALUE arguments to a server's record. Several values of
// one key belong together.
func (p *program) changed(ctx context.Context, name string, s account.Server, pairs []string) (*local.PutServer, error) {
	put := &local.PutServer{Name: name, Server: s}
	var keys []string
	values := map[string][]string{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, hint.New(hint.Usage, fmt.Sprintf("%q is not of the form KEY=VALUE.", oneLine(pair)), "See keyporter set --help.")
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
		values[key] = append(values[key], value)
	}
	var files secretFiles
	for _, key := range keys {
		switch key {
		case "client-secret-file":
			files.clientSecret = values[key][0]
		case "proxy-login-file":
			files.proxyLogin = values[key][0]
		case "client-cert":
			if files.clientCert = values[key][0]; files.clientCert == "" {
				put.Server.ClientCert = ""
			}
		case "client-key":
			files.clientKey = values[key][0]
		case "secret-header":
			for _, v := range values[key] {
				if gone, empty := strings.CutSuffix(v, "="); empty {
					put.Server.SecretHeaders = slices.DeleteFunc(slices.Clone(put.Server.SecretHeaders), func(h string) bool { return h == gone })
					continue
				}
				files.headers = append(files.headers, v)
			}
		default:
			if key == "ca" && values[key][0] != "" { // the agent stands in another folder
				path, err := filepath.Abs(values[key][0])
				if err != nil {
					return nil, err
				}
				values[key] = []string{path}
			}
			if err := put.Server.Set(key, values[key]...); err != nil {
				return nil, err
			}
		}
	}
	return put, p.secrets(ctx, put, files)
}
