package view

import (
	"slices"
	"strings"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

func TestClientRows(t *testing.T) {
	in := input(&local.State{Servers: []local.ServerState{{Name: "a"}, {Name: "b"}, {Name: "c"}}})
	clients := []local.MCPClient{
		{ID: "one", Name: "One", Found: true, Configs: []string{"/x/one.json", "/p/one.json"}, Servers: []string{"a", "b"}},
		{ID: "gone", Name: "Gone", Configs: []string{}},
		{ID: "two", Name: "Two\x1b[2J", Found: true, Configs: []string{"/x/two\n.toml"}, Lost: []string{"c"}},
		{ID: "bad", Name: "Bad", Found: true, Configs: []string{"/x/bad"}, Problem: hint.New(hint.Failed, "The file cannot be understood.", "Mend it.")},
		{ID: "new", Name: "New", Found: true, Configs: []string{"/x/new"}},
		{ID: "project", Name: "Project", Configs: []string{"/src/app/.mcp.json"}, Servers: []string{"a"}},
	}
	rows, away := ClientRows(in, clients)
	var got []string
	for _, r := range rows {
		got = append(got, strings.Join([]string{string(r.Mark), r.Title, r.Line, r.File}, "|"))
	}
	want := []string{
		"▲|Two[2J|Its config file was rewritten. Gone from it: c|/x/two .toml",
		"▲|Bad|Its config file cannot be understood, so it is left alone|/x/bad",
		"●|One|Uses a, b|/x/one.json",
		"◌|New|Uses none of your servers|/x/new",
		"●|Project|Uses a|/src/app/.mcp.json",
	}
	if !slices.Equal(got, want) || away != "Not on this computer: Gone" {
		t.Errorf("rows\n%s\nwant\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), away)
	}
	if !rows[0].Lost || rows[2].More != 1 || rows[1].Problem == nil || rows[1].Problem.Do != "Mend it." {
		t.Errorf("rows = %+v", rows)
	}
}

func TestChangesOfAClient(t *testing.T) {
	in := input(&local.State{Servers: []local.ServerState{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}}})
	c := &local.MCPClient{Servers: []string{"a", "b"}, Lost: []string{"c"}}
	choices := ChoicesOf(in, c)
	if put, out := Changes(c, choices); !slices.Equal(put, []string{"c"}) || out != nil {
		t.Errorf("left as it is: puts in %q, takes out %q", put, out)
	}
	choices[0].On, choices[2].On, choices[3].On = false, false, true
	if put, out := Changes(c, choices); !slices.Equal(put, []string{"d"}) || !slices.Equal(out, []string{"a", "c"}) {
		t.Errorf("puts in %q, takes out %q", put, out)
	}
}

func TestAClientThatForgotIsInTheTray(t *testing.T) {
	n := local.Notice{ID: "lost cursor", Kind: local.NoticeClientLost, Client: "cursor", Program: "Cursor", Servers: []string{"a", "b"}}
	in := input(&local.State{Vault: local.VaultState{Open: true}, Servers: []local.ServerState{{Name: "a", State: local.Ready}}, Notices: []local.Notice{n}})
	m := Build(in)
	i := slices.IndexFunc(m.Items, func(i Item) bool { return i.Action == Action{RepairClient, "cursor"} })
	if i < 0 || m.Items[i].Label() != "▲ Restore the servers of Cursor" || m.Items[0].Text != "Keyporter — Cursor forgot its servers" || IconOf(in) != IconAttention {
		t.Errorf("menu = %+v, icon %v", m.Items, IconOf(in))
	}
	note, ok := NoteOf(in.Texts, n)
	if !ok || note.Title != "Cursor forgot its servers" || !strings.HasSuffix(note.Body, "a, b") || note.Button != "Restore" || note.Action != (Action{RepairClient, "cursor"}) {
		t.Errorf("notification = %+v", note)
	}
}
