package install

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v4"

	"keyporter/internal/hint"
)

func clientOf(t testing.TB, id string) *Client {
	t.Helper()
	c, err := Find(id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines makes random text of lines.
type lines struct {
	*rand.Rand
	b        strings.Builder
	comments []string
}

func (l *lines) put(format string, args ...any) { fmt.Fprintf(&l.b, format+"\n", args...) }

// gap writes comments and empty lines, or nothing.
func (l *lines) gap(indent string) {
	for range l.IntN(3) {
		if l.IntN(2) == 0 {
			l.put("")
			continue
		}
		c := fmt.Sprintf("# \"'{[ %d", len(l.comments))
		l.comments = append(l.comments, c)
		l.put("%s%s", indent, c)
	}
}

func (l *lines) pick(of ...string) string { return of[l.IntN(len(of))] }

// finish gives the text one of the forms that a file can have.
func (l *lines) finish() []byte {
	out := l.b.String()
	if l.IntN(4) == 0 {
		out = strings.TrimRight(out, "\n")
	}
	if l.IntN(3) == 0 {
		out = strings.ReplaceAll(out, "\n", "\r\n")
	}
	if l.IntN(4) == 0 {
		out = string(bom) + out
	}
	return []byte(out)
}

var tomlValues = []string{`"a # \" [x]"`, `'''
[not.a.table]
# no comment
'''`, `[1, 2, # two
  3]`, `{ x = 1, y = { z = "}" } }`, `2026-01-02T03:04:05Z`, `true`, `"""
line
"""`, `[ { a = 1 }, { b = 2 } ]`}

// randomTOML writes a file as Codex's users have one.
func randomTOML(seed uint64) *lines {
	l := &lines{Rand: rand.New(rand.NewPCG(seed, 2))}
	l.gap("")
	for i := range l.IntN(3) {
		l.put("key%d%s=%s%s", i, l.pick("", " "), l.pick("", " "), l.pick(tomlValues...))
		l.gap("")
	}
	form := l.IntN(7)
	switch form {
	case 0:
		l.put(`mcp_servers = %s`, l.pick("{}", "{ }", `{ a = { command = "x", args = ["y"] } }`, `{a={command="x"},b.command="z"}`))
	case 1:
		l.put(`mcp_servers.dotted.command = "x"`)
		l.put(`mcp_servers . dotted . args = ["mcp_servers"]`)
	}
	l.gap("")
	for i := range l.IntN(4) {
		switch {
		case form >= 2 && i == 0:
			l.put("[%s]", l.pick("mcp_servers", ` "mcp_servers" `, "mcp_servers.x", `mcp_servers."x y"`, "mcp_servers.x.env"))
			l.gap("  ")
			l.put("  %s = %s", l.pick("inner", `"a b"`, "d.o.t"), l.pick(`{command="x"}`, `{ }`))
		case form >= 2 && i == 1:
			l.put("[mcp_servers.z%d] # header", i)
			l.put("command = %s", l.pick(`"x"`, `'C:\x'`))
		default:
			l.put(l.pick("[table%d]", "[[list]] # %d", "[table%d.sub]"), i)
			l.put("v = %s", l.pick(tomlValues...))
		}
		l.gap("")
	}
	return l
}

var yamlValues = []string{"1", `"a: # b"`, "'it''s'", "[a, {b: c}]", "{x: 1, 'y': [2]}", "plain text: no"[:10], "~", "",
	"|\n%[1]s    block\n\n%[1]s    # no comment\n", ">-\n%[1]s    folded\n%[1]s    more", "\"two\n%[1]s    lines\"", "&x v", "!!str 5"}

// value writes a value that goes on, if it does, deeper than indent.
func (l *lines) value(indent string) string {
	v := l.pick(yamlValues...)
	if strings.Contains(v, "%") {
		v = fmt.Sprintf(v, indent)
	}
	return v
}

// randomYAML writes a file as Goose's users have one.
func randomYAML(seed uint64) *lines {
	l := &lines{Rand: rand.New(rand.NewPCG(seed, 3))}
	unit := l.pick("  ", "    ", " ")
	if l.IntN(6) == 0 {
		l.put("---")
	}
	l.gap("")
	special := l.IntN(5)
	for i := range l.IntN(4) {
		if i == special {
			l.extensions(unit)
		} else {
			l.put("GOOSE_%d: %s", i, l.value(""))
		}
		l.gap(l.pick("", unit, unit+unit))
	}
	return l
}

func (l *lines) extensions(unit string) {
	name := l.pick("extensions", `"extensions"`, "'extensions' ")
	n := l.IntN(4)
	if n == 0 {
		l.put("%s:%s%s", name, l.pick("", " {}", "  { } ", " ~", " null"), l.pick("", " # none"))
		return
	}
	l.put("%s:%s", name, l.pick("", " # those", " &anchor", " "))
	for i := range n {
		l.gap(l.pick("", unit))
		switch l.IntN(4) {
		case 0:
			l.put("%sext%d: %s", unit, i, l.value(unit))
		case 1:
			l.put("%sext%d:", unit, i)
			l.put("%s- one", unit)
			l.put("%s- two: 2", unit)
		default:
			l.put("%sext%d:", unit, i)
			l.put("%sname: %s", unit+unit, l.value(unit+unit))
			l.gap(unit + unit)
			l.put("%sargs: [", unit+unit)
			l.put("%s  a, b", unit+unit)
			l.put("%s]", unit+unit)
		}
	}
}

func decodeTOML(text []byte) (map[string]any, error) {
	out := map[string]any{}
	return out, toml.Unmarshal(bytes.TrimPrefix(text, bom), &out)
}

func decodeYAML(text []byte) (map[string]any, error) {
	var out map[string]any
	err := yaml.Unmarshal(bytes.TrimPrefix(text, bom), &out)
	if out == nil {
		out = map[string]any{}
	}
	return out, err
}

// TestGeneratedFilesComeBack installs into generated files and takes out again,
// in both orders. In between nothing but the entries differs, for another reader
// too.
func TestGeneratedFilesComeBack(t *testing.T) {
	for _, f := range []struct {
		client  string
		random  func(uint64) *lines
		decode  func([]byte) (map[string]any, error)
		refused int // how many of 500 may be in a form that is not edited
	}{{"codex", randomTOML, decodeTOML, 25}, {"goose", randomYAML, decodeYAML, 8}} {
		c, refused, done := clientOf(t, f.client), 0, 0
		for seed := range uint64(500) {
			l := f.random(seed)
			before := l.finish()
			want, err := f.decode(before)
			if err != nil {
				continue
			}
			there, err := c.install(before, Trace{}, []string{"notes", "sales"}, command)
			if errors.Is(err, errForm) {
				refused++
				continue
			}
			if err != nil {
				t.Fatalf("%s %d: %q: %v", f.client, seed, before, err)
			}
			done++
			roundTrip(t, c, before)
			for _, comment := range l.comments {
				if !bytes.Contains(there.text, []byte(comment)) {
					t.Fatalf("the comment %s of %q is lost in %q", comment, before, there.text)
				}
			}
			got, err := f.decode(there.text)
			if err != nil {
				t.Fatalf("%q became %q: %v", before, there.text, err)
			}
			servers, _ := want[c.path[0]].(map[string]any)
			if servers == nil {
				servers = map[string]any{}
				want[c.path[0]] = servers
			}
			for _, s := range []string{"notes", "sales"} {
				e := map[string]any{}
				for _, x := range c.fields(Entry{Server: s, Command: command}) {
					e[x.name] = x.value
				}
				servers[s] = e
			}
			if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
				t.Fatalf("%s %d: %q became\n%q:\n%s\nwant\n%s", f.client, seed, before, there.text, g, w)
			}
		}
		if done < 250 || refused > f.refused {
			t.Errorf("%s: %d files were edited, %d refused", f.client, done, refused)
		}
	}
}

func TestOtherFormatsAreRefusedWithTheirPlace(t *testing.T) {
	for _, x := range []struct{ client, text, place string }{
		{"codex", "a = 1\nb = = 2\n", "line 2, column 5"},
		{"codex", "a = 1\na = 2\n", "line 2, column 1"},
		{"codex", "[t]\n[t]\n", "line 2, column 2"},
		{"codex", "\xef\xbb\xbfa = [1,", "line 1, column 7"},
		{"codex", "mcp_servers = 1\n", "line 1, column 15"},
		{"codex", "[[mcp_servers]]\na = 1\n", `"mcp_servers" is not an object`},
		{"codex", "a = \"\xff\"\n", "line 1"},
		{"goose", "a: b: c\n", "line 1, column 5"},
		{"goose", "a: [1,\nb: 2", "line 3, column 1"},
		{"goose", "a:\n\tb: 1\n", "line 2, column 1"},
		{"goose", "- a\n", "line 1, column 1"},
		{"goose", "a: 1\n---\nb: 2\n", "line 2, column 1"},
		{"goose", "é: \xff\n", "line 1, column 4: it is not UTF-8"},
		{"goose", "extensions:\n- a\n", "line 2, column 1"},
		{"goose", "extensions: *x\n", "unknown anchor"},
	} {
		c := clientOf(t, x.client)
		for name, f := range map[string]func() (change, error){
			"install":   func() (change, error) { return c.install([]byte(x.text), Trace{}, []string{"notes"}, command) },
			"uninstall": func() (change, error) { return c.uninstall([]byte(x.text), Trace{}, nil) },
		} {
			if ch, err := f(); err == nil || !strings.Contains(err.Error(), x.place) || len(ch.changed) != 0 {
				t.Errorf("%s of %q: %v, want %s", name, x.text, err, x.place)
			}
		}
	}
}

// What cannot be edited without touching more is left alone, in words.
func TestFormsThatAreNotEditedAreLeftAlone(t *testing.T) {
	for client, text := range map[string]string{
		"codex": "mcp_servers = { a.b = 1, # one\n c = 2 }\n",
		"goose": "extensions: {a: {b: 1}}\n",
	} {
		path := filepath.Join(t.TempDir(), "config")
		writeFile(t, path, text, 0o600)
		_, err := clientOf(t, client).Install(path, Trace{}, []string{"notes"}, command)
		if err == nil || !strings.Contains(hint.Of(err).What, "cannot edit") || hint.Of(err).Do == "" || readString(t, path) != text {
			t.Errorf("%s: %v", client, err)
		}
	}
}

// Each entry in turn is replaced by one of ours, and put back.
func TestReplacedEntriesComeBack(t *testing.T) {
	for _, c := range Clients() {
		files, _ := filepath.Glob("testdata/" + c.ID + "/*.txtar")
		for _, f := range files {
			a, err := txtar.ParseFile(f)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "config")
			before := string(a.Files[0].Data)
			writeFile(t, path, before, 0o600)
			d, err := c.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, item := range d.Items {
				writeFile(t, path+BackupSuffix, before, 0o600)
				r := &Replacement{At: item.At, Key: item.Key, Name: "notes"}
				c.Replace(path, command, r)
				old, err := r.Old, r.Err
				if errors.Is(err, errForm) && strings.Contains(f, "dots") {
					continue
				}
				if err != nil {
					t.Errorf("%s: replace %s: %v", f, item.Key, err)
					continue
				}
				now := readString(t, path)
				if strings.Contains(now, string(bytes.TrimSpace(old))) || !strings.Contains(now, "bridge") {
					t.Errorf("%s: %s became\n%s", f, item.Key, now)
				}
				if _, err := os.Lstat(path + BackupSuffix); err == nil {
					t.Errorf("%s: a copy that holds what was replaced is left", f)
				}
				if err := c.PutBack(path, item.At, item.Key, old); err != nil || readString(t, path) != before {
					t.Errorf("%s: put back %s (%v):\n%s", f, item.Key, err, readString(t, path))
				}
			}
		}
	}
}

func TestAnEntryThatWentIsNotPutBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mcp.json")
	writeFile(t, path, `{"mcpServers": {"a": {"command": "x"}}}`, 0o600)
	c := clientOf(t, "cursor")
	if err := c.PutBack(path, []string{"mcpServers"}, "a", []byte("{}")); hint.CodeOf(err) != hint.NotFound {
		t.Errorf("over a foreign entry: %v", err)
	}
	gone, there := &Replacement{At: []string{"mcpServers"}, Key: "b", Name: "notes"}, &Replacement{At: []string{"mcpServers"}, Key: "a", Name: "notes"}
	c.Replace(path, command, gone, there)
	if hint.CodeOf(gone.Err) != hint.NotFound || there.Err != nil {
		t.Errorf("one that is not there: %v; the one beside it: %v", gone.Err, there.Err)
	}
}

// Items of all places are found with their lines, those of Claude Code's
// projects too.
func TestItemsAreFoundWithTheirPlaces(t *testing.T) {
	for _, x := range []struct{ client, text, want string }{
		{"claude-code", "{\n\"projects\": {\n\"/a\": {\"mcpServers\": {\n\"x\": {}}}},\n\"mcpServers\": {\"y\": {\"command\": \"/b/keyporter\", \"args\": [\"bridge\", \"n\"]}}}",
			"mcpServers y 5 ours=n; projects /a mcpServers x 4"},
		{"codex", "\n[mcp_servers.x]\nurl = \"u\"\n[mcp_servers.y]\n", "mcp_servers x 2; mcp_servers y 4"},
		{"goose", "extensions:\n\n  x:\n    cmd: keyporter\n    args:\n    - bridge\n    - n\n", "extensions x 3 ours=n"},
	} {
		d, err := clientOf(t, x.client).Parse([]byte(x.text))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, item := range d.Items {
			s := fmt.Sprintf("%s %s %d", strings.Join(item.At, " "), item.Key, d.Line(item.Start))
			if item.Ours != nil {
				s += " ours=" + item.Ours.Server
			}
			got = append(got, s)
		}
		if g := strings.Join(got, "; "); g != x.want {
			t.Errorf("%s: %s, want %s", x.client, g, x.want)
		}
	}
}

