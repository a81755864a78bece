package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func (p *program) scan() *cobra.Command {
	var fix, undo, asJSON bool
	c := &cobra.Command{
		Use:   "scan [FOLDER...]",
		Short: "Find raw keys in MCP clients' configurations, and move them into the vault",
		Long: `Looks for keys that stand in the clear in MCP clients' configurations, in those of the
projects whose folders are named, and in what other bridges keep of their sign-ins. It
shows where each stands, and its last four characters.

--fix moves them into the vault. An entry of a remote server becomes a bridge to a server
of Keyporter; one that starts a program has keyporter start it with its keys. No copy of
the files as they were is left outside the vault. --undo puts everything back as it was
before the last fix.`,
		Example: "  keyporter scan\n  keyporter scan --fix ~/src/app",
		Args:    takes("[folders of projects...]"),
		RunE: func(c *cobra.Command, args []string) error {
			r := local.ScanRequest{}
			switch {
			case fix && undo:
				return wrong(c, "--fix and --undo exclude each other.")
			case undo && len(args) > 0:
				return wrong(c, "keyporter scan --undo takes back the whole last fix; it takes no folders.")
			case undo:
				r.Action = local.ScanUndo
			case fix:
				r.Action = local.ScanFix
			}
			for _, dir := range args {
				abs, err := filepath.Abs(dir)
				if err != nil {
					return fmt.Errorf("find folder: %w", err)
				}
				r.Folders = append(r.Folders, abs)
			}
			return p.ask(c.Context(), func(l *local.Client) error {
				out, err := l.Scan(c.Context(), r)
				if err != nil {
					return err
				}
				if asJSON {
					err = p.printJSON(out)
				} else {
					err = p.printScan(r.Action, out)
				}
				if err != nil {
					return err
				}
				if len(out.Problems) > 0 || fix && len(out.Left) > 0 {
					return &exitError{exitFailed}
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&fix, "fix", false, "move what is found into the vault")
	c.Flags().BoolVar(&undo, "undo", false, "put back what the last fix moved")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (p *program) printScan(action local.ScanAction, out *local.Scanned) error {
	shown := out.Found
	switch action {
	case local.ScanFix:
		for _, m := range out.Moved {
			if m.Server != "" {
				fmt.Fprintf(p.stdout, "Moved the keys of %s in %s into the vault; it is the server %s now.\n", oneLine(m.Entry), oneLine(m.File), oneLine(m.Server))
			} else {
				fmt.Fprintf(p.stdout, "Moved the keys of %s in %s into the vault; keyporter run %s starts its program with them.\n", oneLine(m.Entry), oneLine(m.File), hint.Arg(m.Run))
			}
		}
		for _, f := range out.Removed {
			fmt.Fprintf(p.stdout, "Moved the file %s into the vault.\n", oneLine(f))
		}
		shown = out.Left
	case local.ScanUndo:
		for _, f := range out.Restored {
			fmt.Fprintf(p.stdout, "Put back %s.\n", oneLine(f))
		}
		shown = nil
	}
	if err := p.printKeys(shown); err != nil {
		return err
	}
	for _, h := range out.Problems {
		p.warn(h)
	}
	switch {
	case action == local.ScanFix && len(out.Moved)+len(out.Removed) > 0:
		fmt.Fprintln(p.stderr, "Quit the MCP clients and start them again. To take this back: keyporter scan --undo")
		for _, name := range out.SignIn {
			fmt.Fprintf(p.stderr, "%s needs a sign-in: keyporter login %s\n", name, hint.Arg(name))
		}
	case action == local.ScanLook && len(out.Found) > 0:
		fmt.Fprintln(p.stderr, "Move them into the vault: keyporter scan --fix")
	case action != local.ScanUndo && len(out.Found) == 0:
		fmt.Fprintln(p.stderr, "No raw keys were found.")
	}
	return nil
}

func (p *program) printKeys(keys []local.RawKey) error {
	if len(keys) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FILE\tSERVER\tWHERE\tKIND\tENDS WITH")
	for _, k := range keys {
		fmt.Fprintf(t, "%s:%d\t%s\t%s\t%s\t%s\n", oneLine(k.File), k.Line, dash(k.Entry), oneLine(k.Place), strings.ReplaceAll(k.Kind, "_", " "), dash(k.Tail))
	}
	return t.Flush()
}
