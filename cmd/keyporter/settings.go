package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func (p *program) settings() *cobra.Command {
	c := &cobra.Command{
		Use:     "settings",
		Short:   "Show and change settings",
		Example: "  keyporter settings get\n  keyporter settings set language=ja",
	}
	c.AddCommand(p.settingsGet(), p.settingsSet())
	return c
}

func (p *program) settingsGet() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "get [NAME]",
		Short:   "Print the settings, or one of them",
		Example: "  keyporter settings get language",
		Args:    takes("[a setting's name]"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				st, err := l.State(c.Context())
				if err != nil {
					return err
				}
				if len(args) == 1 {
					v, err := st.Settings.Get(args[0])
					if err == nil {
						fmt.Fprintln(p.stdout, v)
					}
					return err
				}
				return p.printSettings(&st.Settings, asJSON)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (p *program) printSettings(s *account.Choices, asJSON bool) error {
	values := map[string]string{}
	for _, name := range account.SettingNames() {
		v, err := s.Get(name)
		if err != nil {
			return err
		}
		values[name] = v
		if !asJSON {
			fmt.Fprintf(p.stdout, "%s=%s\n", name, v)
		}
	}
	if asJSON {
		return p.printJSON(values)
	}
	return nil
}

func (p *program) settingsSet() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME=VALUE...",
		Short: "Change settings",
		Long: `Changes settings. An empty value puts the default back.

  language       system, en or ja: of windows, menus and notifications
  notifications  on or off: desktop notifications; what waits stands in the tray either way`,
		Example: "  keyporter settings set language=ja notifications=off",
		Args:    takes("settings of the form NAME=VALUE..."),
		RunE: func(c *cobra.Command, args []string) error {
			values := map[string]string{}
			for _, a := range args {
				name, value, ok := strings.Cut(a, "=")
				if !ok {
					return hint.New(hint.Usage, fmt.Sprintf("%q is not of the form NAME=VALUE.", a), "Example: keyporter settings set language=ja")
				}
				values[name] = value
			}
			return p.ask(c.Context(), func(l *local.Client) error {
				now, err := l.SetSettings(c.Context(), local.SetSettings{Values: values})
				if err != nil {
					return err
				}
				return p.printSettings(now, false)
			})
		},
	}
}
