//go:build unix

//lint:file-ignore SA1019 older clients log, and their bridge translates it

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/broker/account"
	"keyporter/internal/peers"
)

// nodeClient runs a node client in front of a server's bridge and returns what it printed.
func (h *home) nodeClient(script string, args ...string) string {
	h.t.Helper()
	line := peers.Node(h.t, script)
	cmd := exec.CommandContext(h.t.Context(), line[0], append(append(line[1:], args...), program, "bridge", "peer")...)
	stderr := &output{}
	cmd.Env, cmd.Dir, cmd.Stderr = h.env, h.dir, stderr
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s%s", script, err, out, stderr)
	}
	return string(out)
}

// An older client of the TypeScript SDK does everything with servers that only
// speak, or are only to be spoken to in, the newer protocol.
func TestOlderNodeClientWorksWithAModernServer(t *testing.T) {
	t.Parallel()
	all := []string{"ping", "list", "elicitation", "sampling", "roots", "progress", "logging", "list-changed", "subscription"}
	t.Run("strict", func(t *testing.T) {
		t.Parallel()
		h := openServer(t, peers.StrictNodeServer(t))
		out := h.nodeClient("older.mjs", "strict")
		for _, name := range append(all, "initialize", "url-elicitation", "cancellation", "resource", "error") {
			if !strings.Contains(out, "ok "+name+"\n") {
				t.Errorf("%s was not seen to work:\n%s", name, out)
			}
		}
	})
	t.Run("go", func(t *testing.T) {
		t.Parallel()
		h := openServer(t, peers.EverythingServer(t, true))
		h.do("set", "peer", "era=modern")
		out := h.nodeClient("older.mjs", "everything")
		for _, name := range append(all, "rounds", "headers") {
			if !strings.Contains(out, "ok "+name+"\n") {
				t.Errorf("%s was not seen to work:\n%s", name, out)
			}
		}
	})
}

// So does one of the Go SDK, in each older version. What kind of server it is is
// found out once.
func TestOlderGoClientWorksWithAModernServer(t *testing.T) {
	t.Parallel()
	h := openServer(t, peers.StrictNodeServer(t))
	for _, version := range []string{legacy, "2025-06-18", "2025-03-26"} {
		t.Run(version, func(t *testing.T) {
			c := join(h.in(t), "peer", version)
			c.wantVersion(version)
			c.wantTools("ask", "count")
			c.call("ask", nil, "Hello, Ada!")
			c.call("everything", nil, "sampled words in file:///srv/data")
			c.call("count", nil, "counted")
			c.wantProgress("count")
			check(t, c.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "debug"}))
			c.call("log", nil, "logged")
			wants(t, "a log message", c.logs)
			c.call("change", nil, "changed")
			wants(t, "list_changed", c.changed)
		})
	}
	var memory struct {
		Servers map[string]struct {
			Era account.Era `json:"era"`
		} `json:"servers"`
	}
	until(t, "the era to be remembered", func() bool {
		b, err := os.ReadFile(h.paths().StateFile())
		return err == nil && json.Unmarshal(b, &memory) == nil && memory.Servers["peer"].Era == account.EraModern
	})
}

// A client that speaks both falls back, with a server that is known and with one
// that nobody has seen.
func TestDualNodeClientFallsBackForAnOlderServer(t *testing.T) {
	t.Parallel()
	h := openServer(t, peers.NodeServerEverything(t, peers.StreamableHTTP))
	for range 2 {
		if out := h.nodeClient("dual.mjs"); !strings.Contains(out, legacy) || !strings.Contains(out, "grüße") {
			t.Errorf("the client said %q", out)
		}
	}
}

// A client that speaks only the newer protocol sees a live server before anybody
// has seen it, and does everything with it when it turns out to be an older one.
func TestNewerNodeClientWorksWithAnOlderServerNobodyHasSeen(t *testing.T) {
	t.Parallel()
	h := openServer(t, peers.NodeServerEverything(t, peers.StreamableHTTP))
	h.do("pause")
	out := h.nodeClient("newer.mjs")
	for _, name := range []string{"stand-in", "list-changed", "echo", "elicitation", "url-elicitation", "sampling", "roots",
		"progress", "cancellation", "discover", "resource", "prompt", "error"} {
		if !strings.Contains(out, "ok "+name+"\n") {
			t.Errorf("%s was not seen to work:\n%s", name, out)
		}
	}
}

// keyporter set reaches bridges that run, and their clients hear of it.
func TestToolsPolicyReachesARunningBridge(t *testing.T) {
	t.Parallel()
	h := openServer(t, peers.NodeServerEverything(t, peers.StreamableHTTP))
	c := join(h, "peer", "")
	c.wantTools("echo", "get-sum")
	h.do("set", "peer", "deny-tool=get-*")
	wants(t, "list_changed", c.changed)
	l, err := c.ListTools(t.Context(), nil)
	check(t, err)
	for _, tool := range l.Tools {
		if strings.HasPrefix(tool.Name, "get-") {
			t.Errorf("%s is still listed", tool.Name)
		}
	}
	if _, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "get-sum", Arguments: map[string]any{"a": 1, "b": 2}}); err == nil || !strings.Contains(err.Error(), "is hidden in Keyporter") {
		t.Errorf("a hidden tool was called: %v", err)
	}
	c.call("echo", map[string]any{"message": "still here"}, "still here")
	h.do("set", "peer", "deny-tool=", "read-only=true")
	wants(t, "list_changed", c.changed)
	for tool, err := range c.Tools(t.Context(), nil) {
		check(t, err)
		if tool.Annotations == nil || !tool.Annotations.ReadOnlyHint {
			t.Errorf("%s is listed, which is not marked as read-only", tool.Name)
		}
	}
}