// Two servers whose names become one key both get in, and out.
func TestNamesBecomeKeysThatTheClientTakes(t *testing.T) {
	c := clientOf(t, "codex")
	servers := []string{"a b", "a.b", "売上", "在庫"}
	ch, err := c.install(nil, Trace{}, servers, command)
	if err != nil {
		t.Fatal(err)
	}
	ours, all, err := c.entries(ch.text, c.path)
	if err != nil || len(ours) != 4 || fmt.Sprint(all) != "[a-b a-b-2 keyporter keyporter-2]" {
		t.Errorf("%d entries under %q, %v", len(ours), all, err)
	}
	if ch, err = c.uninstall(ch.text, ch.trace, servers[:2]); err != nil || len(ch.changed) != 2 {
		t.Errorf("took out %q, %v", ch.changed, err)
	}
	if ch, err = c.uninstall(ch.text, Trace{NoFile: true}, nil); err != nil || !ch.remove {
		t.Errorf("left %q, %v", ch.text, err)
	}
}

func FuzzTOML(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(randomTOML(seed).finish())
	}
	fuzz(f, "codex")
}

func FuzzYAML(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(randomYAML(seed).finish())
	}
	fuzz(f, "goose")
}

// A server that was switched off, or had fewer tools, does not get more with the
// entry that replaces its own.
func TestReplacedEntriesKeepTheirSwitches(t *testing.T) {
	for _, test := range []struct{ id, before, want string }{
		{"cline", `{"mcpServers": {"a": {"command": "x", "disabled": true}}}`, `"disabled": true`},
		{"windsurf", `{"mcpServers": {"a": {"command": "x", "disabledTools": ["rm", "mv"]}}}`, `"disabledTools": ["rm", "mv"]`},
		{"copilot-cli", `{"mcpServers": {"a": {"command": "x", "tools": ["read"]}}}`, `"tools": ["read"]`},
		{"codex", "[mcp_servers.a]\ncommand = \"x\"\nenabled = false\ndisabled_tools = [\"rm\"]\n", "enabled = false\ndisabled_tools = [\"rm\"]\n"},
		{"goose", "extensions:\n  a:\n    enabled: false\n    cmd: x\n    available_tools:\n      - read\n", "enabled: false\n"},
	} {
		c, path := clientOf(t, test.id), filepath.Join(t.TempDir(), "config")
		writeFile(t, path, test.before, 0o600)
		r := &Replacement{At: c.path, Key: "a", Name: "a", Run: true}
		if c.Replace(path, command, r); r.Err != nil {
			t.Fatal(r.Err)
		}
		got := readString(t, path)
		if !strings.Contains(got, test.want) || strings.Contains(got, "*") || strings.Contains(got, "enabled: true") {
			t.Errorf("%s: the file became %s", test.id, got)
		}
	}
}
