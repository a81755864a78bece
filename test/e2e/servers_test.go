//go:build unix

//lint:file-ignore SA1019 servers of the legacy era still log, sample and ask for roots, and a bridge carries it

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/internal/peers"
)

// modern is the newest protocol version, which has no initialize and no
// sessions; legacy is the newest of those that do.
const (
	modern = "2026-07-28"
	legacy = "2025-11-25"
)

// A client is an MCP client made with the Go SDK, in front of a bridge.
type client struct {
	*mcp.ClientSession
	t       *testing.T
	err     *output
	changed chan struct{} // a value for each list_changed of tools
	pace    chan *mcp.ProgressNotificationParams
	logs    chan *mcp.LoggingMessageParams
}

// join connects a client to a server's bridge. version is what the client
// offers; empty is its newest, with which it falls back by itself.
func join(h *home, name, version string) *client {
	h.t.Helper()
	c := &client{t: h.t, changed: make(chan struct{}, 8), pace: make(chan *mcp.ProgressNotificationParams, 64), logs: make(chan *mcp.LoggingMessageParams, 64)}
	sdk := mcp.NewClient(&mcp.Implementation{Name: "test client", Version: "1"}, &mcp.ClientOptions{
		ToolListChangedHandler:      func(context.Context, *mcp.ToolListChangedRequest) { c.changed <- struct{}{} },
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) { c.pace <- r.Params },
		LoggingMessageHandler:       func(_ context.Context, r *mcp.LoggingMessageRequest) { c.logs <- r.Params },
		CreateMessageHandler: func(_ context.Context, r *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Model: "test", Role: "assistant", Content: &mcp.TextContent{Text: "sampled words"}}, nil
		},
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada", "username": "ada", "color": "green"}}, nil
		},
	})
	sdk.AddRoots(&mcp.Root{URI: "file:///srv/data", Name: "data"})
	cmd, stderr := h.command([]string{"bridge", name}, nil)
	c.err = stderr
	session, err := sdk.Connect(h.t.Context(), &mcp.CommandTransport{Command: cmd}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		h.t.Fatalf("connect to the bridge: %v\n%s", err, stderr)
	}
	c.ClientSession = session
	h.t.Cleanup(func() {
		// The SDK counts any end of the process but exit code 0 as an error.
		if err := session.Close(); err != nil {
			h.t.Errorf("close the session: %v\n%s", err, stderr)
		}
		if h.t.Failed() {
			h.t.Logf("the bridge wrote:\n%s", stderr)
		}
	})
	return c
}

func (c *client) wantVersion(want string) {
	c.t.Helper()
	if got := c.InitializeResult().ProtocolVersion; got != want {
		c.t.Errorf("protocol version %s, want %s", got, want)
	}
}

// call calls a tool and checks that its text has what is wanted in it.
func (c *client) call(tool string, arguments map[string]any, want string) {
	c.t.Helper()
	if arguments == nil {
		arguments = map[string]any{}
	}
	p := &mcp.CallToolParams{Name: tool, Arguments: arguments}
	p.SetProgressToken("progress of " + tool)
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	r, err := c.CallTool(ctx, p)
	if err != nil {
		c.t.Errorf("%s: %v", tool, err)
		return
	}
	var text strings.Builder
	for _, content := range r.Content {
		if t, ok := content.(*mcp.TextContent); ok {
			text.WriteString(t.Text)
		}
	}
	if r.IsError || !strings.Contains(text.String(), want) {
		c.t.Errorf("%s said %q (error: %v), want %q", tool, text.String(), r.IsError, want)
	}
}

// wantTools checks that some tools are listed.
func (c *client) wantTools(want ...string) {
	c.t.Helper()
	var got []string
	for tool, err := range c.Tools(c.t.Context(), nil) {
		if err != nil {
			c.t.Fatal(err)
		}
		got = append(got, tool.Name)
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			c.t.Errorf("the tool %s is not among %v", name, got)
		}
	}
}

// wants waits for a value on a channel.
func wants[T any](t *testing.T, what string, from <-chan T) (v T) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v = <-from:
	case <-timer.C:
		t.Fatalf("%s did not come", what)
	}
	return v
}

// wantProgress checks that three reports on a call came, in order.
func (c *client) wantProgress(tool string) {
	c.t.Helper()
	last := -1.0
	for range 3 {
		p := wants(c.t, "progress", c.pace)
		if p.ProgressToken != "progress of "+tool || p.Progress <= last {
			c.t.Errorf("progress %+v after %v", p, last)
		}
		last = p.Progress
	}
}

func openServer(t *testing.T, url string) *home {
	t.Helper()
	h := newHome(t)
	h.do("add", "peer", url)
	return h
}

func TestGoServerOfBothErasWorksThroughABridge(t *testing.T) {
	t.Parallel()
	h := openServer(t, peers.EverythingServer(t, true))
	t.Run("modern", func(t *testing.T) {
		h := h.in(t)
		c := join(h, "peer", "")
		c.wantVersion(modern)
		c.wantTools("test_simple_text", "test_x_mcp_header")
		c.call("test_simple_text", nil, "This is a simple text response for testing.")
		c.call("test_tool_with_progress", nil, "progress of test_tool_with_progress")
		c.wantProgress("test_tool_with_progress")
		c.call("test_x_mcp_header", map[string]any{"region": "eu"}, "region=eu")
		// Since 2026-07-28 a server asks in its result, and the call is repeated.
		c.call("test_input_required_result_elicitation", nil, "Hello, Ada!")
		c.call("test_input_required_result_sampling", nil, "sampled words")
		c.call("test_input_required_result_multi_round", nil, "")
		c.call("test_trigger_tool_change", nil, "published")
		wants(t, "list_changed on the subscription", c.changed)
		if _, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "no_such_tool"}); err == nil {
			t.Error("a tool that does not exist can be called")
		}
	})
	for _, version := range []string{legacy, "2025-06-18", "2025-03-26"} {
		t.Run(version, func(t *testing.T) {
			c := join(h.in(t), "peer", version)
			c.wantVersion(version)
			c.wantTools("test_simple_text", "test_error_handling")
			c.call("test_simple_text", nil, "This is a simple text response for testing.")
			c.call("test_tool_with_progress", nil, "progress of test_tool_with_progress")
			c.wantProgress("test_tool_with_progress")
		})
	}
}

