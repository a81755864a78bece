package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"keyporter/broker"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// A program is one run of the command line.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string

	lines *bufio.Reader // of stdin, once somebody reads lines
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "keyporter",
		Short: "Local auth broker for MCP clients",
		Long: `Keyporter keeps your accounts and keys in the OS keyring and joins MCP clients
such as Claude Desktop to remote MCP servers, with a fresh token on each request.
No key or token stands in a client's configuration.`,
		Example: `  keyporter add notion https://mcp.notion.com/mcp
  keyporter login notion
  keyporter tools notion`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w\n  See %s --help", err, c.CommandPath())}
	})
	root.AddGroup(
		&cobra.Group{ID: "servers", Title: "Servers:"},
		&cobra.Group{ID: "use", Title: "Use:"},
		&cobra.Group{ID: "agent", Title: "Agent:"},
	)
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group("servers", p.add(), p.list(), p.show(), p.set(), p.rename(), p.remove(), p.account(), p.login(), p.logout())
	group("use", p.bridge(), p.tools(), p.call(), p.token(), p.log(), p.demo())
	group("agent", p.status(), p.start(), p.stop(), p.pause(), p.resume(), p.vault(), p.agent())
	root.AddCommand(p.version())
	checkArgs(root)
	return root
}

// checkArgs gives every command's complaints about arguments exit code 2.
func checkArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &usageError{fmt.Errorf("%w\n  Usage: %s\n  See %s --help", err, c.UseLine(), c.CommandPath())}
			}
			return nil
		}
	} else if c.HasSubCommands() {
		c.Args = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("there is no command %q\n  See %s --help", args[0], c.CommandPath())}
			}
			return nil
		}
		if c.RunE == nil {
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
	for _, sub := range c.Commands() {
		checkArgs(sub)
	}
}

// paths returns the folders of this user, or an error with words.
func (p *program) paths() (paths.Paths, error) { return paths.Find(p.getenv) }

// logger writes to stderr what KEYPORTER_LOG asks for: debug, info, warn
// (the default) or error.
func (p *program) logger() *slog.Logger {
	level := slog.LevelWarn
	if s := p.getenv("KEYPORTER_LOG"); s != "" {
		if err := level.UnmarshalText([]byte(s)); err != nil {
			level = slog.LevelInfo
		}
	}
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
}

// dial connects to the agent, starting it if it is not there. A command that a
// person typed also ends a stop.
func (p *program) dial(ctx context.Context) (*local.Client, error) {
	where, err := p.paths()
	if err != nil {
		return nil, err
	}
	return local.Dial(ctx, local.DialOptions{Paths: where, Start: local.Always, Log: p.logger()})
}

// ask connects to the agent and runs f. If the vault is locked and its
// passphrase can be had here, from a file or by asking, it is unlocked and f
// runs once more.
func (p *program) ask(ctx context.Context, f func(*local.Client) error) error {
	c, err := p.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	err = f(c)
	if hint.CodeOf(err) != hint.Locked || err == nil {
		return err
	}
	unlocked, unlockErr := p.unlock(ctx, c)
	if unlockErr != nil {
		return unlockErr
	}
	if !unlocked {
		return err
	}
	return f(c)
}

