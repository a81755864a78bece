package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"keyporter/internal/hint"
)

// Limits of what other programs of ours may take.
const (
	toolsLimit = 20 * time.Second
	demoLimit  = 20 * time.Second
)

// tools returns the names of a server's tools, as a program sees them: through a
// bridge, which keeps the answers at the agent too.
func tools(ctx context.Context, command, server string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, toolsLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, "bridge", server)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("look at tools: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("look at tools: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, hint.Wrap(err, hint.Failed, "The program keyporter could not be started.", "Install Keyporter again.")
	}
	names, err := askTools(in, out)
	in.Close()              // ends the bridge
	cancelled := cmd.Wait() // its exit code says no more than its answers
	if err != nil && ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), cancelled)
	}
	return names, err
}

// askTools speaks MCP (2025-11-25) for as long as the list takes.
func askTools(in io.Writer, out io.Reader) ([]string, error) {
	answers := bufio.NewReaderSize(out, 64<<10)
	const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"Keyporter","version":"1"}}}`
	if _, err := ask(in, answers, 1, hello); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(in, `{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n"); err != nil {
		return nil, fmt.Errorf("look at tools: %w", err)
	}
	var names []string
	cursor := ""
	for id := 2; ; id++ {
		params := struct {
			Cursor string `json:"cursor,omitempty"`
		}{cursor}
		p, err := json.Marshal(params)
		if err != nil {
			return nil, fmt.Errorf("look at tools: %w", err)
		}
		result, err := ask(in, answers, id, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/list","params":%s}`, id, p))
		if err != nil {
			return nil, err
		}
		var list struct {
			Tools []struct {
				Name string `json:"name"`
			} `json:"tools"`
			Next string `json:"nextCursor"`
		}
		if err := json.Unmarshal(result, &list); err != nil {
			return nil, fmt.Errorf("look at tools: %w", err)
		}
		for _, t := range list.Tools {
			names = append(names, t.Name)
		}
		if cursor = list.Next; cursor == "" || id > 50 {
			return names, nil
		}
	}
}

// ask sends a request and returns its result.
func ask(in io.Writer, out *bufio.Reader, id int, request string) (json.RawMessage, error) {
	if _, err := io.WriteString(in, request+"\n"); err != nil {
		return nil, fmt.Errorf("look at tools: %w", err)
	}
	for {
		line, err := out.ReadBytes('\n')
		if err != nil {
			return nil, hint.Wrap(err, hint.Unreachable, "The bridge ended before it answered.", "Look at the server's state, then try again.")
		}
		var answer struct {
			ID     json.RawMessage `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if json.Unmarshal(line, &answer) != nil || string(answer.ID) != fmt.Sprint(id) {
			continue // a notification or a request of the server
		}
		if answer.Error != nil {
			return nil, hint.New(hint.Failed, answer.Error.Message, "")
		}
		return answer.Result, nil
	}
}

// A demoServer is the demo's servers, for as long as the app runs.
type demoServer struct {
	path string

	mu      sync.Mutex
	address string // empty: not started
	in      io.Closer
	cmd     *exec.Cmd
}

// start starts it, unless it runs, and returns the address of the MCP server.
func (d *demoServer) start(ctx context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.address != "" {
		return d.address, nil
	}
	cmd := exec.Command(d.path, "--servers")
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", fmt.Errorf("start demo: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("start demo: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return "", hint.Wrap(err, hint.Failed, "The demo server is not installed.", "Install keyporter-demo beside this program.")
	}
	kill := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	late := time.AfterFunc(demoLimit, func() { _ = cmd.Process.Kill() })
	var said struct {
		MCP string `json:"mcp"`
	}
	err = json.NewDecoder(out).Decode(&said)
	kill()
	late.Stop()
	if err != nil || said.MCP == "" {
		in.Close()
		return "", hint.Wrap(errors.Join(err, cmd.Wait()), hint.Failed, "The demo server did not start.", "Try again.")
	}
	d.address, d.in, d.cmd = said.MCP, in, cmd
	return d.address, nil
}

// close ends it: it ends with its standard input.
func (d *demoServer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil {
		return
	}
	d.in.Close()
	_ = d.cmd.Wait() // how it ended is nobody's concern
	d.cmd = nil
}
