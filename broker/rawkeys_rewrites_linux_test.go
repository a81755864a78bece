package broker

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/fsnotify/fsnotify"

	"keyporter/broker/local"
)

// Each rewrite of a file that a client may read or write meanwhile is a chance to be in
// its way.
func TestAFileWithManyKeysIsRewrittenOnce(t *testing.T) {
	const keys = 30
	c := newClinic(t, nil)
	path := filepath.Join(c.home, ".cursor/mcp.json")
	servers := map[string]any{}
	for i := range keys {
		servers[fmt.Sprintf("remote-%02d", i)] = map[string]any{"url": fmt.Sprintf("https://r%d.example.com/mcp", i),
			"headers": map[string]string{"Authorization": fmt.Sprintf("Bearer sk-live-%02d-0123456789abcdef-%s", i, word)}}
	}
	b, err := json.Marshal(map[string]any{"mcpServers": servers})
	if err != nil {
		t.Fatal(err)
	}
	writeText(t, path, string(b))
	for _, action := range []local.ScanAction{local.ScanFix, local.ScanUndo} {
		n := rewrites(t, path, func() {
			if out := c.scan(action); len(out.Problems) != 0 || action == local.ScanFix && len(out.Moved) != keys {
				t.Errorf("%s: moved %d, problems %v", action, len(out.Moved), out.Problems)
			}
		})
		if n != 1 {
			t.Errorf("%s: the file was replaced %d times, want once", action, n)
		}
	}
}

// rewrites returns how often a file was replaced, or written where it is, while f ran.
func rewrites(t *testing.T, path string, f func()) (n int) {
	t.Helper()
	watcher, err := fsnotify.NewBufferedWatcher(1000)
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close()
	if err := watcher.Add(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	f()
	end := path + ".end" // events come in order (inotify(7))
	writeText(t, end, "")
	for {
		select {
		case e := <-watcher.Events:
			switch {
			case e.Name == end:
				return n
			case e.Name == path && (e.Has(fsnotify.Create) || e.Has(fsnotify.Write)):
				n++
			}
		case err := <-watcher.Errors:
			t.Fatal(err)
		case <-t.Context().Done():
			t.Fatal("the events did not come")
		}
	}
}
