package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"keyporter/internal/hint"
)

func (p *program) demo() *cobra.Command {
	return &cobra.Command{
		Use:   "demo [flags]",
		Short: "A whole world on this machine: identity provider, MCP server, bridge",
		Long: `Starts an identity provider and an MCP server on this machine, adds the server to a
throw-away home, signs in, and calls tools through the bridge, showing each step.
With --keep it stays up, so that Claude Desktop can be pointed at it.`,
		Example:            "  keyporter demo --keep",
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			name := "keyporter-demo"
			if runtime.GOOS == "windows" {
				name += ".exe"
			}
			path := filepath.Join(filepath.Dir(self), name)
			if _, err := os.Stat(path); err != nil {
				if path, err = exec.LookPath(name); err != nil {
					return hint.New(hint.Failed, "The demo is a program of its own, and it is not installed.", "Build it with make build, or run make demo.")
				}
			}
			cmd := exec.CommandContext(c.Context(), path, args...)
			cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
			cmd.WaitDelay = 10 * time.Second
			cmd.Stdin, cmd.Stdout, cmd.Stderr = p.stdin, p.stdout, p.stderr
			err = cmd.Run()
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				return &exitError{exit.ExitCode()}
			}
			return err
		},
	}
}
