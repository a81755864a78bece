package install

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"keyporter/internal/hint"
)

const command = "/opt/Key porter/keyporter"

func claude(t testing.TB) *Client {
	t.Helper()
	c, err := Find("claude-desktop")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var update = flag.Bool("update", false, "rewrite the golden files with what comes out")

// TestGoldenEdits compares whole files of each client: as written, with Windows'
// line ends, and with a byte order mark. Taking out gives the first text back.
func TestGoldenEdits(t *testing.T) {
	for _, c := range Clients() {
		files, err := filepath.Glob("testdata/" + c.ID + "/*.txtar")
		if err != nil || len(files) == 0 {
			t.Errorf("%s has no golden files, %v", c.ID, err)
		}
		for _, f := range files {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				ch, err := c.install(a.Files[0].Data, Trace{}, []string{"notes", "Sales data"}, command)
				if err != nil {
					t.Fatalf("%s: %v", f, err)
				}
				a.Files[1].Data = ch.text
				if err := os.WriteFile(f, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for form, as := range map[string]func([]byte) []byte{
				"as it is": bytes.Clone,
				"CRLF":     func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) },
				"BOM":      func(b []byte) []byte { return slices.Concat(bom, b) },
			} {
				before, after := as(a.Files[0].Data), as(a.Files[1].Data)
				if form == "CRLF" && len(bytes.TrimSpace(before)) < 10 {
					continue // a file of one line has no line ends to follow
				}
				t.Run(strings.TrimPrefix(f, "testdata/")+", "+form, func(t *testing.T) { goThereAndBack(t, c, before, after) })
			}
		}
	}
}

func goThereAndBack(t *testing.T, c *Client, before, after []byte) {
	servers := []string{"notes", "Sales data"}
	there, err := c.install(before, Trace{}, servers, command)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(there.text, after) {
		t.Errorf("installed:\n%s\nwant:\n%s", there.text, after)
	}
	if again, err := c.install(there.text, there.trace, servers, command); err != nil || len(again.changed) != 0 || again.trace != there.trace {
		t.Errorf("a second install changed %q (%v, %+v)", again.changed, err, again.trace)
	}
	moved, err := c.install(there.text, there.trace, servers, "/elsewhere/keyporter")
	if err != nil || len(moved.changed) != 2 || bytes.Contains(moved.text, []byte(command)) {
		t.Errorf("another command changed %q (%v):\n%s", moved.changed, err, moved.text)
	}
	back, err := c.uninstall(moved.text, there.trace, nil)
	if err != nil || !bytes.Equal(back.text, before) {
		t.Errorf("uninstalled (%v):\n%q\nwant:\n%q", err, back.text, before)
	}
}

func TestAnotherCommandIsReplacedInPlace(t *testing.T) {
	old := `{"mcpServers": {"renamed" : { "args":["bridge","notes"], "command":"C:\\Old\\Keyporter.exe", "env":{"A":"B"} }}}`
	want := strings.Replace(old, `"C:\\Old\\Keyporter.exe"`, `"`+command+`"`, 1)
	got, err := claude(t).install([]byte(old), Trace{}, []string{"notes"}, command)
	if err != nil || string(got.text) != want || !slices.Equal(got.changed, []string{"notes"}) {
		t.Errorf("got %s (%v), want %s", got.text, err, want)
	}
}

func TestAForeignEntryOfThatNameIsLeftAlone(t *testing.T) {
	for _, entry := range []string{
		`{"command": "npx", "args": ["mcp-remote", "https://example.com"]}`, `{"command": "keyporter", "args": ["bridge"]}`,
		`{"command": "/usr/bin/keyporter-demo", "args": ["bridge", "notes"]}`, `null`, `{"url": "https://example.com"}`,
	} {
		_, err := claude(t).install([]byte(`{"mcpServers": {"notes": `+entry+`}}`), Trace{}, []string{"notes"}, command)
		if hint.CodeOf(err) != hint.Exists {
			t.Errorf("%s: %v, want it refused", entry, err)
		}
	}
}

