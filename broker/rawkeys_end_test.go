package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/broker/local"
)

// A context that ends once over says so.
type endsWhen struct {
	context.Context
	over func() bool
}

func (c endsWhen) Err() error {
	if c.over() {
		return context.Canceled
	}
	return c.Context.Err()
}

// Whoever stops a fix in the middle of a file finds no server that nothing uses, and
// can take back what was done.
func TestAFixThatIsStoppedLeavesNoServerWithoutItsEntry(t *testing.T) {
	const keys = 3
	c := newClinic(t, nil)
	path := filepath.Join(c.home, ".config/Claude/claude_desktop_config.json")
	var entries []string
	for i := range keys {
		entries = append(entries, fmt.Sprintf(`"r%d": {"url": "https://r%d.example.com/mcp", "headers": {"X-API-Key": "%s-%d"}}`, i, i, word, i))
	}
	before := `{"mcpServers": {` + strings.Join(entries, ", ") + `}}`
	writeText(t, path, before)
	ctx := endsWhen{t.Context(), func() bool {
		b, err := os.ReadFile(c.paths.ConfigFile())
		return err == nil && strings.Contains(string(b), "r0.example.com")
	}}
	if _, err := c.Scan(ctx, local.ScanRequest{Action: local.ScanFix}); !errors.Is(err, context.Canceled) {
		t.Fatalf("the fix that was stopped: %v", err)
	}
	text := c.tree()[path]
	names := c.config().ServerNames()
	if len(names) == 0 || len(names) == keys || strings.Count(text, `"bridge"`) != len(names) || strings.Count(text, word) != keys-len(names) {
		t.Errorf("servers %q, and the file holds %s", names, text)
	}
	c.scan(local.ScanUndo)
	if text := c.tree()[path]; text != before || len(c.config().Servers) != 0 {
		t.Errorf("after the undo there are servers %q, and the file holds %s", c.config().ServerNames(), text)
	}
}
