package peers_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/internal/peers"
)

func TestEachServerListsItsTools(t *testing.T) {
	for name, start := range map[string]func(testing.TB) mcp.Transport{
		"go stateless": func(t testing.TB) mcp.Transport {
			return &mcp.StreamableClientTransport{Endpoint: peers.EverythingServer(t, true)}
		},
		"go with sessions": func(t testing.TB) mcp.Transport {
			return &mcp.StreamableClientTransport{Endpoint: peers.EverythingServer(t, false)}
		},
		"node streamable": func(t testing.TB) mcp.Transport {
			return &mcp.StreamableClientTransport{Endpoint: peers.NodeServerEverything(t, peers.StreamableHTTP)}
		},
		"node sse": func(t testing.TB) mcp.Transport {
			return &mcp.SSEClientTransport{Endpoint: peers.NodeServerEverything(t, peers.HTTPWithSSE)}
		},
		"node modern": func(t testing.TB) mcp.Transport {
			return &mcp.StreamableClientTransport{Endpoint: peers.ModernNodeServer(t)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
			session, err := client.Connect(t.Context(), start(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			tools, err := session.ListTools(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(tools.Tools) == 0 {
				t.Error("no tools")
			}
		})
	}
}

func TestModernServerWantsParamHeaders(t *testing.T) {
	address := peers.ModernNodeServer(t)
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"route","arguments":{"region":"eu"},` +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	for _, c := range []struct {
		region string
		status int
		want   string
	}{
		{"", http.StatusBadRequest, "-32020"},
		{"eu", http.StatusOK, "region eu"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("MCP-Protocol-Version", "2026-07-28")
		req.Header.Set("Mcp-Method", "tools/call")
		req.Header.Set("Mcp-Name", "route")
		if c.region != "" {
			req.Header.Set("Mcp-Param-Region", c.region)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != c.status || !strings.Contains(string(got), c.want) {
			t.Errorf("region header %q: got %s %s, want %d with %q", c.region, res.Status, got, c.status, c.want)
		}
	}
}
