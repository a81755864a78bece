package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (p *program) version() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  keyporter version",
		Args:    takes(),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.stdout, versionLine())
			return err
		},
	}
}

// versionLine says which program this is, for keyporter version and --version.
func versionLine() string {
	goVersion := runtime.Version()
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	return fmt.Sprintf("keyporter %s %s/%s %s", version, runtime.GOOS, runtime.GOARCH, goVersion)
}

func (p *program) completion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what makes a shell complete commands with the Tab key",
		Long: `Prints a script that makes a shell complete keyporter's commands and flags. The shells
are bash, zsh, fish and powershell.`,
		Example: `  source <(keyporter completion bash)
  keyporter completion fish > ~/.config/fish/completions/keyporter.fish`,
		Args:      takes("a shell: bash, zsh, fish or powershell"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(c *cobra.Command, args []string) error {
			switch root := c.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(p.stdout, true)
			case "zsh":
				return root.GenZshCompletion(p.stdout)
			case "fish":
				return root.GenFishCompletion(p.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(p.stdout)
			}
			return wrong(c, "The shells are bash, zsh, fish and powershell.")
		},
	}
}

func (p *program) help() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Hidden:  true, // --help says the same
		Short:   "Show the help of a command",
		Example: "  keyporter help login",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return wrong(c.Root(), "There is no such command.")
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
