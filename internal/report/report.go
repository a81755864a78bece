// Package report writes the doctor's checks as text: for a terminal, and as a
// report that a person hands on, without what would name that person or serve as
// a key. It is linked into the command line and the tray app, and asks nobody.
package report

import (
	"fmt"
	"strings"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// titles are the checks as people call them.
var titles = map[local.CheckID]string{
	local.CheckPrograms: "Programs", local.CheckAgent: "Agent", local.CheckSettings: "Settings", local.CheckKeyring: "Keyring", local.CheckVault: "Vault", local.CheckLog: "Audit log",
	local.CheckClock: "Clock", local.CheckDNS: "Name (DNS)", local.CheckProxy: "Proxy", local.CheckConnection: "Connection", local.CheckTLS: "Certificate",
	local.CheckAnswer: "Answer", local.CheckResource: "Server metadata", local.CheckAuthServer: "Sign-in metadata", local.CheckRegistration: "Registration",
	local.CheckGrant: "Token", local.CheckClaims: "Token's content", local.CheckRoundTrip: "Session",
	local.CheckClient: "Client", local.CheckProcesses: "Processes", local.CheckAutostart: "Start at login",
}

// Title returns the name of a check; of one that this version does not know, its
// ID.
func Title(id local.CheckID) string {
	if t := titles[id]; t != "" {
		return t
	}
	return string(id)
}

// marks are the results, told apart by shape.
var marks = map[local.CheckResult]string{local.CheckOK: "✓", local.CheckNote: "!", local.CheckFailed: "✗", local.CheckSkipped: "–"}

// A Printer writes checks one after the other, with a line above those of each
// subject.
type Printer struct {
	printed bool
	section string
}

// Lines returns the lines of the next check.
func (p *Printer) Lines(c *local.Check) string {
	var b strings.Builder
	if s := Section(c); s != p.section || !p.printed {
		if p.printed {
			b.WriteByte('\n')
		}
		p.section, p.printed = s, true
		b.WriteString(s + "\n")
	}
	mark := marks[c.Result]
	if mark == "" {
		mark = "!"
	}
	seen := oneLine(c.Seen)
	if c.Result == local.CheckSkipped {
		seen = fmt.Sprintf("not looked at; first mend: %s", Title(c.After))
	}
	title := Title(c.ID)
	if c.ID == local.CheckClient && c.Subject != "" {
		title = oneLine(c.Subject)
	}
	b.WriteString(strings.TrimRight(fmt.Sprintf("  %s %-17s %s", mark, title, seen), " ") + "\n")
	if c.Problem != nil {
		fmt.Fprintf(&b, "      %s\n", oneLine(c.Problem.What))
		if c.Problem.Do != "" {
			fmt.Fprintf(&b, "      → %s\n", oneLine(c.Problem.Do))
		}
		if c.Problem.Cause != nil && c.Result == local.CheckFailed && !hint.NeedsPerson(c.Problem) {
			fmt.Fprintf(&b, "      Details: %s\n", strings.ReplaceAll(c.Problem.Cause.Error(), "\n", "\n               "))
		}
	}
	return b.String()
}

// oneLine keeps a text from outside from looking like a check of its own.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

// Section returns what a check is about: Keyporter itself, a server by its name,
// or what launches bridges.
func Section(c *local.Check) string {
	switch c.ID {
	case local.CheckPrograms, local.CheckAgent, local.CheckSettings, local.CheckKeyring, local.CheckVault, local.CheckLog:
		return "Keyporter"
	case local.CheckClient, local.CheckProcesses, local.CheckAutostart:
		return "MCP clients and start"
	}
	if c.Subject == "" {
		return "Servers"
	}
	return c.Subject
}

// Summary counts what did not go well, in a sentence.
func Summary(checks []*local.Check) string {
	failed, notes := 0, 0
	for _, c := range checks {
		switch c.Result {
		case local.CheckFailed:
			failed++
		case local.CheckNote:
			notes++
		}
	}
	switch {
	case failed == 1:
		return "One check failed."
	case failed > 0:
		return fmt.Sprintf("%d checks failed.", failed)
	case notes > 0:
		return "Nothing failed; what is marked with ! is worth a look."
	}
	return "Everything is in order."
}

// Text returns the whole report, redacted.
func Text(checks []*local.Check, at time.Time, getenv func(string) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Keyporter's doctor, %s\n\n", at.UTC().Format("2006-01-02 15:04 MST"))
	var p Printer
	for _, c := range checks {
		b.WriteString(p.Lines(c))
	}
	b.WriteString("\n" + Summary(checks) + "\n")
	return Redact(b.String(), getenv)
}
