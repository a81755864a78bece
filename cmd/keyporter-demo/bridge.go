package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/internal/fakemcp"
	"keyporter/internal/hint"
)

// A bridge is an MCP client's session with a server through keyporter bridge, as
// Claude Desktop has one.
type bridge struct {
	name    string
	session *mcp.ClientSession
	said    *limited
}

// openBridge launches keyporter bridge and connects to it.
func (k *keyporter) openBridge(ctx context.Context, name string) (*bridge, error) {
	b := &bridge{name: name, said: &limited{}}
	// The session ends the process: by closing its input, then by a signal.
	cmd := exec.Command(k.path, "bridge", name)
	cmd.Env, cmd.Stderr = k.env, b.said
	client := mcp.NewClient(&mcp.Implementation{Name: "keyporter-demo", Title: "Keyporter's demo", Version: "1"}, nil)
	connecting, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	session, err := client.Connect(connecting, &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		return nil, b.failed(ctx, err, "connect")
	}
	b.session = session
	return b, nil
}

// close ends the session and waits for the process.
func (b *bridge) close() error {
	if err := b.session.Close(); err != nil {
		return b.failed(context.Background(), err, "end")
	}
	return nil
}

// call calls a tool, checks that it worked, and reads its structured result.
func (b *bridge) call(ctx context.Context, tool string, args map[string]any, result any) (text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	res, err := b.session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		return "", b.failed(ctx, err, tool)
	}
	for _, c := range res.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			text += t.Text
		}
	}
	if res.IsError {
		return "", hint.New(hint.Failed, fmt.Sprintf("The tool %s of %s failed.", tool, b.name), "It said: "+text)
	}
	structured, err := json.Marshal(res.StructuredContent)
	if err == nil {
		err = json.Unmarshal(structured, result)
	}
	if err != nil {
		return "", hint.Wrap(err, hint.Failed, fmt.Sprintf("The result of the tool %s of %s cannot be read.", tool, b.name), "")
	}
	return text, nil
}

// whoami asks the server who it takes us for and checks the answer.
func (b *bridge) whoami(ctx context.Context, want fakemcp.Identity) (string, error) {
	var got fakemcp.Identity
	text, err := b.call(ctx, "whoami", nil, &got)
	if err != nil {
		return "", err
	}
	if !got.Authenticated || want.Subject != "" && got.Subject != want.Subject || got.Email != want.Email ||
		got.Issuer != want.Issuer || strings.Join(got.Audience, " ") != strings.Join(want.Audience, " ") {
		return "", hint.New(hint.Failed, fmt.Sprintf("The server behind %s takes the caller for somebody else.", b.name),
			fmt.Sprintf("It said: %s", text))
	}
	return "whoami → " + text, nil
}

// add lets the server add two numbers and checks the sum.
func (b *bridge) add(ctx context.Context, x, y float64) (string, error) {
	var got struct{ Sum float64 }
	if _, err := b.call(ctx, "add", map[string]any{"a": x, "b": y}, &got); err != nil {
		return "", err
	}
	if got.Sum != x+y {
		return "", hint.New(hint.Failed, fmt.Sprintf("The server behind %s cannot add: %v and %v gave %v.", b.name, x, y, got.Sum), "")
	}
	return fmt.Sprintf("add %v and %v → %v", x, y, got.Sum), nil
}

// failed says what did not work through the bridge.
func (b *bridge) failed(ctx context.Context, err error, what string) error {
	if ctx.Err() == context.Canceled {
		return ctx.Err()
	}
	do := ""
	if words := lines(b.said.String()); len(words) > 0 {
		do = "It said: " + strings.Join(words[max(0, len(words)-5):], " ")
	}
	return hint.Wrap(err, hint.Failed, fmt.Sprintf("The bridge to %s failed (%s).", b.name, what), do)
}