// unlock opens a locked vault. It reports false when there is nobody to ask.
func (p *program) unlock(ctx context.Context, c *local.Client) (bool, error) {
	st, err := c.State(ctx)
	if err != nil || st.Vault.Open {
		return false, err
	}
	if st.Vault.Backend != "passphrase" {
		if !p.interactive() {
			return false, nil
		}
		fmt.Fprintln(p.stderr, "The keyring is locked; it asks for its password now.")
		return true, c.Unlock(ctx, local.Unlock{})
	}
	var pass secret.Value
	switch file := p.getenv("KEYPORTER_PASSPHRASE_FILE"); {
	case file != "":
		pass, err = broker.ReadPassphrase(file)
	case p.interactive():
		pass, err = p.readPassphrase("Passphrase of Keyporter's vault: ")
	default:
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, c.Unlock(ctx, local.Unlock{Passphrase: &secret.Plain{Value: pass}})
}

// interactive reports whether a person can answer here.
func (p *program) interactive() bool {
	f, ok := p.stdin.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readPassphrase asks for a passphrase without showing it.
func (p *program) readPassphrase(prompt string) (secret.Value, error) {
	f, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return secret.Value{}, hint.New(hint.Locked, "A passphrase is needed, and nobody can be asked here.", "Name a file with --passphrase-file or KEYPORTER_PASSPHRASE_FILE.")
	}
	fmt.Fprint(p.stderr, prompt)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(p.stderr)
	if err != nil {
		return secret.Value{}, fmt.Errorf("read passphrase: %w", err)
	}
	if len(b) == 0 {
		return secret.Value{}, hint.New(hint.Locked, "The passphrase is empty.", "Try again.")
	}
	return secret.New(string(b)), nil
}

// readLine reads a line of stdin.
func (p *program) readLine() (string, error) {
	if p.lines == nil {
		p.lines = bufio.NewReader(p.stdin)
	}
	s, err := p.lines.ReadString('\n')
	if err != nil && s == "" {
		return "", err
	}
	return strings.TrimRight(s, "\r\n"), nil
}

// confirm asks a question that is answered with yes or no; no is the default.
// Without a person it is no.
func (p *program) confirm(question string) bool {
	if !p.interactive() {
		return false
	}
	fmt.Fprintf(p.stderr, "%s [y/N] ", printable(question))
	s, err := p.readLine()
	return err == nil && (strings.EqualFold(s, "y") || strings.EqualFold(s, "yes"))
}

// agreed runs f, and where a person has to agree to where tokens go, asks and
// runs it once more with bind.
func (p *program) agreed(bind bool, f func(bind bool) error) error {
	err := f(bind)
	if err == nil || bind || hint.CodeOf(err) != hint.ApprovalNeeded || !p.interactive() {
		return err
	}
	if !p.confirm(hint.Of(err).What + " Is that right?") {
		return err
	}
	return f(true)
}

// maxSecret is how long a file with a secret may be, in bytes.
const maxSecret = 1 << 20

// readSecret reads a file that holds a secret; "-" is stdin. One line end at its
// end does not count.
func (p *program) readSecret(path string) (secret.Plain, error) {
	r := p.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return secret.Plain{}, hint.Wrap(pathless(err), hint.Failed, fmt.Sprintf("The file %s cannot be read.", path), "Check its name and that it is yours.")
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	switch {
	case err != nil:
		return secret.Plain{}, hint.Wrap(pathless(err), hint.Failed, fmt.Sprintf("The file %s cannot be read.", path), "Check that it is a file.")
	case len(b) > maxSecret:
		return secret.Plain{}, hint.New(hint.Usage, fmt.Sprintf("The file %s is too large for a key or a token.", path), "Check its name.")
	case len(strings.TrimSpace(string(b))) == 0:
		return secret.Plain{}, hint.New(hint.Usage, fmt.Sprintf("The file %s is empty.", path), "Check its name.")
	}
	return secret.Plain{Value: secret.New(strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"))}, nil
}

// pathless takes the path, which the sentence names already, off a file error.
func pathless(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// printJSON writes a value as indented JSON.
func (p *program) printJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// warn prints a warning with words.
func (p *program) warn(h *hint.Error) {
	if h == nil {
		return
	}
	fmt.Fprintf(p.stderr, "Warning: %s\n", printable(h.Text()))
	if h.Cause != nil {
		fmt.Fprintf(p.stderr, "  Details: %s\n", printable(h.Cause.Error()))
	}
}

// left says how long from now until t, as people say it.
func left(t time.Time, now time.Time) string {
	d := t.Sub(now)
	switch {
	case t.IsZero():
		return ""
	case d <= 0:
		return "expired"
	case d < time.Minute:
		return "less than a minute left"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min left", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h left", int(d.Hours()))
	}
	return fmt.Sprintf("%d days left", int(d.Hours()/24))
}

// printLine writes a value as one line of JSON.
func (p *program) printLine(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
