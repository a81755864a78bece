package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keyporter/broker/local"
	"keyporter/broker/team"
	"keyporter/internal/hint"
)

// A joinOptions is how somebody wants to join.
type joinOptions struct {
	yes, bind, json bool
	trust           string
}

func (p *program) join() *cobra.Command {
	var o joinOptions
	var list bool
	var forget string
	c := &cobra.Command{
		Use:   "join [FILE|URL]",
		Short: "Join a team profile, or look for new versions",
		Long: `Shows all that joining a team profile would do, and asks. A file (- is standard input), an
https address or a keyporter:// link says where the profile is. An address is remembered:
without arguments, join looks for new versions there. A later version changes what came
from the profile and nothing else.
What could make you send a token to a stranger is asked about by itself. --yes answers the
one question about joining, --bind those.
Who signed a profile is known from the file allowed_signers in Keyporter's configuration
folder, in the form of ssh-keygen; --trust adds the key to it.`,
		Example: "  keyporter join data-team.keyporter.json\n  keyporter join https://example.com/data-team.keyporter.json\n  keyporter join",
		Args:    takes("[a file, an address or a link]"),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case list:
				return p.listProfiles(c.Context(), o.json)
			case forget != "":
				return p.ask(c.Context(), func(l *local.Client) error {
					return l.ForgetProfile(c.Context(), local.Name{Name: forget})
				})
			case len(args) == 0:
				return p.joinUpdates(c.Context(), o)
			}
			r, err := p.source(c.Context(), args[0], o)
			if err != nil {
				return err
			}
			return p.ask(c.Context(), func(l *local.Client) error { return p.joinOne(c.Context(), l, r, o) })
		},
	}
	f := c.Flags()
	f.BoolVar(&o.yes, "yes", false, "join without asking")
	f.BoolVar(&o.bind, "bind", false, "agree also to what has to be agreed to by itself")
	f.StringVar(&o.trust, "trust", "", "know the key that signed it from now on, as `NAME` (an e-mail address)")
	f.BoolVar(&list, "list", false, "list the profiles that were joined")
	f.StringVar(&forget, "forget", "", "look for no new versions of the `PROFILE`; what came from it is yours")
	f.BoolVar(&o.json, "json", false, "print the list, or the review, as JSON")
	return c
}

// source finds out what is to be reviewed.
func (p *program) source(ctx context.Context, what string, o joinOptions) (local.ReviewRequest, error) {
	_, link, err := local.ParseProfileLink(what)
	switch {
	case err != nil:
		return local.ReviewRequest{}, err
	case link && o.yes:
		return local.ReviewRequest{}, hint.New(hint.Usage, "What a link asks for is always looked at first.", "Leave out --yes.")
	case link, strings.HasPrefix(what, "https://"), strings.HasPrefix(what, "http://"):
		return local.ReviewRequest{URL: what}, nil
	}
	text, err := p.readProfile(ctx, what)
	return local.ReviewRequest{Profile: text}, err
}

// joinUpdates looks for new versions of what was joined from an address.
func (p *program) joinUpdates(ctx context.Context, o joinOptions) error {
	return p.ask(ctx, func(l *local.Client) error {
		st, err := l.State(ctx)
		if err != nil {
			return err
		}
		found := false
		for _, profile := range st.Profiles {
			if profile.URL == "" {
				continue
			}
			found = true
			if err := p.joinOne(ctx, l, local.ReviewRequest{Name: profile.Name}, o); err != nil {
				return err
			}
		}
		if !found {
			return hint.New(hint.Usage, "No profile was joined from an address, so there is nothing to look for.", "Name a file or an address: keyporter join FILE")
		}
		return nil
	})
}

// joinOne shows a review, asks, and joins.
func (p *program) joinOne(ctx context.Context, l *local.Client, r local.ReviewRequest, o joinOptions) error {
	review, err := l.ReviewProfile(ctx, r)
	if err != nil {
		return err
	}
	if o.json {
		return p.printJSON(review)
	}
	if review.Nothing {
		fmt.Fprintf(p.stderr, "%s: nothing new.\n", oneLine(review.Name))
		return nil
	}
	fmt.Fprint(p.stdout, reviewText(review))
	agreed, err := p.agree(ctx, review, o)
	if err != nil {
		return err
	}
	out, err := l.JoinProfile(ctx, local.JoinRequest{
		Profile: review.Profile, URL: review.URL, ETag: review.ETag, Digest: review.Digest, Agreed: agreed, Trust: o.trust,
	})
	if err != nil {
		return err
	}
	p.joinedNext(out)
	return nil
}

// agree asks whether to join, and about each concern by itself.
func (p *program) agree(ctx context.Context, r *local.Review, o joinOptions) (concerns bool, err error) {
	declined := hint.New(hint.ApprovalNeeded, fmt.Sprintf("The profile %q was not joined; nothing was changed.", r.Name), "Join it at a terminal, or with --yes after reading the review.")
	if !o.bind {
		for _, c := range r.Concerns {
			if !p.confirm(ctx, team.Words(&c)+" Is that right?") {
				declined.Do = "What is marked with ! has to be agreed to at a terminal, or with --bind."
				return false, declined
			}
		}
	}
	if !o.yes && !p.confirm(ctx, fmt.Sprintf("Join %s?", r.Name)) {
		return false, declined
	}
	return len(r.Concerns) > 0, nil
}

// joinedNext says what is left to do.
func (p *program) joinedNext(out *local.JoinedProfile) {
	fmt.Fprintf(p.stderr, "Joined %s.\n", oneLine(out.Name))
	for _, c := range out.Changes {
		switch {
		case c.Needs == local.OwnSecret && c.Account:
			fmt.Fprintf(p.stderr, "Next: keyporter account rotate %s --key-file FILE\n", hint.Arg(c.Name))
		case c.Needs == local.OwnSecret:
			fmt.Fprintf(p.stderr, "Next: keyporter set %s secret-header=NAME=FILE\n", hint.Arg(c.Name))
		case c.Needs == local.NeedsSignIn:
			fmt.Fprintf(p.stderr, "Next: keyporter login %s\n", hint.Arg(c.Name))
		}
	}
}

func (p *program) listProfiles(ctx context.Context, asJSON bool) error {
	return p.ask(ctx, func(l *local.Client) error {
		st, err := l.State(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return p.printJSON(st.Profiles)
		}
		if len(st.Profiles) == 0 {
			fmt.Fprintln(p.stderr, "No team profile was joined yet.")
			return nil
		}
		t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "PROFILE\tJOINED\tSIGNED BY\tFROM\tSERVERS")
		for _, r := range st.Profiles {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", oneLine(r.Name), r.JoinedAt.Local().Format(time.DateOnly), dash(r.Signer), dash(r.URL), dash(strings.Join(r.Servers, ", ")))
		}
		return t.Flush()
	})
}
