package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keyporter/broker/local"
)

func (p *program) log() *cobra.Command {
	var follow, asJSON, verify bool
	c := &cobra.Command{
		Use:   "log",
		Short: "Show who used what, when, and how it ended",
		Long: `Shows the audit log: names and sizes, never arguments or tokens. With --verify it says
instead whether anybody took records out, changed, moved or added some since they were
written; that somebody did is exit code 1.`,
		Example: "  keyporter log -f\n  keyporter log --verify",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			if verify && follow {
				return wrong(c, "A log is either followed or verified.")
			}
			if verify {
				return p.askAgain(c.Context(), func(l *local.Client) error { return p.verifyLog(c.Context(), l, asJSON) })
			}
			return p.ask(c.Context(), func(l *local.Client) error {
				err := l.Log(c.Context(), local.LogRequest{Follow: follow}, func(r *local.AuditRecord) error {
					if asJSON {
						return p.printLine(r)
					}
					_, err := fmt.Fprintln(p.stdout, logLine(r))
					return err
				})
				if follow && c.Context().Err() != nil {
					return &exitError{exitInterrupted} // that is how one ends it
				}
				return err
			})
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new records")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	c.Flags().BoolVar(&verify, "verify", false, "check that the log is as it was written")
	return c
}

// verifyLog says whether the audit log is whole.
func (p *program) verifyLog(ctx context.Context, l *local.Client, asJSON bool) error {
	got, err := l.VerifyLog(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		if err := p.printJSON(got); err != nil {
			return err
		}
	} else {
		p.printVerified(got)
	}
	if len(got.Broken) > 0 {
		return &exitError{exitFailed}
	}
	return nil
}

func (p *program) printVerified(v *local.VerifiedLog) {
	for _, b := range v.Broken {
		fmt.Fprintf(p.stdout, "%s, line %d: %s.\n", oneLine(b.File), b.Line, oneLine(b.What))
	}
	switch {
	case v.More > 0:
		fmt.Fprintf(p.stdout, "There are %d more such places.\n", v.More)
	case len(v.Broken) == 0:
		fmt.Fprintf(p.stdout, "All %d records are whole.\n", v.Records-v.Before)
	}
	if v.Late > 0 {
		fmt.Fprintf(p.stdout, "%d of them were written while the vault was locked: they are sealed from when it was opened, not from when they were written.\n", v.Late)
	}
	if v.Before > 0 {
		fmt.Fprintf(p.stdout, "%d older records were not sealed with this vault's key: nothing can be said about them.\n", v.Before)
	}
}

// logLine is a record as people read it.
func logLine(r *local.AuditRecord) string {
	parts := []string{r.Time.Local().Format(time.DateTime)}
	what := strings.ReplaceAll(r.Event, "_", " ")
	if r.Event == "call" {
		what = strings.TrimSpace(r.Method + " " + r.Name)
	} else if r.Name != "" {
		what += " " + r.Name
	}
	who := r.Server
	if who == "" {
		who = r.Account
	}
	if r.Program != "" {
		who = strings.TrimSuffix(r.Program+" → "+who, " → ")
	}
	for _, s := range []string{who, what} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if r.Latency > 0 {
		parts = append(parts, fmt.Sprintf("%d ms", r.Latency.Milliseconds()))
	}
	if n := r.BytesIn + r.BytesOut; n > 0 {
		parts = append(parts, size(n))
	}
	if r.Outcome != "ok" {
		parts = append(parts, strings.ReplaceAll(r.Outcome, "_", " "))
	}
	return oneLine(strings.Join(parts, " · "))
}

// size writes a number of bytes as people read it.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 999_950: // what rounds to 1000.0 KB is 1.0 MB
		return fmt.Sprintf("%.1f KB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1000/1000)
}
