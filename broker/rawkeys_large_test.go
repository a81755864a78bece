package broker

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
)

// Some clients keep years of history beside their servers.
func TestKeysOfALargeFileAreMovedAndPutBack(t *testing.T) {
	const keys = 30
	c := newClinic(t, nil)
	path := filepath.Join(c.home, ".claude.json")
	servers, history := map[string]any{}, []string{}
	for i := range keys {
		servers[fmt.Sprintf("remote-%02d", i)] = map[string]any{"type": "http", "url": fmt.Sprintf("https://r%d.example.com/mcp", i),
			"headers": map[string]string{"Authorization": fmt.Sprintf("Bearer sk-live-%02d-0123456789abcdef-%s", i, word)}}
	}
	for i := range 1 << 10 {
		history = append(history, strings.Repeat(fmt.Sprintf("what was said in line %d; ", i), 40))
	}
	b, err := json.MarshalIndent(map[string]any{"mcpServers": servers, "history": history}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	writeText(t, filepath.Join(c.home, ".claude/settings.json"), "{}") // Claude Code is there
	writeText(t, path, string(b))

	began := time.Now()
	fixed := c.scan(local.ScanFix)
	took := time.Since(began)
	if len(fixed.Moved) != keys || len(fixed.Left) != 0 || len(fixed.Problems) != 0 {
		t.Errorf("moved %d, left %d, problems %v", len(fixed.Moved), len(fixed.Left), fixed.Problems)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c.noSecretIn(path, string(after))
	if got := strings.Count(string(after), `"bridge"`); got != keys {
		t.Errorf("%d bridges in the file", got)
	}
	c.scan(local.ScanUndo)
	if back, err := os.ReadFile(path); err != nil || string(back) != string(b) {
		t.Errorf("undo did not give the file back: %v", err)
	}
	t.Logf("%d keys in %d KB: moved in %v", keys, len(b)>>10, took.Round(time.Millisecond))
}
