package scan

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"keyporter/broker/secret"
	"keyporter/internal/atomicfile"
)

// A store is where another bridge keeps tokens in the clear.
type store struct {
	variable string // names another folder
	path     string // below the home folder
}

// stored are the places, from their programs' sources: mcp-remote and mcp-remote-go
// (the same folder), fastmcp-remote and FastMCP's client before it, mcp-stdio.
var stored = []store{
	{"MCP_REMOTE_CONFIG_DIR", ".mcp-auth"},
	{"FASTMCP_REMOTE_CONFIG_DIR", ".fastmcp/remote"},
	{"", ".fastmcp/oauth-mcp-client-cache"},
	{"", ".config/mcp-stdio"},
	{"", ".mcp-stdio"},
}

// maxStore is how large a file of tokens may be, in bytes.
const maxStore = 1 << 20

// stores finds the files with tokens or client secrets.
func stores(getenv func(string) string) []Finding {
	home := getenv("HOME")
	if home == "" {
		home = getenv("USERPROFILE")
	}
	var out []Finding
	for _, s := range stored {
		dir := filepath.Join(home, filepath.FromSlash(s.path))
		if other := getenv(s.variable); s.variable != "" && filepath.IsAbs(other) {
			dir = other
		}
		if !filepath.IsAbs(dir) {
			continue
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real // a walk does not follow its root
		}
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return nil // what cannot be read holds nothing to find
			}
			if text, ok := storedTokens(path); ok {
				out = append(out, Finding{File: path, Line: 1, Place: "file", Kind: Tokens, Secret: secret.New(text)})
			}
			return nil
		})
	}
	return out
}

// storedTokens reads a file and reports whether it holds tokens.
func storedTokens(path string) (string, bool) {
	fi, err := os.Stat(path)
	if err != nil || fi.Size() > maxStore || strings.HasSuffix(path, ".lock") {
		return "", false
	}
	b, err := atomicfile.ReadFile(path)
	if err != nil {
		return "", false
	}
	if strings.HasSuffix(path, "_code_verifier.txt") {
		return string(b), len(b) > 0
	}
	var v any
	if json.Unmarshal(b, &v) != nil {
		return "", false
	}
	return string(b), holdsTokens(v)
}

// holdsTokens looks for the fields of token answers and registrations (RFC 6749
// section 5.1, RFC 7591 section 3.2.1), also in JSON that stands in a text.
func holdsTokens(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			s, isText := x.(string)
			switch name {
			case "access_token", "refresh_token", "client_secret", "registration_access_token", "id_token":
				if isText && s != "" {
					return true
				}
			}
			if holdsTokens(x) {
				return true
			}
		}
	case []any:
		for _, x := range v {
			if holdsTokens(x) {
				return true
			}
		}
	case string:
		var inner any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &inner) == nil {
			return holdsTokens(inner)
		}
	}
	return false
}
