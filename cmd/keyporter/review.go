package main

import (
	"fmt"
	"strings"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/team"
)

// reviewText is a review for a terminal: who it is from, every change, and what
// has to be agreed to by itself.
func reviewText(r *local.Review) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", oneLine(r.Name))
	if r.Description != "" {
		fmt.Fprintf(&b, "  %s\n", oneLine(r.Description))
	}
	if r.URL != "" {
		fmt.Fprintf(&b, "  from %s\n", oneLine(r.URL))
	}
	if !r.IssuedAt.IsZero() {
		fmt.Fprintf(&b, "  made on %s%s\n", r.IssuedAt.Local().Format(time.DateOnly), until(r.ExpiresAt))
	}
	fmt.Fprintf(&b, "  %s\n", oneLine(signedBy(&r.Signer)))
	for _, c := range r.Changes {
		b.WriteString("\n" + changeText(&c))
	}
	if len(r.Changes) == 0 {
		b.WriteString("\nNo server and no account changes.\n")
	}
	for i, c := range r.Concerns {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "! %s\n", oneLine(team.Words(&c)))
	}
	return b.String() + "\n"
}

func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", good until " + t.Local().Format(time.DateOnly)
}

func signedBy(s *local.Signer) string {
	switch s.Standing {
	case local.Unsigned:
		return "not signed"
	case local.SignedKnown:
		return fmt.Sprintf("signed by %s (%s)", s.Name, s.Fingerprint)
	case local.SignedExpired:
		return fmt.Sprintf("signed with a key that is known, but not valid on this day (%s)", s.Fingerprint)
	}
	return fmt.Sprintf("signed with a key that is not known here (%s); compare it with whoever made the profile, then --trust", s.Fingerprint)
}

var marks = map[local.ChangeOp]string{local.Added: "+", local.Removed: "-", local.Released: "="}

func changeText(c *local.ProfileChange) string {
	mark, kind := marks[c.Op], "server"
	if mark == "" {
		mark = "~"
	}
	if c.Account {
		kind = "account"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", mark, kind, oneLine(c.Name))
	if c.As != "" {
		fmt.Fprintf(&b, " (%s in the profile; that name is taken here)", oneLine(c.As))
	}
	if c.Op == local.Released {
		b.WriteString(" (no longer in the profile, but used by others: it stays)")
	}
	b.WriteByte('\n')
	for _, m := range c.Members {
		name := strings.ReplaceAll(m.Name, "_", "-")
		if c.Op == local.Added {
			fmt.Fprintf(&b, "    %-16s %s\n", name, oneLine(m.New))
		} else {
			fmt.Fprintf(&b, "    %-16s %s -> %s\n", name, oneLine(orNothing(m.Old)), oneLine(orNothing(m.New)))
		}
	}
	for _, to := range c.To {
		fmt.Fprintf(&b, "    %-16s %s\n", "its tokens go to", oneLine(to))
	}
	switch {
	case c.Needs == local.OwnSecret:
		b.WriteString("    needs a key or secret of yours\n")
	case c.Needs == local.NeedsSignIn:
		b.WriteString("    you sign in as yourself\n")
	}
	return b.String()
}

func orNothing(s string) string {
	if s == "" {
		return "(nothing)"
	}
	return s
}
