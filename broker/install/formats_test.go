package install

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v4"
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
		refused int // how many of a thousand may be in a form that is not edited
	}{{"codex", randomTOML, decodeTOML, 50}, {"goose", randomYAML, decodeYAML, 15}} {
		c, refused, done := clientOf(t, f.client), 0, 0
		for seed := range uint64(1000) {
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
		if done < 500 || refused > f.refused {
			t.Errorf("%s: %d files were edited, %d refused", f.client, done, refused)
		}
	}
}
