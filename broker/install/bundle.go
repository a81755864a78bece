package install

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"keyporter/internal/lazy"
)

// A Bundle is a Claude Desktop extension (.mcpb) that launches the bridge of one
// server: a config entry that needs no config file. It holds the path of keyporter
// on this computer and not the program, so that an update of Keyporter is one for
// the extension too; it is of no use elsewhere.
type Bundle struct {
	Server  string   // Required. The server's name.
	Host    string   // Required. Where the server is, for a sentence.
	Command string   // Required. Absolute path of keyporter.
	Version string   // Required. Of keyporter.
	System  string   // Required. A runtime.GOOS.
	Tools   []string // Optional. Names of tools that the server was seen to have.
	Icon    []byte   // Optional. A PNG.
}

// manifest is manifest.json of a bundle: MANIFEST.md of modelcontextprotocol/mcpb,
// version 0.3. What is optional and of no use here is left out.
type manifest struct {
	ManifestVersion string         `json:"manifest_version"`
	Name            string         `json:"name"`
	DisplayName     string         `json:"display_name"`
	Version         string         `json:"version"`
	Description     string         `json:"description"`
	Author          author         `json:"author"`
	Icon            string         `json:"icon,omitempty"`
	Server          manifestServer `json:"server"`
	Tools           []manifestTool `json:"tools,omitempty"`
	ToolsGenerated  bool           `json:"tools_generated"` // the server may have others by now
	Compatibility   compatibility  `json:"compatibility"`
}

type author struct {
	Name string `json:"name"`
}

type manifestServer struct {
	Type       string `json:"type"`
	EntryPoint string `json:"entry_point"`
	Config     struct {
		Command string   `json:"command"`
		Args    []string `json:"args"`
	} `json:"mcp_config"`
}

type manifestTool struct {
	Name string `json:"name"`
}

type compatibility struct {
	Platforms []string `json:"platforms"`
}

// Write writes the bundle, a zip archive. The same Bundle gives the same bytes.
func (b *Bundle) Write(w io.Writer) error {
	entry, launcher := b.launcher()
	m := manifest{
		ManifestVersion: "0.3",
		Name:            "keyporter-" + strings.ToLower(ascii(b.Server)),
		DisplayName:     b.Server,
		Version:         semver(b.Version),
		Description:     fmt.Sprintf("%s at %s, through Keyporter on this computer.", b.Server, b.Host),
		Author:          author{"Keyporter"},
		Server:          manifestServer{Type: "binary", EntryPoint: entry},
		ToolsGenerated:  true,
		Compatibility:   compatibility{[]string{strings.Replace(b.System, "windows", "win32", 1)}},
	}
	m.Server.Config.Command, m.Server.Config.Args = b.Command, []string{"bridge", b.Server}
	for _, t := range b.Tools {
		m.Tools = append(m.Tools, manifestTool{t})
	}
	files := []bundleFile{{entry, []byte(launcher), 0o755}}
	if len(b.Icon) > 0 {
		m.Icon = "icon.png"
		files = append(files, bundleFile{m.Icon, b.Icon, 0o644})
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return writeZip(w, append([]bundleFile{{"manifest.json", append(text, '\n'), 0o644}}, files...))
}

// launcher returns the file that the manifest has to name as the bundle's own
// program, for readers that start it and not the command: it starts the same.
func (b *Bundle) launcher() (name, text string) {
	if b.System == "windows" {
		// In a batch file a percent sign is written twice.
		return "server/keyporter.cmd", fmt.Sprintf("@\"%s\" bridge \"%s\"\r\n", strings.ReplaceAll(b.Command, "%", "%%"), b.Server)
	}
	return "server/keyporter", fmt.Sprintf("#!/bin/sh\nexec %s bridge %s\n", shellWord(b.Command), shellWord(b.Server))
}

func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

var versionForm = lazy.Regexp(`^v?(\d+\.\d+\.\d+)(-[0-9A-Za-z.-]+)?$`)

// semver returns a version as semver.org writes it; a build that has none is
// older than all others.
func semver(version string) string {
	if m := versionForm().FindStringSubmatch(version); m != nil {
		return m[1] + m[2]
	}
	return "0.0.0"
}

type bundleFile struct {
	name string
	data []byte
	mode fs.FileMode
}

func writeZip(w io.Writer, files []bundleFile) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(f.mode)
		out, err := z.CreateHeader(h)
		if err == nil {
			_, err = out.Write(f.data)
		}
		if err != nil {
			return fmt.Errorf("write bundle: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}
