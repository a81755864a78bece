package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

func newFile(t *testing.T, content string) *File {
	t.Helper()
	dir := t.TempDir()
	f := &File{Path: filepath.Join(dir, "config.json"), Schema: filepath.Join(dir, "config.schema.json")}
	if content != "" {
		if err := os.WriteFile(f.Path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestUnknownFieldsSurviveARewrite(t *testing.T) {
	f := newFile(t, "\xef\xbb\xbf"+`{
  "version": 1, "team": {"x": [1, 2.50]},
  "servers": {"notion": {"url": "https://mcp.example/mcp", "colour": "blue", "no_resource": false}},
  "accounts": {"k": {"kind": "static", "note": "n"}},
  "settings": {"theme": "dark"}
}`)
	if _, err := f.Edit(func(c *account.Config) error {
		c.Servers["new"] = &account.Server{Name: "new", URL: "https://new.example/", NoResource: true}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	servers := got["servers"].(map[string]any)
	if got["team"] == nil || servers["notion"].(map[string]any)["colour"] != "blue" ||
		got["accounts"].(map[string]any)["k"].(map[string]any)["note"] != "n" || got["settings"].(map[string]any)["theme"] != "dark" {
		t.Errorf("unknown fields were lost:\n%s", b)
	}
	if n := servers["new"].(map[string]any); n["no_resource"] != true || len(n) != 2 {
		t.Errorf("new server = %v, want url and no_resource only", n)
	}
	if _, err := os.Stat(f.Schema); err != nil {
		t.Errorf("schema beside the file: %v", err)
	}
	if !strings.Contains(string(b), "2.50") {
		t.Errorf("an unknown number was rewritten:\n%s", b)
	}
}

func TestAHandEditIsNotLost(t *testing.T) {
	f := newFile(t, "")
	add := func(name string) error {
		_, err := f.Edit(func(c *account.Config) error {
			c.Servers[name] = &account.Server{URL: "https://" + name + ".example/"}
			return nil
		})
		return err
	}
	if err := add("one"); err != nil {
		t.Fatal(err)
	}
	hand := `{"version":1,"servers":{"hand":{"url":"https://hand.example/"}},"accounts":{}}`
	if err := os.WriteFile(f.Path, []byte(hand), 0o600); err != nil {
		t.Fatal(err)
	}
	if !f.Changed() {
		t.Error("Changed does not see the hand edit")
	}
	if err := add("two"); err != nil {
		t.Fatal(err)
	}
	c, err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.ServerNames(), " "); got != "hand two" {
		t.Errorf("servers = %q, want the hand-made list and the addition", got)
	}
}

func TestABrokenFileIsNamedAndLeftAlone(t *testing.T) {
	good := `{"version":1,"servers":{"a":{"url":"https://a.example/"}},"accounts":{}}`
	for _, tt := range []struct{ name, content, want string }{
		{"syntax", "{\n  \"version\": 1,\n  \"servers\": {]\n}", "line 3, column 15"},
		{"type", "{\n \"version\": 1,\n \"servers\": {\"a\": {\"url\": 7}}}", "line 3"},
		{"address", "{\"version\":1,\n\"servers\": {\n  \"a\": {\"url\": \"ftp://x/\"}},\"accounts\":{}}", "line 3, column 3"},
		{"kind", "{\"version\":1,\"servers\":{},\"accounts\":{\n\"k\":{\"kind\":\"magic\"}}}", "line 2, column 1"},
		{"duplicate", "{\"version\":1,\"version\":1}", "line 1"},
		{"cut short", "{\"version\":1,\"servers\"", "line 1"},
		{"newer", `{"version":2,"servers":{},"accounts":{}}`, "newer Keyporter"},
		{"no version that was", `{"version":0,"servers":{},"accounts":{}}`, "its version is 0"},
		{"negative version", `{"version":-1,"servers":{},"accounts":{}}`, "its version is -1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFile(t, good)
			if _, err := f.Load(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f.Path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := f.Edit(func(*account.Config) error { t.Error("a broken file was handed out"); return nil })
			var h *hint.Error
			if !errors.As(err, &h) || !strings.Contains(h.What, tt.want) || !strings.Contains(h.Text(), f.Path) {
				t.Errorf("error = %v, want the file and %q", err, tt.want)
			}
			if b, _ := os.ReadFile(f.Path); string(b) != tt.content {
				t.Error("the broken file was overwritten")
			}
			c, err := f.LoadBackup()
			if err != nil || c.Servers["a"] == nil {
				t.Errorf("backup = %v, %v; want the last version that could be read", c, err)
			}
		})
	}
}

// A copy that cannot be kept stops neither reading nor writing; it is made up
// for later.
func TestACopyThatCannotBeKeptStopsNothing(t *testing.T) {
	f := newFile(t, `{"version": 1, "servers": {"a": {"url": "https://a.example/"}}}`)
	if err := os.MkdirAll(filepath.Join(f.Backup(), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(); err != nil {
		t.Errorf("load: %v", err)
	}
	c, err := f.Edit(func(c *account.Config) error {
		c.Servers["b"] = &account.Server{Name: "b", URL: "https://b.example/"}
		return nil
	})
	if err != nil || c.Servers["b"] == nil || f.Changed() {
		t.Errorf("edit: %v", err)
	}
	if err := os.RemoveAll(f.Backup()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(); err != nil {
		t.Fatal(err)
	}
	if c, err = f.LoadBackup(); err != nil || c.Servers["b"] == nil {
		t.Errorf("the copy was not made up for: %v", err)
	}
}