func TestWhatIsNotUnderstoodIsRefusedWithItsPlace(t *testing.T) {
	for text, place := range map[string]string{
		"{\n  \"a\": 1,\n  é\n}":              "line 3, column 3",
		"\xef\xbb\xbf{\"é\": x}":              "line 1, column 7",
		"[]":                                  "line 1, column 1",
		"// nothing":                          "line 1, column 11",
		"{\"a\": \"b\n\"}":                    "line 1, column 9",
		"{\"a\": 01}":                         "line 1, column 7",
		"{\"a\": 1 \"b\": 2}":                 "line 1, column 9",
		"{\"a\": 1}}":                         "line 1, column 9",
		"{\"a\": [1, 2":                       "line 1, column 12",
		"{\"a\": /* 1}":                       "line 1, column 7",
		"{\"mcpServers\": []}":                "line 1, column 16",
		"{'a': 1}":                            "line 1, column 2",
		`{"a": "\x"}`:                         "line 1, column 7",
		"{\"a\": " + strings.Repeat("[", 300): "values are nested too deep",
	} {
		for name, f := range map[string]func() (change, error){
			"install":   func() (change, error) { return claude(t).install([]byte(text), Trace{}, []string{"notes"}, command) },
			"uninstall": func() (change, error) { return claude(t).uninstall([]byte(text), Trace{}, nil) },
		} {
			if ch, err := f(); err == nil || !strings.Contains(err.Error(), place) || len(ch.changed) != 0 {
				t.Errorf("%s of %.40q: %v, want %s", name, text, err, place)
			}
		}
	}
}

// A writer makes random JSON with comments, in random form.
type writer struct {
	*rand.Rand
	b        strings.Builder
	comments []string
}

func (w *writer) gap() {
	for range w.IntN(3) {
		switch w.IntN(8) {
		case 0:
			c := fmt.Sprintf("/* %d */", len(w.comments))
			w.comments = append(w.comments, c)
			w.b.WriteString(c)
		case 1:
			c := fmt.Sprintf("// \"{%d", len(w.comments))
			w.comments = append(w.comments, c)
			w.b.WriteString(c + "\n")
		case 2, 3:
			w.b.WriteString("\n\t")
		default:
			w.b.WriteString(" ")
		}
	}
}

func (w *writer) list(open, end string, n int, item func(int)) {
	w.b.WriteString(open)
	w.gap()
	for i := range n {
		item(i)
		w.gap()
		if i < n-1 || w.IntN(4) == 0 {
			w.b.WriteString(",")
			w.gap()
		}
	}
	w.b.WriteString(end)
}

func (w *writer) value(depth int) {
	switch w.IntN(5 - depth) {
	case 0:
		w.b.WriteString([]string{"null", "true", "-1.50e+3", `"a \" // \\"`, `"mcpServers"`}[w.IntN(5)])
	case 1:
		w.list("[", "]", w.IntN(3), func(int) { w.value(depth + 1) })
	default:
		w.object(depth, w.IntN(3), "")
	}
}

// object writes an object; one member, if named, holds servers.
func (w *writer) object(depth, n int, servers string) {
	special := -1
	if servers != "" && n > 0 {
		special = w.IntN(n)
	}
	w.list("{", "}", n, func(i int) {
		if i == special {
			fmt.Fprintf(&w.b, "%q", servers)
		} else {
			fmt.Fprintf(&w.b, "\"key %d\"", i)
		}
		w.gap()
		w.b.WriteString(":")
		w.gap()
		if i == special {
			w.object(2, w.IntN(4), "")
		} else {
			w.value(depth + 1)
		}
	})
}

