package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Help that fits a screen and ends with an example is part of every command.
func TestEveryHelpFitsAScreenAndEndsWithAnExample(t *testing.T) {
	p := &program{getenv: os.Getenv}
	eachCommand(p.root(), func(c *cobra.Command) {
		var out bytes.Buffer
		status := run(t.Context(), append(strings.Fields(c.CommandPath())[1:], "--help"), nil, &out, &out)
		if c.Name() == "demo" { // its help is the other program's
			return
		}
		text := strings.TrimRight(out.String(), "\n")
		lines := strings.Split(text, "\n")
		if status != exitDone || len(lines) > 50 {
			t.Errorf("%s --help: exit code %d, %d lines, want 0 and 50 at most", c.CommandPath(), status, len(lines))
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > 125 {
				t.Errorf("%s --help: a line of %d columns: %s", c.CommandPath(), n, l)
			}
		}
		example := "Example:\n" + c.Example
		if strings.Contains(c.Example, "\n") {
			example = "Examples:\n" + c.Example
		}
		if c.Example == "" || !strings.HasSuffix(text, example) {
			t.Errorf("%s --help does not end with an example:\n%s", c.CommandPath(), text)
		}
		for _, foreign := range []string{"stringArray", " string ", "[flags]"} {
			if strings.Contains(text, foreign) {
				t.Errorf("%s --help has %q in it", c.CommandPath(), foreign)
			}
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text is %q", c.CommandPath(), c.Short)
		}
	})
}

func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, f)
	}
}

// Examples are commands that exist, with flags that exist.
func TestExamplesAreRight(t *testing.T) {
	p := &program{getenv: os.Getenv}
	root := p.root()
	eachCommand(root, func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			fields := strings.Fields(line)
			if fields[0] != "keyporter" || c.DisableFlagParsing {
				continue
			}
			found, rest, err := root.Find(fields[1:])
			if err != nil || found == root {
				t.Errorf("%s: no such command: %s", c.CommandPath(), line)
				continue
			}
			for _, f := range rest {
				name, ok := strings.CutPrefix(f, "--")
				if ok && found.Flags().Lookup(name) == nil {
					t.Errorf("%s: no flag --%s: %s", c.CommandPath(), name, line)
				}
			}
		}
	})
}

// A flag that takes a secret takes a file.
func TestNoFlagTakesASecret(t *testing.T) {
	p := &program{getenv: os.Getenv}
	eachCommand(p.root(), func(c *cobra.Command) {
		for _, name := range []string{"token", "secret", "client-secret", "key", "password", "passphrase", "bearer", "private-key"} {
			if c.Flags().Lookup(name) != nil {
				t.Errorf("%s has a flag --%s", c.CommandPath(), name)
			}
		}
	})
}
