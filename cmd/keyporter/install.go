package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func (p *program) install() *cobra.Command {
	var asJSON bool
	var project string
	c := &cobra.Command{
		Use:   "install CLIENT [NAME...]",
		Short: "Put servers into an MCP client's configuration",
		Long: `Puts servers into an MCP client's configuration: those named, or all. An entry holds the
path of keyporter and the server's name, and no secret. Other entries, comments and the
file's form stay as they are, and a copy of the file is put beside it.

With --project they are put into the client's file in that project's folder, for clients
that read one: for this project only, and to be shared with it.`,
		Example: "  keyporter install claude-desktop\n  keyporter install claude-code notion sales --project .",
		Args:    takes("an MCP client's name (see keyporter clients)", "[servers...]"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				if err := p.offerSignIn(c.Context(), l, args[1:]); err != nil {
					return err
				}
				folder, err := absolute(project)
				if err != nil {
					return err
				}
				out, err := l.InstallClient(c.Context(), local.InstallRequest{Client: args[0], Servers: args[1:], Folder: folder})
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
	c.Flags().StringVar(&project, "project", "", "put them into the project in `DIR` only")
	return c
}

// absolute returns a folder as the agent, which works elsewhere, can find it.
func absolute(folder string) (string, error) {
	if folder == "" {
		return "", nil
	}
	return filepath.Abs(folder)
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
	var project string
	c := &cobra.Command{
		Use:   "uninstall CLIENT [NAME...]",
		Short: "Take servers out of an MCP client's configuration",
		Long: `Takes Keyporter's entries out of an MCP client's configuration: those of the servers
named, or all; also from projects that they were put into. The servers stay in Keyporter.`,
		Example: "  keyporter uninstall claude-desktop notion",
		Args:    takes("an MCP client's name (see keyporter clients)", "[servers...]"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				folder, err := absolute(project)
				if err != nil {
					return err
				}
				out, err := l.UninstallClient(c.Context(), local.InstallRequest{Client: args[0], Servers: args[1:], Folder: folder})
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
	c.Flags().StringVar(&project, "project", "", "take them out of the project in `DIR` only")
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
		Example: "  keyporter clients --json\n  keyporter clients repair",
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
					if len(m.Lost) > 0 {
						fmt.Fprintln(p.stderr, lost(m.ID, m.Name, m.Lost))
					}
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(p.repair())
	return c
}

// lost says that a client has lost servers, and what to do.
func lost(id, name string, servers []string) string {
	return fmt.Sprintf("%s forgot %s: its file was rewritten. Put it back: keyporter clients repair %s", name, strings.Join(servers, ", "), id)
}

func (p *program) repair() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "repair [CLIENT]",
		Short: "Put back what MCP clients have lost",
		Long: `Puts back the entries that were put into MCP clients' files and are gone from them, because
a client wrote its file anew. To leave a server out for good, use keyporter uninstall.`,
		Example: "  keyporter clients repair\n  keyporter clients repair claude-desktop",
		Args:    takes("[an MCP client's name]"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				out, err := l.RepairClients(c.Context(), local.RepairRequest{Client: strings.Join(args, "")})
				if err != nil {
					return err
				}
				if asJSON {
					return p.printJSON(out.Clients)
				}
				if len(out.Clients) == 0 {
					fmt.Fprintln(p.stderr, "Nothing is lost.")
				}
				for i := range out.Clients {
					p.installed(&out.Clients[i], "Put %s back into %s.\n", "")
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
