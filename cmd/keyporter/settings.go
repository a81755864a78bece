package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"keyporter/assets"
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
	c.AddCommand(p.settingsGet(), p.settingsSet(), p.settingsDocument())
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
				for _, rule := range st.Policies {
					for _, name := range slices.Sorted(maps.Keys(rule.Settings)) {
						words := "%s is fixed by %s.\n"
						if slices.Contains(rule.Unknown, name) {
							words = "%s stands in %s, but this version does not have it, so it is not in force.\n"
						}
						fmt.Fprintf(p.stderr, words, oneLine(name), rule.Source)
					}
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
  notifications  on or off: desktop notifications; what waits stands in the tray either way
  approvals      off, first-use or session: which programs have to be allowed before they use
                 a server: none, each once, each whenever it is started; see keyporter approvals
  client-metadata-url
                 where your organisation has published Keyporter's client metadata;
                 see keyporter settings client-metadata`,
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

// settingsDocument prints what has to be published at an address for it to be a
// client id (OAuth Client ID Metadata Document). It asks nobody.
func (p *program) settingsDocument() *cobra.Command {
	return &cobra.Command{
		Use:   "client-metadata URL",
		Short: "Print the client metadata to publish at an address",
		Long: `Prints the client ID metadata document that describes Keyporter to providers, for an
administrator to publish at URL: https, public, with a path, as application/json. URL
then is Keyporter's client id at each provider that reads such documents, so that nobody
has to register it there. It counts once it stands in the settings, for one server
(--client-metadata-url) or in a team's profile; until then no such id is used.`,
		Example: `  keyporter settings client-metadata https://example.com/keyporter.json >keyporter.json
  keyporter settings set client-metadata-url=https://example.com/keyporter.json`,
		Args: takes("the address at which the document will be"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := account.CheckDocumentURL(args[0]); err != nil {
				return err
			}
			document, err := assets.ClientMetadata(args[0])
			if err != nil {
				return hint.Wrap(err, hint.Usage, fmt.Sprintf("%q cannot be the address of a client ID metadata document.", oneLine(args[0])),
					"Use a public https address with a path and nothing after it.")
			}
			_, err = p.stdout.Write(document)
			return err
		},
	}
}
