package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func (p *program) install() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "install CLIENT [NAME...]",
		Short: "Put servers into an MCP client's configuration",
		Long: `Puts servers into an MCP client's configuration: those named, or all. An entry holds the
path of keyporter and the server's name, and no secret. Other entries, comments and the
file's form stay as they are, and a copy of the file is put beside it.`,
		Example: "  keyporter install claude-desktop\n  keyporter install claude-desktop notion sales",
		Args:    takes("an MCP client's name (see keyporter clients)", "[servers...]"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				if err := p.offerSignIn(c.Context(), l, args[1:]); err != nil {
					return err
				}
				out, err := l.InstallClient(c.Context(), local.InstallRequest{Client: args[0], Servers: args[1:]})
				if err != nil {
					return err
				}
				if asJSON {
					return p.printJSON(out)
				}
				p.installed(out, "Put %s into %s.\n", "Everything asked for is in %s already.\n")
				for _, name := range out.SignIn {
					fmt.Fprintf(p.stderr, "%s still needs a sign-in: keyporter login %s\n", name, name)
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// offerSignIn asks whether to sign in to the servers that need it first, so that
// the client meets a server that answers. Without a person it asks nothing.
func (p *program) offerSignIn(ctx context.Context, l *local.Client, names []string) error {
	if !p.interactive() {
		return nil
	}
	st, err := l.State(ctx)
	if err != nil {
		return err
	}
	for _, s := range st.Servers {
		wanted := len(names) == 0
		for _, n := range names {
			wanted = wanted || n == s.Name
		}
		if !wanted || s.State != local.SignInNeeded || s.Kind != "oauth" {
			continue
		}
		if !p.confirm(ctx, fmt.Sprintf("%s needs a sign-in. Sign in now?", s.Name)) {
			continue
		}
		if err := p.signIn(ctx, l, local.SignInRequest{Name: s.Name}, false); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			p.warn(hint.Of(err)) // the entry is useful all the same
		}
	}
	return nil
}

func (p *program) uninstall() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "uninstall CLIENT [NAME...]",
		Short: "Take servers out of an MCP client's configuration",
		Long: `Takes Keyporter's entries out of an MCP client's configuration: those of the servers
named, or all. The servers stay in Keyporter.`,
		Example: "  keyporter uninstall claude-desktop notion",
		Args:    takes("an MCP client's name (see keyporter clients)", "[servers...]"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				out, err := l.UninstallClient(c.Context(), local.InstallRequest{Client: args[0], Servers: args[1:]})
				if err != nil {
					return err
				}
				if asJSON {
					return p.printJSON(out)
				}
				p.installed(out, "Took %s out of %s.\n", "Nothing of that is in %s.\n")
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// installed says what an edit did.
func (p *program) installed(out *local.Installed, did, nothing string) {
	if len(out.Changed) == 0 {
		fmt.Fprintf(p.stderr, nothing, out.Client.Name)
		return
	}
	fmt.Fprintf(p.stderr, did, strings.Join(out.Changed, ", "), out.Client.Name)
	for _, b := range out.Backups {
		fmt.Fprintf(p.stderr, "The file as it was: %s\n", b)
	}
	fmt.Fprintln(p.stderr, out.Next)
}

func (p *program) clients() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "clients",
		Short:   "List the MCP clients here and what stands in them",
		Example: "  keyporter clients --json",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				out, err := l.Clients(c.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return p.printJSON(out.Clients)
				}
				t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "CLIENT\tHERE\tSERVERS\tFILE")
				for _, m := range out.Clients {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", m.ID, yesNo(m.Found), dash(strings.Join(m.Servers, ", ")), dash(strings.Join(m.Configs, ", ")))
				}
				if err := t.Flush(); err != nil {
					return err
				}
				for _, m := range out.Clients {
					p.warn(m.Problem)
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
