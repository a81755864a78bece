package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func (p *program) approvals() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "approvals",
		Short: "List which programs may use what, and who waits",
		Long: `Lists the programs that may use a server or an account, and those that wait for an
answer. Programs are asked about once the setting approvals is first-use or session.`,
		Example: "  keyporter approvals\n  keyporter settings set approvals=first-use",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.askAgain(c.Context(), func(l *local.Client) error {
				st, err := l.State(c.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return p.printJSON(append([]local.Approval{}, st.Approvals...))
				}
				if len(st.Approvals) == 0 {
					mode, err := st.Settings.Get("approvals")
					fmt.Fprintf(p.stderr, "No program has asked yet. The setting approvals is %s.\n", mode)
					return err
				}
				return p.printApprovals(st.Approvals)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (p *program) printApprovals(all []local.Approval) error {
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tPROGRAM\tFOR\tAS\tSINCE")
	for _, a := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, a.State, oneLine(a.Program), oneLine(a.Name()), dash(a.Identity), a.At.Local().Format(time.DateTime))
	}
	return t.Flush()
}

func (p *program) approve() *cobra.Command {
	return p.decide("approve ID", "Allow a program that asked to use a server or an account", "Allowed.", p.allow)
}

// allow approves. The terminal in which a person types this may belong to the very
// program that asked; then the person is asked whether that is meant.
func (p *program) allow(l *local.Client, ctx context.Context, n local.Name) error {
	err := l.Approve(ctx, local.Answer{Name: n.Name})
	if err == nil || hint.CodeOf(err) != hint.ApprovalNeeded || !p.interactive() {
		return err
	}
	st, stateErr := l.State(ctx)
	if stateErr != nil {
		return err
	}
	i := slices.IndexFunc(st.Approvals, func(a local.Approval) bool { return a.ID == n.Name })
	if i < 0 || !p.confirm(ctx, question(&st.Approvals[i])) {
		return err
	}
	return l.Approve(ctx, local.Answer{Name: n.Name, AtTerminal: true})
}

func question(a *local.Approval) string {
	as := ""
	if a.Identity != "" {
		as = " as " + a.Identity
	}
	return fmt.Sprintf("%s wants to use %s%s. Allow it?", a.Program, a.Name(), as)
}

func (p *program) revoke() *cobra.Command {
	return p.decide("revoke ID", "Take an approval back, or deny one that waits", "Not allowed any more.", (*local.Client).Revoke)
}

func (p *program) decide(use, short, done string, f func(*local.Client, context.Context, local.Name) error) *cobra.Command {
	name, _, _ := strings.Cut(use, " ")
	return &cobra.Command{
		Use: use, Short: short,
		Example: "  keyporter " + name + " 4f1d02aa",
		Args:    takes("an ID, which keyporter approvals shows"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				if err := f(l, c.Context(), local.Name{Name: args[0]}); err != nil {
					return err
				}
				fmt.Fprintln(p.stderr, done)
				return nil
			})
		},
	}
}

// allowed runs f. If the program that has started this one must first be allowed to
// use what name names, a person at the terminal is asked, and f runs once more.
func (p *program) allowed(ctx context.Context, l *local.Client, name string, f func() error) error {
	err := f()
	if err == nil || hint.CodeOf(err) != hint.ApprovalNeeded || !p.interactive() {
		return err
	}
	a, askErr := l.AskApproval(ctx, local.ApprovalQuestion{Name: name})
	if askErr != nil || a.State != local.ApprovalWaiting || a.Program == "" {
		return err // it is about something else, or denied
	}
	elsewhere, yes := p.askHere(ctx, l, name, question(a))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case elsewhere != nil && elsewhere.State == local.ApprovalAllowed:
	case elsewhere != nil:
		return err
	case !yes:
		_ = l.Revoke(ctx, local.Name{Name: a.ID}) // err says the same
		return err
	default:
		if err := l.Approve(ctx, local.Answer{Name: a.ID, AtTerminal: true}); err != nil {
			return err
		}
	}
	return f()
}

// answerLimit is how long a person at a terminal has to allow a program. No answer is
// a no.
const answerLimit = time.Minute

// askHere asks the person at the terminal about the program that has started this one,
// while the tray asks too. The first answer counts: elsewhere has it if it was not
// given here, or not in time.
func (p *program) askHere(ctx context.Context, l *local.Client, name, question string) (elsewhere *local.Approval, yes bool) {
	here, leave := context.WithCancel(ctx)
	defer leave()
	there, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan *local.Approval, 1)
	go func() {
		a, err := l.AskApproval(there, local.ApprovalQuestion{Name: name, Wait: answerLimit})
		if err != nil || a.State == local.ApprovalWaiting { // an agent of an older version does not wait
			a = nil
		} else {
			leave()
		}
		done <- a
	}()
	yes = p.confirm(here, question)
	left := here.Err() != nil
	cancel()
	if a := <-done; left && a != nil && !yes {
		p.prompt("\n")
		return a, false
	}
	return nil, yes
}
