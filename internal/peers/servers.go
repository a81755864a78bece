package peers

import (
	"io"
	"os/exec"
	"strconv"
	"testing"
)

// EverythingServer starts the Go SDK's conformance server and returns its URL.
// Stateless, it speaks protocol 2026-07-28 and the older ones without sessions;
// otherwise it has sessions and speaks only the older ones.
func EverythingServer(t testing.TB, stateless bool) string {
	t.Helper()
	program, err := buildEverything()
	if err != nil {
		t.Fatal(err)
	}
	// The server takes an address and cannot choose a port. Should another
	// process take the port first, the next one is tried.
	for range 5 {
		addr := freeAddress(t)
		cmd := exec.Command(program, "-http", addr, "-stateless="+strconv.FormatBool(stateless))
		if awaitPort(t, launch(t, cmd, io.Discard), addr) {
			return "http://" + addr
		}
	}
	t.Fatal("the everything server found no free port in five attempts")
	return ""
}

// A NodeTransport is a transport of NodeServerEverything.
type NodeTransport string

const (
	StreamableHTTP NodeTransport = "streamableHttp" // sessions, resumable streams; protocol up to 2025-11-25
	HTTPWithSSE    NodeTransport = "sse"            // HTTP+SSE of protocol 2024-11-05
)

// NodeServerEverything starts @modelcontextprotocol/server-everything and
// returns its URL.
func NodeServerEverything(t testing.TB, transport NodeTransport) string {
	t.Helper()
	path := map[NodeTransport]string{StreamableHTTP: "/mcp", HTTPWithSSE: "/sse"}[transport]
	if path == "" {
		t.Fatalf("%q is not a transport of server-everything", transport)
	}
	cmd := nodeCommand(t, "node_modules/@modelcontextprotocol/server-everything/dist/index.js",
		[]string{string(transport)}, []string{"NODE_OPTIONS=--require ./loopback.cjs", "PEER_READY=1", "PORT=0"})
	return startAnnounced(t, cmd) + path
}

// ModernNodeServer starts a server of the TypeScript SDK 2 (test/node/modern.mjs:
// protocol 2026-07-28, and without sessions for older clients) and returns its
// URL. Its tool "route" wants Mcp-Param-Region.
func ModernNodeServer(t testing.TB) string {
	t.Helper()
	return startAnnounced(t, nodeCommand(t, "modern.mjs", nil, nil)) + "/mcp"
}

// StrictNodeServer starts a server of the TypeScript SDK 2 that speaks protocol
// 2026-07-28 and nothing else (test/node/strict.mjs), and returns its URL.
func StrictNodeServer(t testing.TB) string {
	t.Helper()
	return startAnnounced(t, nodeCommand(t, "strict.mjs", nil, nil)) + "/mcp"
}
