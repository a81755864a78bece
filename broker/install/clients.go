package install

import (
	"slices"
	"strings"

	"keyporter/internal/hint"
)

// A Client is an MCP client whose configuration can be edited.
type Client struct {
	ID   string // on the command line
	Name string // as people say it
	Next string // what to do after an edit, one sentence

	places  map[string][]place // by runtime.GOOS
	project string             // its file in a project's folder, with slashes; empty: it has none
	format  format
	path    []string // of the object that holds the servers
	entry   []field
	keyOf   func(server string) string // the key that a server's name becomes; nil: the name
	also    [][]string                 // other objects that hold servers, which are only read; * is any name
}

// A place is one file that a client reads.
type place struct {
	file string // see expand
	sign string // the folder that shows that the client has been started once; empty: the file's own
}

// everywhere is a place that is the same on all systems.
func everywhere(places ...place) map[string][]place {
	return map[string][]place{"linux": places, "darwin": places, "windows": places}
}

// onEach is a file that lies in another folder on each system.
func onEach(linux, darwin, windows string) map[string][]place {
	return map[string][]place{"linux": {{file: linux}}, "darwin": {{file: darwin}}, "windows": {{file: windows}}}
}

// in is a file in the folders of several editors of one family.
func in(folders map[string][]string, file string) map[string][]place {
	out := map[string][]place{}
	for system, list := range folders {
		for _, f := range list {
			out[system] = append(out[system], place{file: f + file})
		}
	}
	return out
}

// vsCode are the folders of VS Code (and of the editors that Cline runs in, if
// all) in which a user's files lie.
func vsCode(products ...string) map[string][]string {
	out := map[string][]string{}
	for _, p := range products {
		out["linux"] = append(out["linux"], "${XDG_CONFIG_HOME:-~/.config}/"+p+"/User/")
		out["darwin"] = append(out["darwin"], "~/Library/Application Support/"+p+"/User/")
		out["windows"] = append(out["windows"], "${APPDATA:-~/AppData/Roaming}/"+p+"/User/")
	}
	return out
}

