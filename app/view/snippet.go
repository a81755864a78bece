package view

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Config returns what a person pastes into Claude Desktop's config file: the
// whole of a file that has this server only. command is the absolute path of
// keyporter. It names no account and holds no token.
func Config(server, command string) (string, error) {
	type entry struct {
		Command string   `json:"command"`
		Args    []string `json:"args"`
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(map[string]map[string]entry{
		"mcpServers": {server: {Command: command, Args: []string{"bridge", server}}},
	})
	if err != nil {
		return "", fmt.Errorf("write config for %s: %w", Name(server), err)
	}
	return b.String(), nil
}
