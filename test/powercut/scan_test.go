//go:build linux

package powercut

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

// rawKeys is a client's file with secrets in the clear.
const rawKeys = `{
  // written by hand
  "mcpServers": {
    "exa": {"command": "npx", "args": ["-y", "mcp-remote", "https://exa.example.com/mcp", "--header", "Authorization: Bearer exa-SECRETWORD-abc123"]},
    "github": {"command": "docker", "args": ["run", "github"], "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": "ghp_SECRETWORD1a2b3c4d5e6f7g8h9i0j1k2l"}}
  }
}
`

func scan(action local.ScanAction) step {
	return step{"scan " + string(action), func(ctx context.Context, a *agent) error {
		got, err := a.Scan(ctx, local.ScanRequest{Action: action})
		if err == nil && len(got.Problems) > 0 {
			err = got.Problems[0]
		}
		return err
	}}
}

// Wherever scan --fix or its undo is cut, the client's file is as it was or as it
// becomes, and an undo gives every byte back.
func TestAPowerCutInAScanLosesNoKey(t *testing.T) {
	root := folder(t)
	all, marks, at := cuts(t, root, record(t, "scan", root))
	file := filepath.Join(root, desktopFile)
	last := at[marks[len(marks)-1]]
	fixed := at["scan fix"]
	if last.tree[file].bytes != rawKeys || strings.Contains(fixed.tree[file].bytes, word) {
		t.Fatalf("without a power cut: fixed %q, undone %q", fixed.tree[file].bytes, last.tree[file].bytes)
	}
	t.Logf("%d conditions", len(all))
	undone := 0
	for _, c := range chosen(t, all) {
		if c.before == "" || c.before == "client" {
			continue // nothing to lose yet
		}
		c.restore(t, root)
		text := c.tree[file].bytes
		if text != rawKeys && text != fixed.tree[file].bytes && c.after != "scan fix" { // a fix moves one entry after the other
			t.Errorf("after %s in %q, %s: the client's file is %q", c.at, c.after, c.how, text)
		}
		did, err := undo(root)
		if err != nil {
			t.Errorf("after %s in %q, %s: undo: %v", c.at, c.after, c.how, err)
			continue
		}
		if did {
			undone++
		}
		if b, err := os.ReadFile(file); err != nil || string(b) != rawKeys {
			t.Errorf("after %s in %q, %s: undone %v, the file is %q, %v", c.at, c.after, c.how, did, b, err)
		}
	}
	if undone == 0 {
		t.Error("no fix was undone")
	}
}

// undo takes the last fix back, if there is one.
func undo(home string) (did bool, err error) {
	a, err := start(home)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, a.end()) }()
	ctx := context.Background()
	if err := a.opened(ctx); err != nil {
		return false, err
	}
	found, err := a.Scan(ctx, local.ScanRequest{})
	if err != nil || found.CanUndo.IsZero() {
		return false, err
	}
	got, err := a.Scan(ctx, local.ScanRequest{Action: local.ScanUndo})
	if err == nil && len(got.Problems) > 0 {
		err = fmt.Errorf("%s", got.Problems[0].Text())
	}
	return true, err
}
