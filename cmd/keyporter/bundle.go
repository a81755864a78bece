package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"keyporter/assets"
	"keyporter/broker/install"
	"keyporter/broker/local"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

func (p *program) bundle() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "bundle NAME -o FILE",
		Short: "Make a Claude Desktop extension that launches the bridge",
		Long: `Makes a Claude Desktop extension (.mcpb) that launches the bridge of a server: instead of an
entry in its configuration, which it may forget. Open the file to install it. It is for this
computer, and holds no secret.`,
		Example: "  keyporter bundle notion -o notion.mcpb",
		Args:    takes("a server's name"),
		RunE: func(c *cobra.Command, args []string) error {
			if file == "" {
				return hint.New(hint.Usage, "keyporter bundle needs a file to write.", "Name it: keyporter bundle "+hint.Arg(oneLine(args[0]))+" -o FILE.mcpb")
			}
			return p.ask(c.Context(), func(l *local.Client) error {
				b, err := bundleOf(c, l, args[0])
				if err != nil {
					return err
				}
				var out bytes.Buffer
				if err := b.Write(&out); err != nil {
					return err
				}
				if file == "-" {
					_, err = p.stdout.Write(out.Bytes())
					return err
				}
				if err := atomicfile.WriteFile(file, out.Bytes()); err != nil {
					return atomicfile.Unwritable(oneLine(file), err)
				}
				fmt.Fprintf(p.stderr, "Wrote %s. Open it with Claude Desktop (Settings, Extensions) to install it.\n", oneLine(file))
				return nil
			})
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "", "write the extension to `FILE`; - is standard output")
	return c
}

// bundleOf asks the agent for what a bundle says about a server.
func bundleOf(c *cobra.Command, l *local.Client, name string) (*install.Bundle, error) {
	st, err := l.State(c.Context())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(st.Servers, func(s local.ServerState) bool { return s.Name == name })
	if i < 0 {
		return nil, hint.New(hint.NotFound, fmt.Sprintf("There is no server named %q.", oneLine(name)), "See keyporter list.")
	}
	s := &st.Servers[i]
	if st.Agent.Command == "" {
		return nil, hint.New(hint.Failed, "It is not known under which path Claude Desktop can start keyporter.",
			"Run keyporter stop and then keyporter start, from where Keyporter is installed.")
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	answers, err := l.Answers(c.Context(), local.Name{Name: s.Name})
	if err != nil {
		return nil, err
	}
	return &install.Bundle{
		Server: s.Name, Host: u.Host, Command: st.Agent.Command, Version: version, System: runtime.GOOS,
		Tools: toolNames(answers.Results["tools/list"]), Icon: assets.Icon,
	}, nil
}

// toolNames reads the names in a tools/list result; what is not one is left out.
func toolNames(result json.RawMessage) []string {
	var list struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if json.Unmarshal(result, &list) != nil {
		return nil
	}
	var names []string
	for _, t := range list.Tools {
		if t.Name != "" && t.Name == oneLine(t.Name) {
			names = append(names, t.Name)
		}
	}
	return names
}
