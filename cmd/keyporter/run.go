package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func (p *program) runProgram() *cobra.Command {
	var list, asJSON bool
	c := &cobra.Command{
		Use:    "run NAME",
		Hidden: true, // people never type it
		Short:  "Start a program with the keys that a scan moved into the vault",
		Long: `Starts the program of an MCP client's entry whose keys keyporter scan --fix moved into the
vault, with those keys in its environment and arguments. MCP clients launch it.`,
		Example: "  keyporter run github\n  keyporter run --list",
		Args:    takes("[a program's name]"),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case list == (len(args) > 0):
				return wrong(c, "keyporter run takes a program's name, or --list.")
			case list:
				return p.listPrograms(c.Context(), asJSON)
			}
			where, err := p.paths()
			if err != nil {
				return err
			}
			l, err := local.Dial(c.Context(), local.DialOptions{Paths: where, Start: local.UnlessStopped, Log: p.logger()})
			if err != nil {
				return err
			}
			found, err := l.Program(c.Context(), local.Name{Name: args[0]})
			l.Close()
			if err != nil {
				return err
			}
			return p.startProgram(c.Context(), found)
		},
	}
	c.Flags().BoolVar(&list, "list", false, "list the programs, and start none")
	c.Flags().BoolVar(&asJSON, "json", false, "print the list as JSON")
	return c
}

func (p *program) listPrograms(ctx context.Context, asJSON bool) error {
	return p.ask(ctx, func(l *local.Client) error {
		out, err := l.Programs(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return p.printJSON(out.Programs)
		}
		if len(out.Programs) == 0 {
			fmt.Fprintln(p.stderr, "There are no programs. keyporter scan --fix moves the keys of such entries into the vault.")
			return nil
		}
		t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tPROGRAM")
		for _, s := range out.Programs {
			fmt.Fprintf(t, "%s\t%s\n", oneLine(s.Name), oneLine(s.Command))
		}
		return t.Flush()
	})
}

// startProgram starts a program in place of this one, where the system can do that.
func (p *program) startProgram(ctx context.Context, f *local.Program) error {
	cmd := exec.CommandContext(ctx, f.Command)
	cmd.Env, cmd.Dir = os.Environ(), f.Dir
	for _, a := range f.Args {
		cmd.Args = append(cmd.Args, a.Reveal())
	}
	for name, v := range f.Env {
		cmd.Env = append(cmd.Env, name+"="+v.Reveal())
		if strings.EqualFold(name, "PATH") { // which the program is to be found in
			if err := os.Setenv(name, v.Reveal()); err != nil {
				return err
			}
			cmd.Path, cmd.Err = exec.LookPath(f.Command)
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.stdin, p.stdout, p.stderr
	if cmd.Err != nil {
		return hint.Wrap(cmd.Err, hint.NotFound, "The program "+oneLine(f.Command)+" is not there.", "Install it, or put its folder into PATH.")
	}
	return become(cmd)
}