// TestTakingOutGivesTheBytesBack installs into generated files and takes out
// again, in other orders too. Nothing but the entries differs in between.
func TestTakingOutGivesTheBytesBack(t *testing.T) {
	c := claude(t)
	for seed := range uint64(1200) {
		w := &writer{Rand: rand.New(rand.NewPCG(seed, 1))}
		w.gap()
		w.object(0, w.IntN(4), []string{"mcpServers", ""}[w.IntN(2)])
		w.gap()
		before := []byte(w.b.String())
		if w.IntN(3) == 0 {
			before = bytes.ReplaceAll(before, []byte("\n"), []byte("\r\n"))
		}
		roundTrip(t, c, before)
		there, err := c.install(before, Trace{}, []string{"notes", "sales"}, command)
		if err != nil {
			t.Fatalf("%q: %v", before, err)
		}
		for _, comment := range w.comments {
			if !bytes.Contains(there.text, []byte(comment)) {
				t.Fatalf("the comment %s of %q is lost in %q", comment, before, there.text)
			}
		}
		got, want := decoded(t, there.text), decoded(t, before)
		servers, _ := want["mcpServers"].(map[string]any)
		if servers == nil {
			servers = map[string]any{}
		}
		for _, s := range []string{"notes", "sales"} {
			servers[s] = map[string]any{"command": command, "args": []any{"bridge", s}}
		}
		want["mcpServers"] = servers
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
			t.Fatalf("%q became %s, want %s", before, g, w)
		}
	}
}

// roundTrip installs two servers, one after the other, and takes them out in
// both orders.
func roundTrip(t *testing.T, c *Client, before []byte) {
	t.Helper()
	for _, order := range [][]string{{"notes", "sales"}, {"sales", "notes"}} {
		ch := change{text: before}
		var err error
		for _, s := range []string{"notes", "sales"} {
			if ch, err = c.install(ch.text, ch.trace, []string{s}, command); err != nil {
				t.Fatalf("install into %q: %v", before, err)
			}
		}
		there := ch.text
		for _, s := range order {
			if ch, err = c.uninstall(ch.text, ch.trace, []string{s}); err != nil {
				t.Fatalf("take %s out of %q: %v", s, there, err)
			}
		}
		if !bytes.Equal(ch.text, before) {
			t.Fatalf("%q became\n%q and then\n%q", before, there, ch.text)
		}
	}
}

// decoded returns what a text holds, read by the standard library after comments
// and trailing commas were taken off.
func decoded(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var out []byte
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch {
		case rest[0] == '"':
			n := 1
			for ; rest[n] != '"'; n++ {
				if rest[n] == '\\' {
					n++
				}
			}
			out = append(out, rest[:n+1]...)
			i += n
		case bytes.HasPrefix(rest, []byte("//")):
			i += bytes.IndexByte(append(rest, '\n'), '\n')
		case bytes.HasPrefix(rest, []byte("/*")):
			i += bytes.Index(rest, []byte("*/")) + 1
		case rest[0] == '}' || rest[0] == ']':
			out = append(bytes.TrimSuffix(bytes.TrimSpace(out), []byte(",")), rest[0])
		default:
			out = append(out, rest[0])
		}
	}
	v := map[string]any{}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%q (of %q): %v", out, text, err)
	}
	return v
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{"{}", "{\"mcpServers\":{\"a\":1,// x\n}}", "\xef\xbb\xbf{\r\n}", "/**/{\"a\":{}}//", `{"mcpServers":{},"mcpServers":{"b":2}}`} {
		f.Add([]byte(seed))
	}
	fuzz(f, "claude-desktop")
}

// fuzz installs into any text that is understood, and takes out again.
func fuzz(f *testing.F, client string) {
	c := clientOf(f, client)
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, all, err := c.entries(text, c.path)
		if err != nil || len(ours) > 0 || slices.Contains(all, "notes") || slices.Contains(all, "sales") {
			return
		}
		if _, err := c.install(text, Trace{}, []string{"notes", "sales"}, command); errors.Is(err, errForm) {
			return
		}
		roundTrip(t, c, text)
	})
}
