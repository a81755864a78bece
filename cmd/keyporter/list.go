package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func (p *program) list() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the servers and how they stand",
		Example: "  keyporter list\n  keyporter list --json",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.askAgain(c.Context(), func(l *local.Client) error {
				st, err := l.State(c.Context())
				if err != nil {
					return err
				}
				p.warn(st.Problem)
				if asJSON {
					return p.printJSON(st.Servers)
				}
				if len(st.Servers) == 0 {
					fmt.Fprintln(p.stderr, "There are no servers yet. Add one: keyporter add NAME URL, or try keyporter demo.")
					return nil
				}
				return printServers(p.stdout, st.Servers, time.Now())
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printServers(w io.Writer, servers []local.ServerState, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tSTATE\tACCOUNT\tURL")
	for _, s := range servers {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", oneLine(s.Name), standing(s.State, s.Renews, s.ExpiresAt, now), accountOf(&s), oneLine(s.URL))
	}
	return t.Flush()
}

func accountOf(s *local.ServerState) string {
	var who []string
	switch {
	case s.Identity != "":
		who = append(who, s.Identity)
	case s.Account != "":
		who = append(who, s.Account)
	}
	for _, header := range slices.Sorted(maps.Keys(s.Also)) {
		who = append(who, s.Also[header])
	}
	return dash(strings.Join(who, " + "))
}

// statusWords are the conditions as people say them.
var statusWords = map[local.Status]string{
	local.Ready:          "ready",
	local.Unknown:        "not tried yet",
	local.SignInNeeded:   "needs a sign-in",
	local.SigningIn:      "signing in…",
	local.ApprovalNeeded: "needs your approval",
	local.Locked:         "vault locked",
	local.Paused:         "paused",
	local.Failed:         "failed",
}

func standing(s local.Status, renews bool, expiry, now time.Time) string {
	words := statusWords[s]
	if words == "" {
		words = oneLine(strings.ReplaceAll(string(s), "_", " "))
	}
	if l := left(expiry, now); s == local.Ready && l != "" && !(renews && l == "expired") {
		words += ", " + l
	}
	return words
}

func (p *program) show() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show everything about a server",
		Example: "  keyporter show notion",
		Args:    takes("a server's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.askAgain(c.Context(), func(l *local.Client) error {
				s, err := l.ShowServer(c.Context(), local.Name{Name: args[0]})
				if err != nil {
					return err
				}
				st, err := l.State(c.Context())
				if err != nil {
					return err
				}
				for i := range st.Servers {
					if st.Servers[i].URL == s.URL && st.Servers[i].Account == s.Account && (st.Servers[i].Name == args[0] || st.Servers[i].URL == args[0]) {
						return p.showServer(&st.Servers[i], s, asJSON)
					}
				}
				return hint.New(hint.NotFound, fmt.Sprintf("The server %s was removed just now.", printable(args[0])), "See keyporter list.")
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (p *program) showServer(st *local.ServerState, s *account.Server, asJSON bool) error {
	record, err := recordJSON(s)
	if err != nil {
		return err
	}
	if asJSON {
		return p.printJSON(struct {
			*local.ServerState
			Record json.RawMessage `json:"record"`
		}{st, record})
	}
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, oneLine(value))
		}
	}
	row("Name", st.Name)
	row("Address", st.URL)
	row("State", standing(st.State, st.Renews, st.ExpiresAt, time.Now()))
	if st.Problem != nil {
		row("", st.Problem.Text())
	}
	row("Account", st.Account)
	for _, header := range slices.Sorted(maps.Keys(st.Also)) {
		row("And in "+header, st.Also[header])
	}
	row("Kind", st.Kind.Words())
	row("Signed in as", st.Identity)
	if !st.ExpiresAt.IsZero() {
		row("Token expires", st.ExpiresAt.Local().Format(time.RFC1123))
	}
	if st.Tools > 0 {
		row("Tools", fmt.Sprint(st.Tools))
	}
	if !st.LastUsed.IsZero() {
		row("Last used", st.LastUsed.Local().Format(time.RFC1123))
	}
	if st.Bridges > 0 {
		row("Bridges", fmt.Sprint(st.Bridges))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "\nSettings")
	return p.printJSON(record)
}

func (p *program) rename() *cobra.Command {
	return &cobra.Command{
		Use:   "rename OLD NEW",
		Short: "Give a server another name",
		Long: `Gives a server another name. Entries that keyporter install made follow it; others that
launch it by its old name have to be changed.`,
		Example: "  keyporter rename notion 'Notion (work)'",
		Args:    takes("the old name", "the new one"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				if err := l.RenameServer(c.Context(), local.Rename{Old: args[0], New: args[1]}); err != nil {
					return err
				}
				fmt.Fprintf(p.stderr, "%s is now called %s.\n", oneLine(args[0]), oneLine(args[1]))
				return nil
			})
		},
	}
}

func (p *program) remove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Remove a server and its secrets",
		Example: "  keyporter remove notion",
		Args:    takes("a server's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				if err := l.RemoveServer(c.Context(), local.Name{Name: args[0]}); err != nil {
					return err
				}
				fmt.Fprintf(p.stderr, "Removed %s.\n", args[0])
				return nil
			})
		},
	}
}
