package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"keyporter/broker/local"
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
		Long: `Keyporter keeps your accounts and keys in the OS keyring and joins MCP clients such as Claude
Desktop to remote MCP servers. No key or token stands in a client's configuration.`,
		Example: `  keyporter add notion https://mcp.notion.com/mcp
  keyporter login notion`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate(versionLine() + "\n")
	root.AddGroup(
		&cobra.Group{ID: "servers", Title: "Servers:"},
		&cobra.Group{ID: "use", Title: "Use:"},
		&cobra.Group{ID: "agent", Title: "Agent, the program in the background that holds the secrets:"},
		&cobra.Group{ID: "other", Title: "Other:"},
	)
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group("servers", p.add(), p.list(), p.show(), p.set(), p.rename(), p.remove(), p.account(), p.login(), p.logout(), p.share(), p.join())
	group("use", p.bridge(), p.tools(), p.call(), p.token(), p.log(), p.demo())
	group("use", p.install(), p.uninstall(), p.clients(), p.bundle(), p.scan(), p.runProgram())
	group("agent", p.doctor(), p.status(), p.start(), p.stop(), p.pause(), p.resume(), p.vault(), p.agent())
	group("other", p.approvals(), p.approve(), p.revoke(), p.settings(), p.version(), p.completion(), p.help())
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(root.Commands()[len(root.Commands())-1])
	plainUsage(root)
	return root
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
	if err := where.Make(); err != nil {
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

// askAgain is ask for what changes nothing: if the agent ends before it has
// answered, the next one is asked.
func (p *program) askAgain(ctx context.Context, f func(*local.Client) error) error {
	err := p.ask(ctx, f)
	if errors.Is(err, local.ErrAgentGone) && ctx.Err() == nil {
		err = p.ask(ctx, f)
	}
	return err
}
