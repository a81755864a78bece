//go:build wine && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/peers"
)

// roaming and packaged are where Claude Desktop reads its servers from: when it
// was installed from its own web page, and when it came from the Store.
const (
	roaming  = winProfile + `\AppData\Roaming`
	packaged = winProfile + `\AppData\Local\Packages\Claude_pzs8sxrjxfjjc\LocalCache\Roaming\Claude\claude_desktop_config.json`
)

// clientFiles are the files of clients that have been started once, by where
// they lie, and what stands in them. An empty one is not there yet.
var clientFiles = map[string]struct{ id, before, entry string }{
	roaming + `\Claude\claude_desktop_config.json`: {"claude-desktop",
		"{\r\n  // by hand\r\n  \"mcpServers\": {\r\n    \"other\": { \"command\": \"C:\\\\tools\\\\other.exe\" }\r\n  }\r\n}\r\n",
		`"command": "C:\\Program Files\\Keyporter\\keyporter.exe"`},
	packaged: {"claude-desktop", "", `"command": "C:\\Program Files\\Keyporter\\keyporter.exe"`},
	winProfile + `\.cursor\mcp.json`: {"cursor", `{"mcpServers": {}}`,
		`"command": "C:\\Program Files\\Keyporter\\keyporter.exe"`},
	roaming + `\Code\User\mcp.json`: {"vscode", "{\"servers\": {}}\n",
		`"command": "C:\\Program Files\\Keyporter\\keyporter.exe"`},
	winProfile + `\.codex\config.toml`: {"codex", "model = \"o\" # mine\r\n",
		`command = "C:\\Program Files\\Keyporter\\keyporter.exe"`},
	roaming + `\Block\goose\config\config.yaml`: {"goose", "GOOSE_MODE: auto # mine\r\nextensions:\r\n  other:\r\n    enabled: true\r\n",
		`cmd: "C:\\Program Files\\Keyporter\\keyporter.exe"`},
}

// TestWineClientsFilesGetTheBridge is at the folder that Keyporter uses by
// itself, beside a profile with several clients.
func TestWineClientsFilesGetTheBridge(t *testing.T) {
	h := newWinHome(t, "")
	for path, f := range clientFiles {
		h.write(path, f.before)
		if f.before == "" {
			check(t, os.Remove(h.wine.unix(path)))
		}
	}
	h.do("add", "peer", peers.EverythingServer(t, true))
	if h.read(h.data+`\config.json`) == "" {
		t.Errorf("%s has no config.json", h.data)
	}

	for path, f := range clientFiles {
		h.do("install", f.id, "peer")
		text := h.read(path)
		if n := strings.Count(text, f.entry); n != 1 {
			t.Errorf("%s has the program %d times:\n%s", path, n, text)
		}
		if strings.Contains(f.before, "\r\n") && strings.Count(text, "\n") != strings.Count(text, "\r\n") {
			t.Errorf("%s has lines of two kinds now: %q", path, text)
		}
	}
	h.wantFound()
	h.wantLaunch(packaged)
	h.wantLaunch(roaming + `\Claude\claude_desktop_config.json`)
	if said := h.do("doctor"); !strings.Contains(said, "MCP clients launch "+wineProgram) {
		t.Errorf("doctor:\n%s", said)
	}

	for path, f := range clientFiles {
		h.do("uninstall", f.id, "peer")
		if text := h.read(path); f.before != "" && text != f.before {
			t.Errorf("%s was %q and is %q", path, f.before, text)
		}
	}
}

// wantFound checks what keyporter clients says.
func (h *winHome) wantFound() {
	h.t.Helper()
	var list []local.MCPClient
	check(h.t, json.Unmarshal([]byte(h.do("clients", "--json")), &list))
	for _, c := range list {
		var want []string
		for path, f := range clientFiles {
			if f.id == c.ID {
				want = append(want, path)
			}
		}
		slices.Sort(want)
		slices.Sort(c.Configs)
		if c.Found != (want != nil) || !slices.Equal(c.Configs, want) || want != nil && fmt.Sprint(c.Servers) != "[peer]" {
			h.t.Errorf("client %s: found %v, files %q, servers %v; want files %q", c.ID, c.Found, c.Configs, c.Servers, want)
		}
	}
}

// wantLaunch launches what stands in a file of Claude Desktop, as it does.
func (h *winHome) wantLaunch(path string) {
	h.t.Helper()
	text := strings.ReplaceAll(h.read(path), "// by hand", "")
	var f struct {
		MCPServers map[string]struct {
			Command string
			Args    []string
		} `json:"mcpServers"`
	}
	check(h.t, json.Unmarshal([]byte(text), &f))
	e := f.MCPServers["peer"]
	if fmt.Sprint(e.Args) != "[bridge peer]" {
		h.t.Fatalf("%s: arguments %q", path, e.Args)
	}
	h.first = []string{e.Command}
	c := h.launch("peer")
	c.initialize()
	c.wantText(c.beginCall("test_simple_text", map[string]any{}), "This is a simple text response for testing.")
	c.close()
}

func TestWineScanMovesRawKeysAndPutsThemBack(t *testing.T) {
	h := newWinHome(t, "scan")
	path := h.folder + `my project\.mcp.json`
	before := strings.ReplaceAll(`{
  "mcpServers": {
    "tool": { "command": "C:\\windows\\system32\\cmd.exe", "args": ["/c", "if defined TOOL_API_KEY echo the key is there"], "env": { "TOOL_API_KEY": "SECRETWORD-key" } },
    "keyed": { "command": "npx", "args": ["-y", "mcp-remote", "@URL@", "--header", "X-API-Key: SECRETWORD-key"] }
  }
}
`, "\n", "\r\n")
	before = strings.ReplaceAll(before, "@URL@", keyedServer(t))
	h.write(path, before)
	if found := h.do("scan", h.folder+"my project"); strings.Count(found, path+":") != 2 {
		t.Errorf("scan:\n%s", found)
	}
	h.do("scan", "--fix", h.folder+"my project")
	if text := h.read(path); strings.Contains(text, word) || strings.Count(text, `"C:\\Program Files\\Keyporter\\keyporter.exe"`) != 2 {
		t.Errorf("after scan --fix: %s", text)
	}
	if said := h.do("call", "keyed", "test_simple_text", "{}"); !strings.Contains(said, "This is a simple text response") {
		t.Errorf("call: %s", said)
	}
	if said := h.do("run", "tool"); strings.TrimSpace(said) != "the key is there" {
		t.Errorf("run: %q", said)
	}
	h.do("scan", "--undo")
	if text := h.read(path); text != before {
		t.Errorf("after scan --undo: %q", text)
	}
	check(t, os.Remove(h.wine.unix(path))) // which has the keys again
}

// keyedServer is an MCP server that wants a key.
func keyedServer(t *testing.T) string {
	t.Helper()
	behind, err := url.Parse(peers.EverythingServer(t, true))
	check(t, err)
	at := &url.URL{Scheme: behind.Scheme, Host: behind.Host}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(at) }}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-API-Key") != word+"-key" {
			http.Error(w, "no key", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL + behind.Path
}
