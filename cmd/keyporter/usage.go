package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is how wide help texts are, in columns.
const helpWidth = 98

// plainUsage gives root and the commands below it help that ends with an
// example, and complaints in plain words with exit code 2.
func plainUsage(root *cobra.Command) {
	root.SetUsageFunc(func(c *cobra.Command) error { return writeUsage(c.OutOrStderr(), c) })
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		about := c.Long
		if about == "" {
			about = c.Short + "."
		}
		fmt.Fprintf(c.OutOrStdout(), "%s\n\n", about)
		_ = writeUsage(c.OutOrStdout(), c) // there is nowhere to say that standard output is gone
	})
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return wrong(c, flagWords(c, err)) })
	checkArgs(root)
}

func writeUsage(w io.Writer, c *cobra.Command) error {
	var b strings.Builder
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "Usage: %s COMMAND\n", c.CommandPath())
		writeCommands(&b, c)
	} else {
		fmt.Fprintf(&b, "Usage: %s\n", strings.TrimSuffix(c.UseLine(), " [flags]"))
		if flags := c.LocalFlags(); flags.HasAvailableFlags() {
			fmt.Fprintf(&b, "\n%s", flags.FlagUsagesWrapped(helpWidth))
		}
	}
	if c.HasExample() {
		title := "Example:"
		if strings.Contains(c.Example, "\n") {
			title = "Examples:"
		}
		fmt.Fprintf(&b, "\n%s\n%s\n", title, c.Example)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeCommands lists what is below a command, in the order in which it was
// added.
func writeCommands(b *strings.Builder, c *cobra.Command) {
	list := func(group string) {
		for _, sub := range c.Commands() {
			if sub.GroupID == group && !sub.Hidden && sub.Deprecated == "" {
				fmt.Fprintf(b, "  %-20s%s\n", sub.Name(), sub.Short)
			}
		}
	}
	b.WriteByte('\n')
	for _, g := range c.Groups() { // with no line between them, to fit a screen
		fmt.Fprintf(b, "%s\n", g.Title)
		list(g.ID)
	}
	if len(c.Groups()) == 0 {
		list("")
	}
	fmt.Fprintf(b, "\nMore about one of them: %s COMMAND --help\n", c.CommandPath())
}

// A usageError is a wrong command line.
type usageError struct{ error }

// wrong is a usageError with the right form of the command.
func wrong(c *cobra.Command, what string) error {
	right := "See " + c.CommandPath() + " --help."
	if example, _, _ := strings.Cut(strings.TrimSpace(c.Example), "\n"); !c.HasSubCommands() && example != "" {
		right = "Example: " + example + "\n  " + right
	}
	return &usageError{errors.New(what + "\n  " + right)}
}

// flagWords says what is wrong with a flag. It repeats no value: that may be a
// secret which belongs in a file.
func flagWords(c *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return fmt.Sprintf("%s has no flag -%s.", c.CommandPath(), oneLine(name))
		}
		return fmt.Sprintf("%s has no flag --%s.", c.CommandPath(), oneLine(name))
	case errors.As(err, &missing):
		return fmt.Sprintf("--%s needs a value.", missing.GetFlag().Name)
	case errors.As(err, &invalid):
		return fmt.Sprintf("--%s is either given or not; it takes no value but true and false.", invalid.GetFlag().Name)
	}
	return fmt.Sprintf("The flags of %s cannot be read.", c.CommandPath())
}

// takes checks arguments by what they are: "a name". One in brackets may be left
// out, and the last one may be there more than once if it ends with "...".
func takes(words ...string) cobra.PositionalArgs {
	least, most := len(words), len(words)
	named := make([]string, len(words))
	for i, w := range words {
		named[i] = strings.Trim(w, "[]")
		if named[i] != w {
			least = min(least, i)
		}
		if name, more := strings.CutSuffix(named[i], "..."); more {
			named[i], most = name, -1
		}
	}
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return wrong(c, fmt.Sprintf("%s needs %s.", c.CommandPath(), enumerate(named[:least])))
		case most == 0 && len(args) > 0:
			return wrong(c, fmt.Sprintf("%s takes no arguments.", c.CommandPath()))
		case most >= 0 && len(args) > most:
			return wrong(c, fmt.Sprintf("%s takes %s, and nothing else. What has spaces in it needs quotes.", c.CommandPath(), enumerate(named)))
		}
		return nil
	}
}

func enumerate(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// needs checks that the flags without which a command makes no sense are given.
func needs(c *cobra.Command, flags ...string) *cobra.Command {
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		for _, name := range flags {
			if f := c.Flags().Lookup(name); f == nil || f.Value.String() == "" {
				return wrong(c, fmt.Sprintf("%s needs --%s.", c.CommandPath(), name))
			}
		}
		return nil
	}
	return c
}

// checkArgs makes a command that has others below it show its help, or say that
// there is no such command.
func checkArgs(c *cobra.Command) {
	if c.HasSubCommands() {
		c.SuggestionsMinimumDistance = 2
		c.Args = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			what := fmt.Sprintf("There is no command %s %s.", c.CommandPath(), oneLine(args[0]))
			if near := c.SuggestionsFor(args[0]); len(near) > 0 {
				what += fmt.Sprintf(" There is %s %s.", c.CommandPath(), near[0])
			}
			return wrong(c, what)
		}
		if c.RunE == nil {
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
	for _, sub := range c.Commands() {
		checkArgs(sub)
	}
}

// wrapped joins words with commas, in lines that fit help texts.
func wrapped(words []string, indent string) string {
	var b strings.Builder
	width := len(indent)
	for i, w := range words {
		if i < len(words)-1 {
			w += ","
		}
		switch {
		case i == 0:
		case width+1+len(w) > helpWidth:
			b.WriteString("\n" + indent)
			width = len(indent)
		default:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(w)
		width += len(w)
	}
	return b.String()
}
