package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	joining "keyporter/bridge"
	"keyporter/bridge/stdio"
	"keyporter/broker/local"
	"keyporter/internal/hint"
	"keyporter/internal/shield"
)

func (p *program) bridge() *cobra.Command {
	return &cobra.Command{
		Use:   "bridge NAME|URL",
		Short: "Join an MCP client to a server; this is what clients launch",
		Long: `Joins an MCP client on standard input and output to a server that was added, and puts
a fresh token on each request. It opens no browser. MCP clients launch it; see
keyporter demo for the piece of configuration that does.`,
		Example: "  keyporter bridge notion",
		Args:    takes("a server's name"),
		RunE: func(c *cobra.Command, args []string) error {
			// A bridge mostly waits. On one processor its goroutines hand over to
			// each other without waking threads, which costs more than they do.
			if p.getenv("GOMAXPROCS") == "" {
				runtime.GOMAXPROCS(1)
			}
			// Its memory is not shut: the agent has to see which program it is.
			if err := shield.Core(); err != nil {
				p.logger().Debug("core files not prevented", "err", err)
			}
			// A host that closes the pipe of standard error wants no log; one that closes
			// standard output is gone, which a write says, too. Neither is to kill the
			// bridge at once: it has a session to end.
			signal.Ignore(syscall.SIGPIPE)
			// What the start needed is given back; a bridge then waits for hours.
			defer time.AfterFunc(time.Second, debug.FreeOSMemory).Stop()
			in, out := stdio.Files(p.stdin, p.stdout, os.Stderr)
			if c, ok := in.(io.Closer); ok {
				defer c.Close()
			}
			err := joining.Run(c.Context(), joining.Options{
				Connect: p.connect, Started: p.started, Server: args[0], Stdin: in, Stdout: out, Log: p.logger(), Version: version, Parent: os.Getppid,
			})
			if c.Context().Err() != nil && errors.Is(err, context.Canceled) {
				return nil // ended by its host
			}
			return err
		},
	}
}

// connect finds the agent for a bridge, and starts one unless the user stopped
// Keyporter.
func (p *program) connect(ctx context.Context) (joining.Agent, error) {
	where, err := p.paths()
	if err != nil {
		return nil, err
	}
	c, err := local.Dial(ctx, local.DialOptions{Paths: where, Start: local.UnlessStopped, Log: p.logger()})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// started waits until the user has started Keyporter again.
func (p *program) started(ctx context.Context) error {
	where, err := p.paths()
	if err != nil {
		return err
	}
	return local.AwaitStart(ctx, where)
}

func (p *program) tools() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "tools NAME",
		Short:   "List the tools of a server",
		Long:    "Connects to a server as an MCP client would, and lists its tools.",
		Example: "  keyporter tools notion",
		Args:    takes("a server's name"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.session(c.Context(), args[0], func(ctx context.Context, s *mcp.ClientSession) error {
				tools := []*mcp.Tool{}
				ctx, done := within(ctx, serverPatience, args[0])
				defer done()
				for t, err := range s.Tools(ctx, nil) {
					if err != nil {
						return cmp.Or(context.Cause(ctx), err)
					}
					tools = append(tools, t)
				}
				if asJSON {
					return p.printJSON(tools)
				}
				for _, t := range tools {
					fmt.Fprintln(p.stdout, oneLine(t.Name))
					if t.Description != "" {
						fmt.Fprintf(p.stdout, "    %s\n", below("    ", t.Description))
					}
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the tools with their schemas as JSON")
	return c
}

func (p *program) call() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "call NAME TOOL [JSON]",
		Short: "Call a tool of a server",
		Long: `Connects to a server as an MCP client would, calls one tool and prints the text of its result. A tool may take
its time: Ctrl-C takes the call back.`,
		Example: `  keyporter call demo add '{"a": 1, "b": 2}'
  keyporter call demo whoami --json`,
		Args: takes("a server's name", "a tool's name", "[arguments as a JSON object]"),
		RunE: func(c *cobra.Command, args []string) error {
			arguments := json.RawMessage("{}")
			if len(args) == 3 {
				arguments = json.RawMessage(args[2])
			}
			var object map[string]json.RawMessage
			if err := json.Unmarshal(arguments, &object); err != nil || object == nil {
				return hint.New(hint.Usage, "The arguments are not a JSON object.", `Write them like '{"name": "value"}'.`)
			}
			return p.session(c.Context(), args[0], func(ctx context.Context, s *mcp.ClientSession) error {
				res, err := s.CallTool(ctx, &mcp.CallToolParams{Name: args[1], Arguments: arguments})
				if err != nil {
					return err
				}
				return p.printResult(res, asJSON)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the whole result as JSON")
	return c
}

// printResult prints a tool's result. A result that says that the tool failed
// goes to stderr, with exit code 1.
func (p *program) printResult(res *mcp.CallToolResult, asJSON bool) error {
	out := p.stdout
	if res.IsError && !asJSON {
		out = p.stderr
	}
	if asJSON {
		if err := p.printJSON(res); err != nil {
			return err
		}
	} else {
		for _, c := range res.Content {
			printContent(out, c)
		}
	}
	if res.IsError {
		return &exitError{exitFailed}
	}
	return nil
}

func printContent(w io.Writer, c mcp.Content) {
	switch c := c.(type) {
	case *mcp.TextContent:
		fmt.Fprintln(w, printable(c.Text))
	case *mcp.ImageContent:
		fmt.Fprintf(w, "[image, %s, %s]\n", oneLine(c.MIMEType), size(int64(len(c.Data))))
	case *mcp.AudioContent:
		fmt.Fprintf(w, "[audio, %s, %s]\n", oneLine(c.MIMEType), size(int64(len(c.Data))))
	case *mcp.ResourceLink:
		fmt.Fprintf(w, "[resource, %s]\n", oneLine(c.URI))
	default:
		fmt.Fprintln(w, "[other content; see --json]")
	}
}
