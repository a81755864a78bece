//go:build unix

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/internal/peers"
)

// A bundle is valid for the tool of those who made the format, and what it
// launches, by its manifest or by its own launcher, is the server's bridge.
func TestExtensionIsValidAndLaunchesTheBridge(t *testing.T) {
	t.Parallel()
	h := openServer(t, peers.EverythingServer(t, true))
	h.do("tools", "peer")
	file, dir := filepath.Join(h.dir, "peer.mcpb"), filepath.Join(h.dir, "unpacked")
	h.do("bundle", "peer", "-o", file)
	mcpb := peers.Node(t, "node_modules/@anthropic-ai/mcpb/dist/cli/cli.js")
	for _, args := range [][]string{{"unpack", file, dir}, {"validate", filepath.Join(dir, "manifest.json")}} {
		cmd := exec.CommandContext(t.Context(), mcpb[0], append(mcpb[1:], args...)...)
		cmd.Env, cmd.Dir = h.env, h.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("mcpb %s: %v\n%s", args[0], err, out)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	check(t, err)
	var manifest struct {
		Tools  []struct{ Name string }
		Server struct {
			Entry  string `json:"entry_point"`
			Config struct {
				Command string
				Args    []string
			} `json:"mcp_config"`
		}
	}
	check(t, json.Unmarshal(text, &manifest))
	var known []string
	for _, tool := range manifest.Tools {
		known = append(known, tool.Name)
	}
	c := manifest.Server.Config
	for what, cmd := range map[string]*exec.Cmd{
		"the manifest's command": exec.Command(c.Command, c.Args...),
		"its launcher":           exec.Command(filepath.Join(dir, manifest.Server.Entry)),
	} {
		cmd.Env, cmd.Dir = h.env, h.dir
		s, err := mcp.NewClient(&mcp.Implementation{Name: "host", Version: "1"}, nil).Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		list, err := s.ListTools(t.Context(), nil)
		check(t, err)
		var tools []string
		for _, tool := range list.Tools {
			tools = append(tools, tool.Name)
		}
		if len(tools) == 0 || !slices.Equal(tools, known) {
			t.Errorf("%s has the tools %q, the manifest says %q", what, tools, known)
		}
		check(t, s.Close())
	}
}