// clients is the table. Each file of a row is edited if the client has been
// started once: which of several it reads is not for us to guess. Below each is
// where its vendor documents it.
var clients = []*Client{
	{
		// modelcontextprotocol.io/docs/develop/connect-local-servers. The Store's
		// package sees a private copy of AppData (MSIX) and never the file in the
		// usual place: anthropics/claude-code#26073. The builds for Linux follow XDG.
		ID: "claude-desktop", Name: "Claude Desktop",
		Next: "Quit Claude Desktop (closing its window is not enough) and start it again.",
		places: map[string][]place{
			"linux":  {{file: "${XDG_CONFIG_HOME:-~/.config}/Claude/claude_desktop_config.json"}},
			"darwin": {{file: "~/Library/Application Support/Claude/claude_desktop_config.json"}},
			"windows": {
				{file: "${APPDATA:-~/AppData/Roaming}/Claude/claude_desktop_config.json"},
				{file: "${LOCALAPPDATA:-~/AppData/Local}/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json"},
			},
		},
		format: jsonc{}, path: []string{"mcpServers"}, entry: plain,
	},
	{
		// code.claude.com/docs/en/mcp, MCP installation scopes: user and local scope
		// in .claude.json, project scope in .mcp.json. claude mcp add takes letters,
		// digits, dashes and underscores for a name.
		ID: "claude-code", Name: "Claude Code",
		Next:    "Start a new session of Claude Code, or reconnect with /mcp in one that runs.",
		places:  everywhere(place{file: "${CLAUDE_CONFIG_DIR:-~}/.claude.json", sign: "${CLAUDE_CONFIG_DIR:-~/.claude}"}),
		project: ".mcp.json",
		format:  jsonc{}, path: []string{"mcpServers"}, entry: plain, keyOf: ascii,
		also: [][]string{{"projects", "*", "mcpServers"}},
	},
	{
		// cursor.com/docs/mcp, Configuration locations.
		ID: "cursor", Name: "Cursor",
		Next:    "Open Settings, then MCP, in Cursor: a new server may have to be switched on.",
		places:  everywhere(place{file: "~/.cursor/mcp.json"}),
		project: ".cursor/mcp.json",
		format:  jsonc{}, path: []string{"mcpServers"}, entry: plain,
	},
	{
		// code.visualstudio.com/docs/copilot/reference/mcp-configuration: type is
		// required. The file of a profile other than the default one is not edited.
		ID: "vscode", Name: "VS Code",
		Next:    "Run MCP: List Servers in VS Code's command palette: a new server has to be started there.",
		places:  in(vsCode("Code", "Code - Insiders"), "mcp.json"),
		project: ".vscode/mcp.json",
		format:  jsonc{}, path: []string{"servers"},
		entry: []field{{"type", "stdio"}, {"command", program}, {"args", arguments}},
	},
	{
		// docs.windsurf.com/windsurf/cascade/mcp.
		ID: "windsurf", Name: "Windsurf",
		Next:   "Press Refresh in Windsurf's MCP servers.",
		places: everywhere(place{file: "~/.codeium/windsurf/mcp_config.json"}),
		format: jsonc{}, path: []string{"mcpServers"}, entry: plain,
	},
	{
		// zed.dev/docs/ai/mcp (As Custom Servers), zed.dev/docs/configuring-zed.
		ID: "zed", Name: "Zed",
		Next: "Zed takes the change by itself; the agent panel's settings list its servers.",
		places: onEach("${XDG_CONFIG_HOME:-~/.config}/zed/settings.json", "~/.config/zed/settings.json",
			"${APPDATA:-~/AppData/Roaming}/Zed/settings.json"),
		format: jsonc{}, path: []string{"context_servers"}, entry: plain,
	},
	{
		// docs.cline.bot/getting-started/config, for all of Cline's programs; before
		// that the extension's own folder, docs.cline.bot/mcp/configuring-mcp-servers.
		ID: "cline", Name: "Cline",
		Next: "Cline takes the change by itself; see MCP Servers there.",
		places: joined(everywhere(place{file: "~/.cline/data/settings/cline_mcp_settings.json", sign: "~/.cline/data"}),
			in(vsCode("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf"), "globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json")),
		format: jsonc{}, path: []string{"mcpServers"}, entry: plain,
	},
	{
		// github.com/google-gemini/gemini-cli docs/tools/mcp-server.md.
		ID: "gemini-cli", Name: "Gemini CLI",
		Next:    "Start Gemini CLI again; /mcp lists its servers.",
		places:  everywhere(place{file: "~/.gemini/settings.json"}),
		project: ".gemini/settings.json",
		format:  jsonc{}, path: []string{"mcpServers"}, entry: plain, keyOf: ascii,
	},
	{
		// developers.openai.com/codex/mcp; github.com/openai/codex docs/config.md. A
		// project's file counts where the project is trusted. A name with other
		// characters than these is refused when Codex starts.
		ID: "codex", Name: "Codex CLI",
		Next:    "Start Codex again; /mcp lists its servers.",
		places:  everywhere(place{file: "${CODEX_HOME:-~/.codex}/config.toml"}),
		project: ".codex/config.toml",
		format:  tomlc{}, path: []string{"mcp_servers"}, entry: plain, keyOf: ascii,
	},
	{
		// docs.github.com/en/copilot/how-tos/copilot-cli/customize-copilot/add-mcp-servers;
		// COPILOT_HOME in code.visualstudio.com/docs/agents/reference/mcp-configuration.
		ID: "copilot-cli", Name: "GitHub Copilot CLI",
		Next:    "Start Copilot CLI again; /mcp show lists its servers.",
		places:  everywhere(place{file: "${COPILOT_HOME:-~/.copilot}/mcp-config.json"}),
		project: ".github/mcp.json",
		format:  jsonc{}, path: []string{"mcpServers"}, keyOf: ascii,
		entry: []field{{"type", "local"}, {"command", program}, {"args", arguments}, {"tools", []string{"*"}}},
	},
	{
		// lmstudio.ai/docs/app/mcp; older installations keep their home in the cache
		// folder: lmstudio-ai/lmstudio-bug-tracker#1371.
		ID: "lm-studio", Name: "LM Studio",
		Next:   "Look under Program, Integrations, in LM Studio: a new server has to be switched on.",
		places: everywhere(place{file: "~/.lmstudio/mcp.json"}, place{file: "~/.cache/lm-studio/mcp.json"}),
		format: jsonc{}, path: []string{"mcpServers"}, entry: plain,
	},
	{
		// goose-docs.ai/docs/guides/config-files (block.github.io/goose before); which
		// fields are required: ExtensionEntry and ExtensionConfig of block/goose.
		ID: "goose", Name: "Goose",
		Next: "Start a new Goose session.",
		places: onEach("${XDG_CONFIG_HOME:-~/.config}/goose/config.yaml", "~/.config/goose/config.yaml",
			"${APPDATA:-~/AppData/Roaming}/Block/goose/config/config.yaml"),
		format: yamlc{}, path: []string{"extensions"}, keyOf: squeezedKey,
		entry: []field{{"enabled", true}, {"type", "stdio"}, {"name", label}, {"cmd", program}, {"args", arguments}},
	},
}

func joined(a, b map[string][]place) map[string][]place {
	for system, places := range b {
		a[system] = append(slices.Clone(a[system]), places...)
	}
	return a
}

// Clients returns the table's rows.
func Clients() []*Client { return clients }

// Find returns the client with that ID.
func Find(id string) (*Client, error) {
	var known []string
	for _, c := range clients {
		if c.ID == id {
			return c, nil
		}
		known = append(known, c.ID)
	}
	return nil, hint.New(hint.NotFound, "There is no MCP client of that name here.", "Known are: "+strings.Join(known, ", ")+".")
}