func TestGoServerWithSessionsWorksThroughABridge(t *testing.T) {
	t.Parallel()
	h := openServer(t, peers.EverythingServer(t, false))
	c := join(h, "peer", "") // it offers the newest version and has to fall back
	c.wantVersion(legacy)
	c.wantTools("test_sampling", "test_elicitation")
	c.call("test_simple_text", nil, "This is a simple text response for testing.")
	c.call("test_tool_with_progress", nil, "progress of test_tool_with_progress")
	c.wantProgress("test_tool_with_progress")
	check(t, c.SetLoggingLevel(t.Context(), &mcp.SetLoggingLevelParams{Level: "debug"}))
	c.call("test_tool_with_logging", nil, "executed successfully")
	for range 3 {
		if m := wants(t, "a log message", c.logs); m.Level != "info" {
			t.Errorf("log message of level %s", m.Level)
		}
	}
	c.call("test_sampling", map[string]any{"prompt": "Say words."}, "LLM response: sampled words")
	c.call("test_elicitation", map[string]any{"message": "Who are you?"}, "action=accept")
	c.call("test_elicitation_sep1034_defaults", nil, "accept")
	// This server ends a stream that it cannot resume: the call fails with words,
	// and the session goes on.
	_, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "test_reconnection", Arguments: map[string]any{}})
	if err == nil || !strings.Contains(err.Error(), "The server ended the connection without an answer.") {
		t.Errorf("a stream that broke: %v", err)
	}
	c.call("test_trigger_tool_change", nil, "published")
	wants(t, "list_changed on the GET stream", c.changed)
	if r, err := c.ListPrompts(t.Context(), nil); err != nil || len(r.Prompts) == 0 {
		t.Errorf("prompts %v, %v", r, err)
	}
	if r, err := c.ListResources(t.Context(), nil); err != nil || len(r.Resources) == 0 {
		t.Errorf("resources %v, %v", r, err)
	}
	c.call("test_simple_text", nil, "This is a simple text response for testing.")
}

func TestNodeServerWithSessionsWorksThroughABridge(t *testing.T) {
	t.Parallel()
	h := openServer(t, peers.NodeServerEverything(t, peers.StreamableHTTP))
	c := join(h, "peer", "")
	c.wantVersion(legacy)
	c.wantTools("echo", "get-sum")
	c.call("echo", map[string]any{"message": "grüße 🗝"}, "grüße 🗝")
	c.call("get-sum", map[string]any{"a": 2, "b": 40}, "42")
	c.call("trigger-long-running-operation", map[string]any{"duration": 0.3, "steps": 3}, "completed")
	c.wantProgress("trigger-long-running-operation")
	// This server offers what asks the client only to clients that can answer,
	// once it has heard from them.
	c.call("trigger-sampling-request", map[string]any{"prompt": "Say words.", "maxTokens": 10}, "sampled words")
	c.call("trigger-elicitation-request", nil, "ada")
	c.call("get-roots-list", nil, "file:///srv/data")
	if r, err := c.ReadResource(t.Context(), &mcp.ReadResourceParams{URI: "demo://resource/dynamic/text/1"}); err != nil || len(r.Contents) != 1 {
		t.Errorf("resource %v, %v", r, err)
	}
	if r, err := c.ListPrompts(t.Context(), nil); err != nil || len(r.Prompts) == 0 {
		t.Errorf("prompts %v, %v", r, err)
	}
}

// TestNodeServerOfHTTPWithSSEWorksThroughABridge has server-everything speak the
// transport of 2024-11-05, which the bridge finds out.
func TestNodeServerOfHTTPWithSSEWorksThroughABridge(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	url := peers.NodeServerEverything(t, peers.HTTPWithSSE)
	for name, flags := range map[string][]string{"found": nil, "told": {"--transport", "sse"}} {
		h.do(append([]string{"add", name, url, "--offline"}, flags...)...)
		c := join(h, name, "")
		c.wantTools("echo", "get-sum")
		c.call("echo", map[string]any{"message": "hello"}, "hello")
		c.call("trigger-long-running-operation", map[string]any{"duration": 1, "steps": 3}, "completed")
		c.wantProgress("trigger-long-running-operation")
	}
}

func TestModernNodeServerWorksThroughABridge(t *testing.T) {
	t.Parallel()
	h := openServer(t, peers.ModernNodeServer(t))
	for _, version := range []string{"", legacy} {
		t.Run("client offers "+fmt.Sprintf("%q", version), func(t *testing.T) {
			c := join(h.in(t), "peer", version)
			c.wantVersion(cmp.Or(version, modern))
			c.wantTools("echo", "route")
			c.call("echo", map[string]any{"text": "grüße 🗝"}, "grüße 🗝")
			c.call("route", map[string]any{"region": "eu"}, "region eu")
			c.call("route", map[string]any{"region": "grüße"}, "region grüße") // not ASCII: encoded in its header
		})
	}
}
